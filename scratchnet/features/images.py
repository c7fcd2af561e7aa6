"""What estimators take for images: arrays (n, height, width, channels), or flat rows as scikit-learn has them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from scratchnet.arrays import AnyArray, FloatArray, Shape

TAKEN = (np.float32, np.float64, np.uint8)  # other numbers become float32


def checked_shape(shape: Any, name: str) -> Shape:
    """(height, width, channels) of an image.

    Raises:
        ValueError: it is something else.
    """
    found = tuple(shape) if isinstance(shape, Sequence) else ()
    if len(found) != 3 or any(not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 1 for n in found):
        raise ValueError(f"{name} must be (height, width, channels), three positive ints, got {shape!r}")
    return tuple(int(size) for size in found)


def as_rows(
    estimator: BaseEstimator, x: Any, shape: Shape | None, reset: bool, y: Any = None
) -> tuple[AnyArray, Shape | None, Any]:
    """Check images as scikit-learn does, each as one row.

    Args:
        estimator: whose `n_features_in_` is set, or compared.
        x: (n, height, width, channels), or (n, features).
        shape: of one image, or None if it is not known.
        reset: whether this is `fit`.
        y: labels to be checked along, or None.

    Returns:
        The rows (n, features), the shape of the images if they have one, and the labels or None.

    Raises:
        ValueError: `x` holds no such images, or no finite numbers.
    """
    found = None
    if isinstance(x, np.ndarray) and x.ndim == 4:
        found = x.shape[1:]
        if shape is not None and found != shape:
            raise ValueError(f"images must have the shape (n, {', '.join(map(str, shape))}), got {x.shape}")
        x = x.reshape(len(x), math.prod(found))  # -1 would be ambiguous where there are no images
    options = {"reset": reset, "dtype": list(TAKEN)}
    if y is None:
        rows = validate_data(estimator, x, **options)
    else:
        rows, y = validate_data(estimator, x, y, **options)
    if found is None and shape is not None and rows.shape[1] != math.prod(shape):
        raise ValueError(
            f"images of shape {shape} have {math.prod(shape)} numbers each, got rows of {rows.shape[1]} features"
        )
    return rows, found, y


def in_shape(images: AnyArray, shape: Shape) -> AnyArray:
    """Images (n, *shape), C-contiguous: bytes as they are, all other numbers as float32.

    Args:
        images: (n, *shape), or flat rows.
        shape: of one image.

    Raises:
        ValueError: they are of another shape.
    """
    if images.shape[1:] not in {shape, (math.prod(shape),)}:
        raise ValueError(f"images must have the shape (n, {', '.join(map(str, shape))}), got {images.shape}")
    array = np.require(images, None if images.dtype == np.uint8 else np.float32, ["C", "W"])
    return array.reshape(len(images), *shape)


def to_floats(images: AnyArray, shape: Shape) -> FloatArray:
    """`in_shape` as a network takes it: float32; bytes become 0 to 1, other numbers stay as they are."""
    array = in_shape(images, shape)
    if array.dtype == np.uint8:
        return np.multiply(array, np.float32(1 / 255), dtype=np.float32)
    return array
