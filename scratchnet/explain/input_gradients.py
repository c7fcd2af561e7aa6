"""Saliency: which pixels the score of a class hangs on."""

from typing import Any

import numpy as np

from scratchnet.arrays import FloatArray, IntArray
from scratchnet.explain.scores import (
    BATCH_SIZE,
    Classes,
    before_probabilities,
    checked_classes,
    checked_images,
    chosen,
    in_batches,
    predicted_classes,
)
from scratchnet.models.batches import checked_batch_size
from scratchnet.models.model import Model
from scratchnet.parameter import gradient_at
from scratchnet.tensor import Tensor


def saliency(
    model: Model,
    images: Any,
    class_index: Classes = None,
    smooth: int = 0,
    noise: float = 0.15,
    seed: int = 0,
    *,
    batch_size: int = BATCH_SIZE,
) -> FloatArray:
    """How much the score of a class changes with each pixel: (batch, height, width), none negative.

    It is `max_over_channels(|ds / dx|)`, with `s` the score before softmax or sigmoid (Simonyan et al., 2014,
    https://arxiv.org/abs/1312.6034). With `smooth`, the gradient is the mean over so many copies of the image with
    noise added, which leaves less speckle (SmoothGrad: Smilkov et al., 2017, https://arxiv.org/abs/1706.03825).

    Args:
        model: of one image as input and one row of scores as output; built.
        images: (batch, height, width, channels) in the range that the model takes.
        class_index: as in `grad_cam`; by default the class that the model gives the image without noise.
        smooth: how many noisy copies; 0 for the image itself.
        noise: standard deviation of the noise, as a share of the image's largest minus its smallest value.
        seed: of the noise. That of an image depends on its place in `images`, and not on the batches.
        batch_size: so many images are computed at once.

    Raises:
        ValueError: the images do not fit the model, it has no such class, or an argument is out of range.
    """
    array = checked_images(model, images)
    classes = checked_classes(model, class_index, len(array))
    size = checked_batch_size(batch_size)
    if not isinstance(smooth, int) or isinstance(smooth, bool) or smooth < 0:
        raise ValueError(f"smooth must be an int of at least 0, got {smooth!r}")
    if not 0 <= noise < np.inf:
        raise ValueError(f"noise must be a number of at least 0, got {noise!r}")
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"seed must be an int of at least 0, got {seed!r}")

    def gradient(part: FloatArray, wanted: IntArray | None) -> FloatArray:
        found = gradient_at(part, lambda leaf: chosen(before_probabilities(_output(model, leaf)), wanted))
        return np.zeros_like(part) if found is None else found

    if not smooth:
        return _strongest(in_batches(model, gradient, array, classes, size))
    if classes is None:
        classes = np.concatenate([predicted_classes(model, array[i : i + size]) for i in range(0, len(array), size)])
    # one generator for each image, which goes on from copy to copy
    generators = [np.random.default_rng((seed, number)) for number in range(len(array))]
    deviations = noise * (array.max(axis=(1, 2, 3)) - array.min(axis=(1, 2, 3)))
    total = np.zeros_like(array)
    for _ in range(smooth):
        drawn = np.stack([generator.standard_normal(array.shape[1:]) for generator in generators])
        noisy = array + (drawn * deviations[:, None, None, None]).astype(array.dtype)
        total += in_batches(model, gradient, noisy, classes, size)
    return _strongest(total / smooth)


def _output(model: Model, images: Tensor) -> Tensor:
    output = model(images, training=False)
    assert isinstance(output, Tensor)  # only models of one output come here
    return output


def _strongest(gradients: FloatArray) -> FloatArray:
    result: FloatArray = np.abs(gradients).max(axis=-1)
    return result
