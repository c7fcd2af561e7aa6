"""Softmax and the logistic function.

NumPy's exponential is vectorised, and the C library's is not; but for the few classes of a single image, NumPy's calls
take longer than everything they compute. Which of them computes a row does not depend on the number of rows, because
their bits differ.
"""

import math

import numpy as np
from numba import prange

from scratchnet.arrays import FloatArray
from scratchnet.kernels import buffers
from scratchnet.kernels.denormals import flush_denormals, restore
from scratchnet.kernels.jit import kernel

FEW = 100  # classes: up to so many, a kernel takes them
BLOCK = 2048  # elements: up to so many, one thread has done them before others have started


@kernel
def _softmax_rows(x, classes, y):
    mode = flush_denormals()
    for first in range(0, x.size, classes):
        row, target = x[first : first + classes], y[first : first + classes]
        largest = row[0]
        for c in range(1, classes):
            largest = largest if row[c] <= largest or largest != largest else row[c]  # a NaN stays
        for c in range(classes):
            target[c] = math.exp(row[c] - largest)
        # A loop of its own: beside the store, the order of the sum would depend on how far apart the arrays lie.
        total = x.dtype.type(0)
        for c in range(classes):
            total += target[c]
        for c in range(classes):
            target[c] /= total
    restore(mode)


@kernel(parallel=True)
def _softmax(x, classes, y):
    size = -(-BLOCK // classes) * classes
    for block in prange(-(-x.size // size)):
        at = slice(block * size, (block + 1) * size)
        _softmax_rows(x[at], classes, y[at])


@kernel
def _logistic_block(x, y):
    mode = flush_denormals()
    one = x.dtype.type(1)
    for i in range(x.size):
        decay = math.exp(-abs(x[i]))
        y[i] = (one if x[i] >= 0 else decay) / (one + decay)
    restore(mode)


@kernel(parallel=True)
def _logistic(x, y):
    for block in prange(-(-x.size // BLOCK)):
        at = slice(block * BLOCK, (block + 1) * BLOCK)
        _logistic_block(x[at], y[at])


def softmax(x: FloatArray, axis: int = -1) -> FloatArray:
    """Exponentials divided by their sum along `axis`, without overflow."""
    if 0 < x.shape[axis] <= FEW and axis in {-1, x.ndim - 1}:
        y: FloatArray = buffers.empty_like(x)
        (_softmax_rows if x.size <= BLOCK else _softmax)(x.reshape(-1), x.shape[-1], y.reshape(-1))
        return y
    y = x - x.max(axis=axis, keepdims=True)
    np.exp(y, out=y)
    y /= y.sum(axis=axis, keepdims=True)
    return y


def logistic(x: FloatArray) -> FloatArray:
    """1 / (1 + exp(-x)), without overflow on either side."""
    y: FloatArray = buffers.empty_like(x)
    (_logistic_block if x.size <= BLOCK else _logistic)(x.reshape(-1), y.reshape(-1))
    return y
