"""What a model's outputs say of the classes."""

from collections.abc import Sequence

import numpy as np

from pipelines.errors import UserError
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


def require_finite(probabilities: FloatArray, names: Sequence[str]) -> None:
    """Raise a UserError where a model says NaN or infinity, of which no class can be told.

    Args:
        probabilities: float (images, classes).
        names: (images,).
    """
    broken = np.flatnonzero(~np.isfinite(probabilities).all(axis=1))
    if len(broken):
        raise UserError(
            f"the model says {probabilities[broken[0]].tolist()} of {names[broken[0]]}, and such things of "
            f"{len(broken):,} images in all: its training has diverged, so train it again"
        )
