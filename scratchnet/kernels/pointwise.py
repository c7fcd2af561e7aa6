"""Kernels that visit each element once, and sums over the rows of a matrix.

They are bound by memory. Arrays of at most `SERIAL` elements stay on the calling thread, because starting the others
takes longer than the work. Blocks do not depend on the number of threads, and so neither do results.
"""

import math

import numpy as np
from numba import prange

from scratchnet.arrays import FloatArray
from scratchnet.kernels import buffers
from scratchnet.kernels.denormals import flush_denormals, restore
from scratchnet.kernels.jit import kernel

BLOCK = 16384
SERIAL = 2 * BLOCK

SUM_WIDTH = 256  # elements that are added side by side: narrow rows are laid side by side to fill it
SUM_CHUNKS = 64
SUM_LINES = 128  # lines added in the array's own precision before they join the sum in float64


@kernel
def _relu_block(x, y):
    mode = flush_denormals()
    for i in range(x.size):
        y[i] = x.dtype.type(0) if x[i] <= 0 else x[i]  # a NaN is not <= 0, so it passes
    restore(mode)


@kernel(parallel=True)
def _relu(x, y):
    if x.size <= SERIAL:
        _relu_block(x, y)
    else:
        for block in prange(-(-x.size // BLOCK)):
            at = slice(block * BLOCK, (block + 1) * BLOCK)
            _relu_block(x[at], y[at])


@kernel
def _relu_gradient_block(dy, y, dx):
    mode = flush_denormals()
    for i in range(y.size):
        dx[i] = dy[i] if y[i] > 0 else dy.dtype.type(0)
    restore(mode)


@kernel(parallel=True)
def _relu_gradient(dy, y, dx):
    if y.size <= SERIAL:
        _relu_gradient_block(dy, y, dx)
    else:
        for block in prange(-(-y.size // BLOCK)):
            at = slice(block * BLOCK, (block + 1) * BLOCK)
            _relu_gradient_block(dy[at], y[at], dx[at])


@kernel
def _erf_block(x, y):
    mode = flush_denormals()
    for i in range(x.size):
        y[i] = math.erf(x[i])
    restore(mode)


@kernel(parallel=True)
def _erf(x, y):
    if x.size <= SERIAL:
        _erf_block(x, y)
    else:
        for block in prange(-(-x.size // BLOCK)):
            at = slice(block * BLOCK, (block + 1) * BLOCK)
            _erf_block(x[at], y[at])


@kernel
def _dropout_block(x, first, seed, threshold, scale, y):
    mode = flush_denormals()
    for i in range(x.size):
        # splitmix64 of the element's number: no state, so every thread draws what one thread would
        z = seed + np.uint64(first + i) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
        y[i] = x[i] * scale if (z >> np.uint64(32)) >= threshold else x.dtype.type(0)
    restore(mode)


@kernel(parallel=True)
def _dropout(x, seed, threshold, scale, y):
    if x.size <= SERIAL:
        _dropout_block(x, 0, seed, threshold, scale, y)
    else:
        for block in prange(-(-x.size // BLOCK)):
            at = slice(block * BLOCK, (block + 1) * BLOCK)
            _dropout_block(x[at], block * BLOCK, seed, threshold, scale, y[at])


@kernel
def _add_lines(x, width, total):
    """Add to `total` the lines of `width` elements that `x` consists of; the last may be shorter."""
    mode = flush_denormals()
    partial = np.empty(width, x.dtype)
    lines = x.size // width
    for first in range(0, lines, SUM_LINES):
        partial[:] = 0
        last = min(first + SUM_LINES, lines)
        fours = first + (last - first) // 4 * 4
        for line in range(first, fours, 4):
            a, b = x[line * width : (line + 1) * width], x[(line + 1) * width : (line + 2) * width]
            c, d = x[(line + 2) * width : (line + 3) * width], x[(line + 3) * width : (line + 4) * width]
            for i in range(width):
                partial[i] += (a[i] + b[i]) + (c[i] + d[i])
        for line in range(fours, last):
            a = x[line * width : (line + 1) * width]
            for i in range(width):
                partial[i] += a[i]
        for i in range(width):
            total[i] += partial[i]
    rest = x[lines * width :]
    for i in range(rest.size):
        total[i] += rest[i]
    restore(mode)


@kernel(parallel=True)
def _column_sums(x, width, chunk, totals, sums):
    """Each row of `totals` takes the lines of one chunk of `x`, `chunk` elements; `sums` takes all."""
    totals[:] = 0
    if x.size <= SERIAL:
        for number in range(len(totals)):
            _add_lines(x[number * chunk : (number + 1) * chunk], width, totals[number])
    else:
        for number in prange(len(totals)):
            _add_lines(x[number * chunk : (number + 1) * chunk], width, totals[number])
    columns = sums.size
    for column in range(columns):
        total = 0.0
        for number in range(len(totals)):
            for i in range(column, width, columns):
                total += totals[number, i]
        sums[column] = total


def relu(x: FloatArray) -> FloatArray:
    """`max(x, 0)`; NaN stays NaN."""
    y = buffers.empty_like(x)
    _relu(x.reshape(-1), y.reshape(-1))
    return y


def relu_gradient(dy: FloatArray, y: FloatArray) -> FloatArray:
    """`dy` where `y` is positive."""
    dx = buffers.empty_like(y)
    _relu_gradient(dy.reshape(-1), y.reshape(-1), dx.reshape(-1))
    return dx


def erf(x: FloatArray) -> FloatArray:
    """The error function."""
    y = buffers.empty_like(x)
    _erf(x.reshape(-1), y.reshape(-1))
    return y


def dropout(x: FloatArray, rate: float, seed: int) -> FloatArray:
    """Zero each element with probability `rate` and scale the rest by 1 / (1 - rate).

    It is its own gradient: the same seed drops the same elements of `dy`, so nothing needs to be remembered.

    Args:
        seed: 64 bits.
    """
    y = buffers.empty_like(x)
    threshold, scale = np.uint64(round(rate * 2**32)), x.dtype.type(1 / (1 - rate))
    _dropout(x.reshape(-1), np.uint64(seed), threshold, scale, y.reshape(-1))
    return y


def column_sums(x: FloatArray) -> FloatArray:
    """The sum over the rows of a C-contiguous matrix (rows, columns) -> (columns,), such as a bias's gradient.

    Added up in float64 beyond short runs, so the error does not grow with the number of rows.
    """
    rows, columns = x.shape
    sums = np.empty(columns, x.dtype)
    if x.size == 0:
        sums.fill(0)
        return sums
    side_by_side = max(1, SUM_WIDTH // columns)
    width = side_by_side * columns
    lines = -(-rows // side_by_side)
    lines_per_chunk = max(-(-lines // SUM_CHUNKS), -(-SERIAL // width))
    totals = np.empty((-(-lines // lines_per_chunk), width), np.float64)
    _column_sums(x.reshape(-1), width, lines_per_chunk * width, totals, sums)
    return sums
