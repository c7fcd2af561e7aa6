"""Depthwise convolution: each input channel has its own filters. Bound by memory, so plain loops over channels do."""

from numba import prange

from scratchnet.arrays import FloatArray, Shape
from scratchnet.kernels import buffers
from scratchnet.kernels.denormals import flush_denormals, restore
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.window import Window, covered


@kernel(parallel=True)
def _forward(x, weights, y, window):
    batch, out_height, out_width, _ = y.shape
    height, width, channels = x.shape[1:]
    multiplier = weights.shape[3]
    for line in prange(batch * out_height):
        mode = flush_denormals()
        image, i = line // out_height, line % out_height
        top = i * window.stride_h - window.pad_top
        row_from, row_end = covered(top, window.dilation_h, window.height, height)
        for j in range(out_width):
            left = j * window.stride_w - window.pad_left
            tap_from, tap_end = covered(left, window.dilation_w, window.width, width)
            y[image, i, j] = 0
            for kh in range(row_from, row_end):
                for kw in range(tap_from, tap_end):
                    pixel = x[image, top + kh * window.dilation_h, left + kw * window.dilation_w]
                    if multiplier == 1:
                        for c in range(channels):
                            y[image, i, j, c] += pixel[c] * weights[kh, kw, c, 0]
                    else:
                        for c in range(channels):
                            for m in range(multiplier):
                                y[image, i, j, c * multiplier + m] += pixel[c] * weights[kh, kw, c, m]
        restore(mode)


@kernel(parallel=True)
def _input_gradient(dy, weights, dx, window):
    batch, out_height, out_width, _ = dy.shape
    height, width, channels = dx.shape[1:]
    multiplier = weights.shape[3]
    for image in prange(batch):
        mode = flush_denormals()
        dx[image] = 0
        for i in range(out_height):
            top = i * window.stride_h - window.pad_top
            row_from, row_end = covered(top, window.dilation_h, window.height, height)
            for j in range(out_width):
                left = j * window.stride_w - window.pad_left
                tap_from, tap_end = covered(left, window.dilation_w, window.width, width)
                for kh in range(row_from, row_end):
                    for kw in range(tap_from, tap_end):
                        row, column = top + kh * window.dilation_h, left + kw * window.dilation_w
                        for c in range(channels):
                            for m in range(multiplier):
                                dx[image, row, column, c] += dy[image, i, j, c * multiplier + m] * weights[kh, kw, c, m]
        restore(mode)


@kernel(parallel=True)
def _kernel_gradient(x, dy, partial, window):
    batch, out_height, out_width, _ = dy.shape
    height, width, channels = x.shape[1:]
    multiplier = partial.shape[4]
    for image in prange(batch):
        mode = flush_denormals()
        partial[image] = 0
        for i in range(out_height):
            top = i * window.stride_h - window.pad_top
            row_from, row_end = covered(top, window.dilation_h, window.height, height)
            for j in range(out_width):
                left = j * window.stride_w - window.pad_left
                tap_from, tap_end = covered(left, window.dilation_w, window.width, width)
                for kh in range(row_from, row_end):
                    for kw in range(tap_from, tap_end):
                        row, column = top + kh * window.dilation_h, left + kw * window.dilation_w
                        for c in range(channels):
                            for m in range(multiplier):
                                partial[image, kh, kw, c, m] += (
                                    dy[image, i, j, c * multiplier + m] * x[image, row, column, c]
                                )
        restore(mode)


def depthwise_forward(
    x: FloatArray, kernel: FloatArray, bias: FloatArray | None, window: Window, out_size: Shape
) -> FloatArray:
    """Convolve each channel of `x` with its `multiplier` filters.

    Args:
        x: (batch, height, width, channels).
        kernel: (kernel height, kernel width, channels, multiplier).
        bias: (channels * multiplier,), or None for zeros.
        window: its geometry.
        out_size: the output's height and width.

    Returns:
        (batch, *out_size, channels * multiplier), the filters of one channel side by side.
    """
    y = buffers.empty((x.shape[0], *out_size, kernel.shape[2] * kernel.shape[3]), x.dtype)
    _forward(x, kernel, y, window)
    if bias is not None:
        y += bias
    return y


def depthwise_input_gradient(dy: FloatArray, kernel: FloatArray, x_shape: Shape, window: Window) -> FloatArray:
    """The loss's gradient by the input, from the one by the output."""
    dx = buffers.empty(x_shape, dy.dtype)
    _input_gradient(dy, kernel, dx, window)
    return dx


def depthwise_kernel_gradient(x: FloatArray, dy: FloatArray, kernel_shape: Shape, window: Window) -> FloatArray:
    """The loss's gradient by the kernel; one partial sum per image, so the threads do not change its bits."""
    partial = buffers.empty((x.shape[0], *kernel_shape), x.dtype)
    _kernel_gradient(x, dy, partial, window)
    total: FloatArray = partial.sum(axis=0)
    return total
