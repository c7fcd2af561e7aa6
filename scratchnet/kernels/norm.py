"""Batch normalisation by channel, with a ReLU before it, after it or on both sides.

All of it is bound by memory, so each pass reads every value once and writes every result once. ReLUs happen on the way
and are worked out again on the way back: nothing but `x` is kept. The same passes with a max pool are in pool.py.

Arrays (..., channels) are walked flat, in rows of several pixels side by side (`_layout`): so a few channels fill the
vector registers as well as many do. Sums run over chunks that depend on the shape alone, and the chunks are added in
float64 in one order, so that threads do not change a bit.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import prange

from scratchnet.arrays import AnyArray, FloatArray
from scratchnet.kernels import buffers
from scratchnet.kernels.denormals import flush_denormals, restore
from scratchnet.kernels.jit import kernel

LANES = 64  # a row is at least so long, and a multiple of any vector register
LONGEST_ROW = 2048
CHUNK_BYTES = 128 * 1024
CHUNKS = 16  # a small array has smaller chunks, so that there are as many
SAMPLES = 16  # rows that the centre of a chunk is guessed from


class ChannelMap(NamedTuple):
    """`post_relu(pre_relu(x) * scale + shift)` by channel; scale and shift are (channels,), of x's dtype."""

    scale: FloatArray
    shift: FloatArray
    pre_relu: bool = False
    post_relu: bool = False


class InputGradient(NamedTuple):
    """`dy * by_dy + (x - mean) * by_x + constant` by channel: the gradient between the two ReLUs of a `ChannelMap`.

    All are (channels,), of x's dtype. `of_statistics` says whether the last two terms count; they are those of a mean
    and a variance that depend on `x`.
    """

    by_dy: FloatArray
    mean: FloatArray
    by_x: FloatArray
    constant: FloatArray
    of_statistics: bool


@kernel
def rectified(value, floor):
    """ReLU if `floor` is 0, the value itself if it is -infinity; NaN stays NaN."""
    return floor if value <= floor else value


@kernel
def floor_of(relu, x):
    """The `floor` that `rectified` takes."""
    return x.dtype.type(0) if relu else x.dtype.type(-np.inf)


@kernel
def pixel_gradient(dy, x, by_dy, mean, by_x, constant, of_statistics, floor, passes, zero):
    """One element of the gradient by `x`: an `InputGradient` and the ReLU before it. No branches, for the vectors."""
    gradient = dy * by_dy + ((rectified(x, floor) - mean) * by_x + constant if of_statistics else zero)
    return gradient if (x > zero) | passes else zero


@kernel
def repeated(values, row):
    """The values of one pixel, for each pixel of a row."""
    result = np.empty(row, values.dtype)
    for start in range(0, row, values.size):
        for c in range(values.size):  # the assignment of a slice takes seconds to compile
            result[start + c] = values[c]
    return result


@kernel
def _fold(row, total):
    """The sums by channel of the columns of a row, in float64."""
    total[:] = 0
    for start in range(0, row.size, total.size):
        pixel = row[start : start + total.size]
        for c in range(total.size):
            total[c] += pixel[c]


@kernel
def _deviations(x, floor, center, first, second):
    """The sums over rows of x - center and of its square, by column; the last row may be short."""
    first[:], second[:] = 0, 0
    row = center.size
    whole = x.size // (4 * row) * (4 * row)
    for start in range(0, whole, 4 * row):  # four rows for each time that the sums are loaded and stored
        x0, x1 = x[start : start + row], x[start + row : start + 2 * row]
        x2, x3 = x[start + 2 * row : start + 3 * row], x[start + 3 * row : start + 4 * row]
        for c in range(row):
            d0, d1 = rectified(x0[c], floor) - center[c], rectified(x1[c], floor) - center[c]
            d2, d3 = rectified(x2[c], floor) - center[c], rectified(x3[c], floor) - center[c]
            first[c] += (d0 + d1) + (d2 + d3)
            second[c] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)
    for start in range(whole, x.size, row):
        rest = x[start : start + row]
        for c in range(rest.size):
            deviation = rectified(rest[c], floor) - center[c]
            first[c] += deviation
            second[c] += deviation * deviation


@kernel
def _chunk_moments(x, floor, row, mean, squares):
    """The mean by channel and the sum of squared deviations from it, in one sweep.

    Deviations are taken from the mean of a few rows and corrected for what that is off. The correction cannot cancel
    much: rows far from the mean would themselves be a good part of the variance. In the worst case the sum of squares
    is rounded as if it were (1 + rows / SAMPLES) times as large, and a chunk has 512 rows at most.
    """
    channels, rows = mean.size, x.size // row
    samples = min(SAMPLES, rows)
    first, second, center = np.zeros(row, x.dtype), np.empty(row, x.dtype), np.empty(channels, x.dtype)
    for sample in range(samples):
        start = rows * sample // samples * row
        values = x[start : start + row]
        for c in range(row):
            first[c] += rectified(values[c], floor)
    _fold(first, mean)
    for c in range(channels):
        center[c] = mean[c] / max(1, samples * (row // channels))
    _deviations(x, floor, repeated(center, row), first, second)
    _fold(first, mean)
    _fold(second, squares)
    count = x.size // channels
    for c in range(channels):
        correction = mean[c] * mean[c] / count
        squares[c] -= correction if correction < squares[c] else squares[c]
        mean[c] = center[c] + mean[c] / count


@kernel
def _join_moments(partial, chunk, size, mean, variance):
    """Chan, Golub & LeVeque, 1979, "Updating formulae and a pairwise algorithm for computing sample variances"."""
    channels = mean.size
    total, squares = np.zeros(channels, np.float64), np.zeros(channels, np.float64)
    for part in range(partial.shape[0]):
        share = min(chunk, size - part * chunk) / size
        for c in range(channels):
            total[c] += partial[part, 0, c] * share
    for part in range(partial.shape[0]):
        count = min(chunk, size - part * chunk) / channels
        for c in range(channels):
            deviation = partial[part, 0, c] - total[c]
            squares[c] += partial[part, 1, c] + count * (deviation * deviation)
    for c in range(channels):
        mean[c], variance[c] = total[c], squares[c] * (channels / size)


@kernel(parallel=True)
def _moments(x, row, chunk, relu, partial, mean, variance):
    floor = floor_of(relu, x)
    for part in prange(partial.shape[0]):
        mode = flush_denormals()
        _chunk_moments(x[part * chunk : (part + 1) * chunk], floor, row, partial[part, 0], partial[part, 1])
        restore(mode)
    _join_moments(partial, chunk, x.size, mean, variance)


@kernel(parallel=True)
def _map_channels(x, row, chunk, channels, y):
    pre, post = floor_of(channels.pre_relu, x), floor_of(channels.post_relu, x)
    scale, shift = repeated(channels.scale, row), repeated(channels.shift, row)
    for part in prange(-(-x.size // chunk)):
        mode = flush_denormals()
        for start in range(part * chunk, min(x.size, (part + 1) * chunk), row):
            source, target = x[start : start + row], y[start : start + row]
            for c in range(source.size):
                target[c] = rectified(rectified(source[c], pre) * scale[c] + shift[c], post)
        restore(mode)


@kernel
def _behind_relu(dy, value, scale, shift, passes, zero):
    """The gradient before a ReLU of value * scale + shift, which `passes` says is not there."""
    return dy if (value * scale + shift > zero) | passes else zero


@kernel
def _chunk_sums(x, dy, channels, scale, shift, center, sums):
    """The sums by channel of dz and of dz * (pre_relu(x) - center)."""
    pre, zero, passes = floor_of(channels.pre_relu, x), x.dtype.type(0), not channels.post_relu
    row = scale.size
    first, second = np.zeros(row, x.dtype), np.zeros(row, x.dtype)
    whole = x.size // (2 * row) * (2 * row)
    for start in range(0, whole, 2 * row):  # two rows for each time that the sums are loaded and stored
        x0, x1 = x[start : start + row], x[start + row : start + 2 * row]
        dy0, dy1 = dy[start : start + row], dy[start + row : start + 2 * row]
        for c in range(row):
            v0, v1 = rectified(x0[c], pre), rectified(x1[c], pre)
            d0 = _behind_relu(dy0[c], v0, scale[c], shift[c], passes, zero)
            d1 = _behind_relu(dy1[c], v1, scale[c], shift[c], passes, zero)
            first[c] += d0 + d1
            second[c] += d0 * (v0 - center[c]) + d1 * (v1 - center[c])
    for start in range(whole, x.size, row):
        x0, dy0 = x[start : start + row], dy[start : start + row]
        for c in range(x0.size):
            v0 = rectified(x0[c], pre)
            d0 = _behind_relu(dy0[c], v0, scale[c], shift[c], passes, zero)
            first[c] += d0
            second[c] += d0 * (v0 - center[c])
    _fold(first, sums[0])
    _fold(second, sums[1])


@kernel
def _add_up(partial, total):
    for part in range(partial.shape[0]):
        for n in range(total.shape[0]):
            for c in range(total.shape[1]):
                total[n, c] += partial[part, n, c]


@kernel(parallel=True)
def _gradient_sums(x, dy, row, chunk, channels, mean, partial, sums):
    scale, shift, center = repeated(channels.scale, row), repeated(channels.shift, row), repeated(mean, row)
    for part in prange(partial.shape[0]):
        mode = flush_denormals()
        here = slice(part * chunk, (part + 1) * chunk)
        _chunk_sums(x[here], dy[here], channels, scale, shift, center, partial[part])
        restore(mode)
    _add_up(partial, sums)


@kernel(parallel=True)
def _input_gradient(x, dy, row, chunk, channels, gradient, dx):
    pre, zero, passes = floor_of(channels.pre_relu, x), x.dtype.type(0), not channels.post_relu
    scale, shift, of_statistics = repeated(channels.scale, row), repeated(channels.shift, row), gradient.of_statistics
    by_dy, mean = repeated(gradient.by_dy, row), repeated(gradient.mean, row)
    by_x, constant = repeated(gradient.by_x, row), repeated(gradient.constant, row)
    for part in prange(-(-x.size // chunk)):
        mode = flush_denormals()
        for start in range(part * chunk, min(x.size, (part + 1) * chunk), row):
            pixels, above, target = x[start : start + row], dy[start : start + row], dx[start : start + row]
            for c in range(pixels.size):
                through = _behind_relu(above[c], rectified(pixels[c], pre), scale[c], shift[c], passes, zero)
                target[c] = pixel_gradient(
                    through, pixels[c], by_dy[c], mean[c], by_x[c], constant[c],
                    of_statistics, pre, not channels.pre_relu, zero,
                )  # fmt: skip
        restore(mode)


def _layout(x: AnyArray) -> tuple[int, int]:
    """How many values there are in a row, a whole number of pixels, and in a chunk, a whole number of rows."""
    channels = x.shape[-1]
    row = math.lcm(channels, LANES)
    if row > LONGEST_ROW:
        row = channels
    rows = max(CHUNK_BYTES // (row * x.itemsize), 32)
    return row, row * min(rows, max(4, -(-x.size // (row * CHUNKS))))


def _partial(x: FloatArray, chunk: int) -> FloatArray:
    return np.empty((-(-x.size // chunk), 2, x.shape[-1]), np.float64)


def moments(x: FloatArray, relu: bool = False) -> tuple[FloatArray, FloatArray]:
    """Mean and (biased) variance by channel of `x` (..., channels), or of its ReLU; each (channels,)."""
    row, chunk = _layout(x)
    mean, variance = np.empty((2, x.shape[-1]), x.dtype)
    _moments(x.reshape(-1), row, chunk, relu, _partial(x, chunk), mean, variance)
    return mean, variance


def map_channels(x: FloatArray, channels: ChannelMap) -> FloatArray:
    """`post_relu(pre_relu(x) * scale + shift)`, of the shape of `x`."""
    y = buffers.empty_like(x)
    _map_channels(x.reshape(-1), *_layout(x), channels, y.reshape(-1))
    return y


def gradient_sums(
    x: FloatArray, dy: FloatArray, channels: ChannelMap, mean: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The sums by channel of `dz` and of `dz * (pre_relu(x) - mean)`, in float64.

    Args:
        x: (..., channels): what was mapped. Behind a max pool, the values that won: the others add nothing.
        dy: the gradient by the result, of x's shape.
        channels: the map; `dz` is the gradient before its second ReLU.
        mean: (channels,).
    """
    row, chunk = _layout(x)
    sums = np.zeros((2, x.shape[-1]), np.float64)
    _gradient_sums(x.reshape(-1), dy.reshape(-1), row, chunk, channels, mean, _partial(x, chunk), sums)
    return sums[0], sums[1]


def training_gradient(
    mean: FloatArray,
    inverse_deviation: FloatArray,
    scale: FloatArray,
    sums: tuple[FloatArray, FloatArray],
    count: int,
) -> InputGradient:
    """The gradient by `x` where mean and variance were those of `x` itself.

    With x^ = (x - mean) * inverse_deviation and `count` values by channel:
        dx = scale * inverse_deviation * (dy - mean(dy) - x^ * mean(dy * x^))

    Args:
        sums: those of `gradient_sums`.
    """
    by_dy = scale * inverse_deviation
    by_x = -by_dy * inverse_deviation**2 * sums[1] / count
    constant = -by_dy * sums[0] / count
    dtype = mean.dtype
    return InputGradient(by_dy.astype(dtype), mean, by_x.astype(dtype), constant.astype(dtype), True)


def fixed_gradient(by_dy: FloatArray) -> InputGradient:
    """The gradient by `x` where mean and variance do not depend on it."""
    return InputGradient(by_dy, by_dy, by_dy, by_dy, False)


def input_gradient(x: FloatArray, dy: FloatArray, channels: ChannelMap, gradient: InputGradient) -> FloatArray:
    """The gradient by `x` of `map_channels`, through both ReLUs."""
    dx = buffers.empty_like(x)
    _input_gradient(x.reshape(-1), dy.reshape(-1), *_layout(x), channels, gradient, dx.reshape(-1))
    return dx
