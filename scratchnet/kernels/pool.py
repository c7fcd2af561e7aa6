"""Max and average pooling over NHWC. Padding takes no part: neither as a maximum nor in a mean."""

import numpy as np
from numba import prange

from scratchnet.arrays import AnyArray, FloatArray, Shape
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.window import Window, covered


@kernel(parallel=True)
def _max_forward(x, y, winner, window):
    batch, out_height, out_width, channels = y.shape
    height, width = x.shape[1], x.shape[2]
    for line in prange(batch * out_height):
        image, i = line // out_height, line % out_height
        top = i * window.stride_h - window.pad_top
        row_from, row_end = covered(top, 1, window.height, height)
        for j in range(out_width):
            left = j * window.stride_w - window.pad_left
            tap_from, tap_end = covered(left, 1, window.width, width)
            best, tap_of = y[image, i, j], winner[image, i, j]
            start = row_from * window.width + tap_from
            for c in range(channels):
                best[c] = x[image, top + row_from, left + tap_from, c]
                tap_of[c] = start
            for kh in range(row_from, row_end):
                for kw in range(tap_from, tap_end):
                    tap = kh * window.width + kw
                    pixel = x[image, top + kh, left + kw]
                    for c in range(channels):
                        # the first maximum stays; a NaN wins, so that it is seen further on
                        better = (pixel[c] > best[c]) | ((pixel[c] != pixel[c]) & (best[c] == best[c]))
                        best[c] = pixel[c] if better else best[c]
                        tap_of[c] = tap if better else tap_of[c]


@kernel(parallel=True)
def _max_backward(dy, winner, dx, window):
    batch, out_height, out_width, channels = dy.shape
    height, width = dx.shape[1], dx.shape[2]
    zero = dy.dtype.type(0)
    for image in prange(batch):
        dx[image] = 0
        for i in range(out_height):
            top = i * window.stride_h - window.pad_top
            row_from, row_end = covered(top, 1, window.height, height)
            for j in range(out_width):
                left = j * window.stride_w - window.pad_left
                tap_from, tap_end = covered(left, 1, window.width, width)
                gradient, tap_of = dy[image, i, j], winner[image, i, j]
                # every tap looks at every channel: more comparisons than channels, but whole vectors of them
                for kh in range(row_from, row_end):
                    for kw in range(tap_from, tap_end):
                        tap = winner.dtype.type(kh * window.width + kw)
                        target = dx[image, top + kh, left + kw]
                        for c in range(channels):
                            target[c] += gradient[c] if tap_of[c] == tap else zero


@kernel(parallel=True)
def _average_forward(x, y, window):
    batch, out_height, out_width, channels = y.shape
    height, width = x.shape[1], x.shape[2]
    for line in prange(batch * out_height):
        image, i = line // out_height, line % out_height
        top = i * window.stride_h - window.pad_top
        row_from, row_end = covered(top, 1, window.height, height)
        for j in range(out_width):
            left = j * window.stride_w - window.pad_left
            tap_from, tap_end = covered(left, 1, window.width, width)
            mean = y[image, i, j]
            mean[:] = 0
            for kh in range(row_from, row_end):
                for kw in range(tap_from, tap_end):
                    for c in range(channels):
                        mean[c] += x[image, top + kh, left + kw, c]
            for c in range(channels):
                mean[c] /= (row_end - row_from) * (tap_end - tap_from)


@kernel(parallel=True)
def _average_backward(dy, dx, window):
    batch, out_height, out_width, channels = dy.shape
    height, width = dx.shape[1], dx.shape[2]
    for image in prange(batch):
        dx[image] = 0
        for i in range(out_height):
            top = i * window.stride_h - window.pad_top
            row_from, row_end = covered(top, 1, window.height, height)
            for j in range(out_width):
                left = j * window.stride_w - window.pad_left
                tap_from, tap_end = covered(left, 1, window.width, width)
                count = (row_end - row_from) * (tap_end - tap_from)
                for kh in range(row_from, row_end):
                    for kw in range(tap_from, tap_end):
                        for c in range(channels):
                            dx[image, top + kh, left + kw, c] += dy[image, i, j, c] / count


def max_pool_forward(x: FloatArray, window: Window, out_size: Shape) -> tuple[FloatArray, AnyArray]:
    """The maximum of each window and which tap it was, counted along the window's rows.

    Returns:
        Both (batch, *out_size, channels); the taps as the smallest unsigned type that holds them.
    """
    shape = (x.shape[0], *out_size, x.shape[3])
    y = np.empty(shape, x.dtype)
    winner = np.empty(shape, np.uint8 if window.height * window.width <= 256 else np.uint32)
    _max_forward(x, y, winner, window)
    return y, winner


def max_pool_backward(dy: FloatArray, winner: AnyArray, x_shape: Shape, window: Window) -> FloatArray:
    """Each output's gradient goes to the tap that won."""
    dx = np.empty(x_shape, dy.dtype)
    _max_backward(dy, winner, dx, window)
    return dx


def average_pool_forward(x: FloatArray, window: Window, out_size: Shape) -> FloatArray:
    """The mean of the pixels under each window, (batch, *out_size, channels)."""
    y = np.empty((x.shape[0], *out_size, x.shape[3]), x.dtype)
    _average_forward(x, y, window)
    return y


def average_pool_backward(dy: FloatArray, x_shape: Shape, window: Window) -> FloatArray:
    """Each output's gradient is shared equally among the pixels it was the mean of."""
    dx = np.empty(x_shape, dy.dtype)
    _average_backward(dy, dx, window)
    return dx
