"""Small maps at the size of the image that they speak of."""

import numpy as np

from scratchnet.arrays import FloatArray


def enlarged(maps: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Maps of another size, bilinearly: pixels are squares that fill the image, and each value stands for its centre.

    Args:
        maps: (batch, height, width).
        size: the new height and width; a smaller one is taken at the new centres, without averaging.
    """
    rows, columns = (_weights(old, new, maps.dtype) for old, new in zip(maps.shape[1:], size, strict=True))
    result: FloatArray = np.matmul(np.matmul(rows, maps), columns.T)
    return result


def _weights(old: int, new: int, dtype: np.dtype[np.floating]) -> FloatArray:
    """(new, old): how much each old pixel counts in each new one."""
    centres = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)  # beyond the outer centres nothing changes
    below = np.floor(centres).astype(np.int64)
    share = centres - below
    weights = np.zeros((new, old))
    weights[np.arange(new), below] = 1 - share
    weights[np.arange(new), np.minimum(below + 1, old - 1)] += share
    return weights.astype(dtype)
