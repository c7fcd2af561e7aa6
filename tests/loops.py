"""What the kernels compute, as plain loops over plain arrays. Slow, and meant to be checked by eye."""

import numpy as np

from scratchnet.kernels.window import Window


def matmul(a, b):
    c = np.zeros((a.shape[0], b.shape[1]))
    for row in range(a.shape[0]):
        for column in range(b.shape[1]):
            for k in range(a.shape[1]):
                c[row, column] += a[row, k] * b[k, column]
    return c


def taps(x_shape, out_size, window: Window):
    """Every (image, out row, out column, tap row, tap column, row, column) whose pixel lies inside the image."""
    batch, height, width, _ = x_shape
    for image in range(batch):
        for i in range(out_size[0]):
            for j in range(out_size[1]):
                for kh in range(window.height):
                    for kw in range(window.width):
                        row = i * window.stride_h - window.pad_top + kh * window.dilation_h
                        column = j * window.stride_w - window.pad_left + kw * window.dilation_w
                        if 0 <= row < height and 0 <= column < width:
                            yield image, i, j, kh, kw, row, column


def conv2d_forward(x, kernel, bias, window, out_size, groups):
    filters, group_channels = kernel.shape[3], kernel.shape[2]
    y = np.zeros((x.shape[0], *out_size, filters))
    for image, i, j, kh, kw, row, column in taps(x.shape, out_size, window):
        for f in range(filters):
            group = f // (filters // groups)
            for c in range(group_channels):
                y[image, i, j, f] += x[image, row, column, group * group_channels + c] * kernel[kh, kw, c, f]
    for f in range(filters):
        y[..., f] += bias[f]
    return y


def conv2d_kernel_gradient(x, dy, kernel_shape, window, groups):
    filters, group_channels = kernel_shape[3], kernel_shape[2]
    dk = np.zeros(kernel_shape)
    for image, i, j, kh, kw, row, column in taps(x.shape, dy.shape[1:3], window):
        for f in range(filters):
            group = f // (filters // groups)
            for c in range(group_channels):
                dk[kh, kw, c, f] += x[image, row, column, group * group_channels + c] * dy[image, i, j, f]
    return dk


def conv2d_input_gradient(dy, kernel, x_shape, window, groups):
    filters, group_channels = kernel.shape[3], kernel.shape[2]
    dx = np.zeros(x_shape)
    for image, i, j, kh, kw, row, column in taps(x_shape, dy.shape[1:3], window):
        for f in range(filters):
            group = f // (filters // groups)
            for c in range(group_channels):
                dx[image, row, column, group * group_channels + c] += dy[image, i, j, f] * kernel[kh, kw, c, f]
    return dx


def depthwise_forward(x, kernel, window, out_size):
    channels, multiplier = kernel.shape[2:]
    y = np.zeros((x.shape[0], *out_size, channels * multiplier))
    for image, i, j, kh, kw, row, column in taps(x.shape, out_size, window):
        for c in range(channels):
            for m in range(multiplier):
                y[image, i, j, c * multiplier + m] += x[image, row, column, c] * kernel[kh, kw, c, m]
    return y


def depthwise_kernel_gradient(x, dy, kernel_shape, window):
    channels, multiplier = kernel_shape[2:]
    dk = np.zeros(kernel_shape)
    for image, i, j, kh, kw, row, column in taps(x.shape, dy.shape[1:3], window):
        for c in range(channels):
            for m in range(multiplier):
                dk[kh, kw, c, m] += x[image, row, column, c] * dy[image, i, j, c * multiplier + m]
    return dk


def depthwise_input_gradient(dy, kernel, x_shape, window):
    channels, multiplier = kernel.shape[2:]
    dx = np.zeros(x_shape)
    for image, i, j, kh, kw, row, column in taps(x_shape, dy.shape[1:3], window):
        for c in range(channels):
            for m in range(multiplier):
                dx[image, row, column, c] += dy[image, i, j, c * multiplier + m] * kernel[kh, kw, c, m]
    return dx


def max_pool_forward(x, window, out_size):
    """The maxima, and the number of the tap that each came from, the first one of several."""
    shape = (x.shape[0], *out_size, x.shape[3])
    y, winner = np.full(shape, -np.inf), np.full(shape, -1)
    for image, i, j, kh, kw, row, column in taps(x.shape, out_size, window):
        for c in range(x.shape[3]):
            if winner[image, i, j, c] == -1 or x[image, row, column, c] > y[image, i, j, c]:
                y[image, i, j, c] = x[image, row, column, c]
                winner[image, i, j, c] = kh * window.width + kw
    return y, winner


def max_pool_backward(dy, winner, x_shape, window):
    dx = np.zeros(x_shape)
    for image, i, j, kh, kw, row, column in taps(x_shape, dy.shape[1:3], window):
        for c in range(x_shape[3]):
            if winner[image, i, j, c] == kh * window.width + kw:
                dx[image, row, column, c] += dy[image, i, j, c]
    return dx


def _pixels_under(x_shape, out_size, window):
    count = np.zeros(out_size)
    for image, i, j, *_ in taps(x_shape, out_size, window):
        count[i, j] += image == 0
    return count


def average_pool_forward(x, window, out_size):
    count = _pixels_under(x.shape, out_size, window)
    y = np.zeros((x.shape[0], *out_size, x.shape[3]))
    for image, i, j, _, _, row, column in taps(x.shape, out_size, window):
        for c in range(x.shape[3]):
            y[image, i, j, c] += x[image, row, column, c] / count[i, j]
    return y


def average_pool_backward(dy, x_shape, window):
    count = _pixels_under(x_shape, dy.shape[1:3], window)
    dx = np.zeros(x_shape)
    for image, i, j, _, _, row, column in taps(x_shape, dy.shape[1:3], window):
        for c in range(x_shape[3]):
            dx[image, row, column, c] += dy[image, i, j, c] / count[i, j]
    return dx


def moments(x):
    rows, channels = x.shape
    mean, variance = np.zeros(channels), np.zeros(channels)
    for c in range(channels):
        for r in range(rows):
            mean[c] += x[r, c] / rows
        for r in range(rows):
            variance[c] += (x[r, c] - mean[c]) ** 2 / rows
    return mean, variance


def map_channels(x, scale, shift, pre_relu, post_relu):
    y = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        value = x[index]
        if pre_relu and value <= 0:
            value = 0
        value = value * scale[index[-1]] + shift[index[-1]]
        if post_relu and value <= 0:
            value = 0
        y[index] = value
    return y


def map_channels_gradient(x, dy, scale, shift, pre_relu, post_relu):
    """The gradient before the second ReLU."""
    mapped = map_channels(x, scale, shift, pre_relu, False)
    dz = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        if not post_relu or mapped[index] > 0:
            dz[index] = dy[index]
    return dz
