"""What a model's outputs say of the classes."""

import numpy as np

from scratchnet.arrays import FloatArray


def class_probabilities(outputs: FloatArray) -> FloatArray:
    """A probability for each class: float (images, classes).

    Args:
        outputs: (images, classes) of a softmax; or (images, 1) of a sigmoid, the probability of the second of two
            classes.
    """
    if outputs.shape[-1] == 1:
        return np.concatenate([1 - outputs, outputs], axis=-1)
    return outputs
