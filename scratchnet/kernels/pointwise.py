"""Kernels that visit each element once."""

import math

import numpy as np
from numba import prange

from scratchnet.arrays import AnyArray, FloatArray
from scratchnet.kernels.jit import kernel

BLOCK = 16384


@kernel(parallel=True)
def _relu(x, y):
    for block in prange(-(-x.size // BLOCK)):
        source, target = x[block * BLOCK : (block + 1) * BLOCK], y[block * BLOCK : (block + 1) * BLOCK]
        for i in range(source.size):
            target[i] = x.dtype.type(0) if source[i] <= 0 else source[i]  # a NaN is not <= 0, so it passes


@kernel(parallel=True)
def _relu_gradient(dy, y, dx):
    for block in prange(-(-y.size // BLOCK)):
        at = slice(block * BLOCK, (block + 1) * BLOCK)
        source, value, target = dy[at], y[at], dx[at]
        for i in range(source.size):
            target[i] = source[i] if value[i] > 0 else dy.dtype.type(0)


@kernel(parallel=True)
def _erf(x, y):
    for block in prange(-(-x.size // BLOCK)):
        for i in range(block * BLOCK, min(x.size, (block + 1) * BLOCK)):
            y[i] = math.erf(x[i])


@kernel(parallel=True)
def _dropout(x, seed, threshold, scale, y, kept):
    for block in prange(-(-x.size // BLOCK)):
        for i in range(block * BLOCK, min(x.size, (block + 1) * BLOCK)):
            # splitmix64 of the element's number: no state, so every thread draws what one thread would
            z = seed + np.uint64(i) * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
            kept[i] = (z >> np.uint64(32)) >= threshold
            y[i] = x[i] * scale if kept[i] else x.dtype.type(0)


def relu(x: FloatArray) -> FloatArray:
    """`max(x, 0)`; NaN stays NaN."""
    y = np.empty_like(x)
    _relu(x.reshape(-1), y.reshape(-1))
    return y


def relu_gradient(dy: FloatArray, y: FloatArray) -> FloatArray:
    """`dy` where `y` is positive."""
    dx = np.empty_like(y)
    _relu_gradient(dy.reshape(-1), y.reshape(-1), dx.reshape(-1))
    return dx


def erf(x: FloatArray) -> FloatArray:
    """The error function."""
    y = np.empty_like(x)
    _erf(x.reshape(-1), y.reshape(-1))
    return y


def dropout(x: FloatArray, rate: float, seed: int) -> tuple[FloatArray, AnyArray]:
    """Zero each element with probability `rate` and scale the rest by 1 / (1 - rate).

    Args:
        seed: 64 bits; the same seed drops the same elements.

    Returns:
        The result and a boolean array of what was kept.
    """
    y, kept = np.empty_like(x), np.empty(x.shape, np.bool_)
    threshold, scale = np.uint64(round(rate * 2**32)), x.dtype.type(1 / (1 - rate))
    _dropout(x.reshape(-1), np.uint64(seed), threshold, scale, y.reshape(-1), kept.reshape(-1))
    return y, kept
