"""Convolutions in float64 as one matrix product per tap: plain NumPy, and fast enough for many channels.

`test_tapwise_convolutions_equal_the_loops` holds them to the plain loops.
"""

from contextlib import contextmanager
from unittest import mock

import numpy as np

from scratchnet.kernels import conv
from scratchnet.kernels.window import Window


def _under_each_tap(x_size, out_size, window: Window):
    """For each tap its place, the pixels of the result that see a pixel of the image there, and that pixel."""
    axes = []
    for n, out, stride, pad in zip(x_size, out_size, window[2:4], window[6:8], strict=True):
        axes.append((n, np.arange(out) * stride - pad))
    (height, rows), (width, columns) = axes
    for kh in range(window.height):
        for kw in range(window.width):
            row, column = rows + kh * window.dilation_h, columns + kw * window.dilation_w
            i, j = np.flatnonzero((row >= 0) & (row < height)), np.flatnonzero((column >= 0) & (column < width))
            yield kh, kw, np.ix_(i, j), np.ix_(row[i], column[j])


def _split(array, groups):
    """(groups, images, height, width, channels of a group)."""
    return np.moveaxis(array.reshape(*array.shape[:3], groups, -1), 3, 0)


def _joined(parts):
    groups, *rest, channels = parts.shape
    return np.moveaxis(parts, 0, 3).reshape(*rest, groups * channels)


def forward(x, kernel, bias, window, out_size, groups=1):
    images, y = _split(x.astype(np.float64), groups), np.zeros((groups, len(x), *out_size, kernel.shape[3] // groups))
    for kh, kw, (i, j), (row, column) in _under_each_tap(x.shape[1:3], out_size, window):
        for group, weights in enumerate(np.split(kernel[kh, kw].astype(np.float64), groups, axis=-1)):
            y[group][:, i, j] += images[group][:, row, column] @ weights
    return _joined(y) + (0 if bias is None else bias.astype(np.float64))


def kernel_gradient(x, dz, kernel_shape, window, groups=1):
    images, above = _split(x.astype(np.float64), groups), _split(dz.astype(np.float64), groups)
    by_kernel = np.zeros(kernel_shape)
    for kh, kw, (i, j), (row, column) in _under_each_tap(x.shape[1:3], dz.shape[1:3], window):
        by_kernel[kh, kw] = np.concatenate(
            [
                np.einsum("bijc,bijf->cf", images[group][:, row, column], above[group][:, i, j], optimize=True)
                for group in range(groups)
            ],
            axis=-1,
        )
    return by_kernel


def input_gradient(dz, kernel, x_shape, window, groups=1):
    above = _split(dz.astype(np.float64), groups)
    dx = np.zeros((groups, *x_shape[:3], x_shape[3] // groups))
    for kh, kw, (i, j), (row, column) in _under_each_tap(x_shape[1:3], dz.shape[1:3], window):
        for group, weights in enumerate(np.split(kernel[kh, kw].astype(np.float64), groups, axis=-1)):
            dx[group][:, row, column] += above[group][:, i, j] @ weights.T
    return _joined(dx)


def max_pool(x, pool):
    """A max pool that steps by its own window; the maxima, and the first tap of each window that has it."""
    height, width = x.shape[1] // pool[0], x.shape[2] // pool[1]
    inside = x[:, : height * pool[0], : width * pool[1]].reshape(len(x), height, pool[0], width, pool[1], -1)
    taps = inside.transpose(0, 1, 3, 5, 2, 4).reshape(len(x), height, width, x.shape[3], -1)
    return taps.max(axis=-1), taps.argmax(axis=-1)


def max_pool_gradient(dy, winner, size, pool):
    """The gradient by the pool's input, (height, width) `size`, when those taps won."""
    dx = np.zeros((len(dy), *size, dy.shape[3]))
    image, i, j, c = np.indices(dy.shape)
    dx[image, i * pool[0] + winner // pool[1], j * pool[1] + winner % pool[1], c] = dy
    return dx


@contextmanager
def algorithm(winograd: bool):
    """Let all convolutions inside use Winograd's algorithm, or none; the caller sees to it that it is possible."""
    with mock.patch.object(conv, "uses_winograd", return_value=winograd):
        yield
