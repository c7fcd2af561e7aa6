"""Average pooling over NHWC: padding takes no part in a mean."""

import numpy as np
from numba import prange

from scratchnet.arrays import FloatArray, Shape
from scratchnet.kernels import buffers
from scratchnet.kernels.denormals import flush_denormals, restore
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.window import UNSIGNED, Window, covered, next_windows, windows_over


@kernel(parallel=True)
def _average_forward(x, window, y):
    out_height, out_width, depth = y.shape[1:]
    height, width = x.shape[1], x.shape[2]
    for line in prange(y.shape[0] * out_height):
        mode = flush_denormals()
        image, i = line // out_height, line % out_height
        top = i * window.stride_h - window.pad_top
        row_from, row_end = covered(top, 1, window.height, height)
        along = np.empty(depth, x.dtype)
        for j in range(out_width):
            left = j * window.stride_w - window.pad_left
            tap_from, tap_end = covered(left, 1, window.width, width)
            count = x.dtype.type((row_end - row_from) * (tap_end - tap_from))
            mean = y[image, i, j]
            mean[:] = 0
            for kh in range(row_from, row_end):  # sums of rows, then of these: shorter sums round less
                along[:] = 0
                for kw in range(tap_from, tap_end):
                    pixel = x[image, UNSIGNED(top + kh), UNSIGNED(left + kw)]
                    for c in range(depth):
                        along[c] += pixel[c]
                for c in range(depth):
                    mean[c] += along[c]
            for c in range(depth):
                mean[c] /= count
        restore(mode)


@kernel(parallel=True)
def _average_backward(dy, window, dx):
    out_height, out_width = dy.shape[1], dy.shape[2]
    height, width, depth = dx.shape[1:]
    one = dy.dtype.type(1)
    for line in prange(dx.shape[0] * height):
        mode = flush_denormals()
        image, row = line // height, line % height
        i_from, i_end = windows_over(row, window.pad_top, window.height, window.stride_h, out_height)
        j_from, j_end = 0, 0
        for column in range(width):
            j_from, j_end = next_windows(
                j_from, j_end, column + window.pad_left, window.width, window.stride_w, out_width
            )
            target = dx[image, row, column]
            if i_end - i_from != 1 or j_end - j_from != 1:
                target[:] = 0
            for i in range(i_from, i_end):
                row_from, row_end = covered(i * window.stride_h - window.pad_top, 1, window.height, height)
                for j in range(j_from, j_end):
                    tap_from, tap_end = covered(j * window.stride_w - window.pad_left, 1, window.width, width)
                    share = one / dy.dtype.type((row_end - row_from) * (tap_end - tap_from))
                    above = dy[image, UNSIGNED(i), UNSIGNED(j)]
                    if i_end - i_from == 1 and j_end - j_from == 1:
                        for c in range(depth):
                            target[c] = above[c] * share
                    else:
                        for c in range(depth):
                            target[c] += above[c] * share
        restore(mode)


def average_pool_forward(x: FloatArray, window: Window, out_size: Shape) -> FloatArray:
    """The mean of the pixels under each window, (batch, *out_size, channels)."""
    y = buffers.empty((x.shape[0], *out_size, x.shape[3]), x.dtype)
    _average_forward(x, window, y)
    return y


def average_pool_backward(dy: FloatArray, x_shape: Shape, window: Window) -> FloatArray:
    """Each output's gradient is shared equally among the pixels it was the mean of."""
    dx = buffers.empty(x_shape, dy.dtype)
    _average_backward(dy, window, dx)
    return dx
