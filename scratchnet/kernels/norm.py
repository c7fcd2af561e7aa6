"""Batch normalisation over the rows of a (rows, channels) matrix.

Sums over rows run in a fixed number of chunks, added in float64 in one order, so that threads do not change them.
"""

import numpy as np
from numba import prange

from scratchnet.arrays import FloatArray
from scratchnet.kernels.jit import kernel

CHUNKS = 32
ROW_BLOCK = 256


@kernel(parallel=True)
def _sums(x, center, partial):
    """partial[chunk] = sums of x and of (x - center)^2."""
    rows, channels = x.shape
    chunks = partial.shape[0]
    for chunk in prange(chunks):
        partial[chunk] = 0
        for r in range(chunk * rows // chunks, (chunk + 1) * rows // chunks):
            for c in range(channels):
                deviation = x[r, c] - center[c]
                partial[chunk, 0, c] += x[r, c]
                partial[chunk, 1, c] += deviation * deviation


@kernel(parallel=True)
def _scale_and_shift(x, scale, shift, y):
    rows, channels = x.shape
    for block in prange(-(-rows // ROW_BLOCK)):
        for r in range(block * ROW_BLOCK, min(rows, (block + 1) * ROW_BLOCK)):
            for c in range(channels):
                y[r, c] = x[r, c] * scale[c] + shift[c]


@kernel(parallel=True)
def _gradient_sums(x, dy, mean, partial):
    """partial[chunk] = sums of dy and of dy * (x - mean)."""
    rows, channels = x.shape
    chunks = partial.shape[0]
    for chunk in prange(chunks):
        partial[chunk] = 0
        for r in range(chunk * rows // chunks, (chunk + 1) * rows // chunks):
            for c in range(channels):
                partial[chunk, 0, c] += dy[r, c]
                partial[chunk, 1, c] += dy[r, c] * (x[r, c] - mean[c])


@kernel(parallel=True)
def _input_gradient(x, dy, mean, by_dy, by_x, constant, dx):
    rows, channels = x.shape
    for block in prange(-(-rows // ROW_BLOCK)):
        for r in range(block * ROW_BLOCK, min(rows, (block + 1) * ROW_BLOCK)):
            for c in range(channels):
                dx[r, c] = dy[r, c] * by_dy[c] + (x[r, c] - mean[c]) * by_x[c] + constant[c]


def _partial(channels: int) -> FloatArray:
    return np.empty((CHUNKS, 2, channels), np.float64)


def moments(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and (biased) variance of each column of `x` (rows, channels), each (channels,).

    Two passes, because the mean of squares minus the square of the mean cancels where the mean is large.
    """
    rows, channels = x.shape
    partial = _partial(channels)
    _sums(x, np.zeros(channels, x.dtype), partial)
    mean = (partial[:, 0].sum(axis=0) / rows).astype(x.dtype)
    _sums(x, mean, partial)
    return mean, (partial[:, 1].sum(axis=0) / rows).astype(x.dtype)


def scale_and_shift(x: FloatArray, scale: FloatArray, shift: FloatArray) -> FloatArray:
    """`x * scale + shift` by column."""
    y = np.empty_like(x)
    _scale_and_shift(x, scale, shift, y)
    return y


def gradient_sums(x: FloatArray, dy: FloatArray, mean: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The sums of `dy` and of `dy * (x - mean)` by column."""
    partial = _partial(x.shape[1])
    _gradient_sums(x, dy, mean, partial)
    sums = partial.sum(axis=0).astype(x.dtype)
    return sums[0], sums[1]


def training_input_gradient(
    x: FloatArray,
    dy: FloatArray,
    mean: FloatArray,
    inverse_deviation: FloatArray,
    scale: FloatArray,
    sums: tuple[FloatArray, FloatArray],
) -> FloatArray:
    """The gradient by `x` when mean and variance were those of `x` itself.

    With x^ = (x - mean) * inverse_deviation:
        dx = scale * inverse_deviation * (dy - mean(dy) - x^ * mean(dy * x^))
    """
    rows = x.dtype.type(len(x))
    by_dy = scale * inverse_deviation
    by_x = -by_dy * inverse_deviation**2 * sums[1] / rows
    dx = np.empty_like(x)
    _input_gradient(x, dy, mean, by_dy, by_x, -by_dy * sums[0] / rows, dx)
    return dx
