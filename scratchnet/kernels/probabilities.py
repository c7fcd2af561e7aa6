"""Softmax and the logistic function.

NumPy's exponential is vectorised, and the C library's is not; but for the few classes of a single image, NumPy's calls
take longer than everything they compute. So small arrays have kernels.
"""

import math

import numpy as np

from scratchnet.arrays import FloatArray
from scratchnet.kernels.jit import kernel

FEW = 1024  # elements: up to so many, a kernel is quicker


@kernel
def _softmax_rows(x, classes, y):
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


@kernel
def _logistic(x, y):
    one = x.dtype.type(1)
    for i in range(x.size):
        decay = math.exp(-abs(x[i]))
        y[i] = (one if x[i] >= 0 else decay) / (one + decay)


def softmax(x: FloatArray, axis: int = -1) -> FloatArray:
    """Exponentials divided by their sum along `axis`, without overflow."""
    if 0 < x.size <= FEW and axis in {-1, x.ndim - 1}:
        y: FloatArray = np.empty(x.shape, x.dtype)
        _softmax_rows(x.reshape(-1), x.shape[-1], y.reshape(-1))
        return y
    y = x - x.max(axis=axis, keepdims=True)
    np.exp(y, out=y)
    y /= y.sum(axis=axis, keepdims=True)
    return y


def logistic(x: FloatArray) -> FloatArray:
    """1 / (1 + exp(-x)), without overflow on either side."""
    if x.size <= FEW:
        y: FloatArray = np.empty(x.shape, x.dtype)
        _logistic(x.reshape(-1), y.reshape(-1))
        return y
    decay = np.exp(-np.abs(x))
    result: FloatArray = np.where(x >= 0, 1, decay) / (1 + decay)
    return result
