"""Max pooling over NHWC. Padding takes no part.

There may be a normalisation in front of the pool, and ReLUs around that (`ChannelMap`): then the whole way from `x`
to the maximum is one pass, and so is the way back. A task is one line of the result, so that one image has work for all
threads; backward each line of `dx` gathers from the windows that it lies in, and is written once.

The usual window, two by two, takes all channels of a pixel at once. Other windows, and fewer channels than a vector has
lanes, go tap by tap over a whole line, whose pixels are first laid side by side.
"""

import numpy as np
from numba import prange

from scratchnet.arrays import AnyArray, FloatArray, Shape
from scratchnet.kernels import buffers
from scratchnet.kernels.denormals import flush_denormals, restore
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.norm import (
    ChannelMap,
    InputGradient,
    fixed_gradient,
    floor_of,
    pixel_gradient,
    rectified,
    repeated,
)
from scratchnet.kernels.window import UNSIGNED, Window, covered, next_windows, windows_over

FEW_CHANNELS = 16
MOST_TAPS = 255  # of a window whose winner fits a byte; the next value says that no tap passed a ReLU


@kernel
def _wins(value, best):
    """The first maximum stays; the first NaN wins, so that it is seen further on."""
    return (value > best) | ((value != value) & (best == best))


@kernel
def _side_by_side(line, first, step, count, scratch):
    """Every `step`-th pixel of a line (width, channels), flat: a part of the line itself, or copied to `scratch`."""
    channels = line.shape[1]
    if step == 1:
        return line.reshape(-1)[first * channels : (first + count) * channels]
    laid = scratch.reshape(-1, channels)
    for j in range(count):
        source, target = line[UNSIGNED(first + j * step)], laid[UNSIGNED(j)]
        for c in range(channels):
            target[c] = source[c]
    return scratch[: count * channels]


@kernel
def _max_line(x, top, window, scale, shift, pre, post, passes, best, tap_of, kept):
    """One line of maxima, of any window; all but `x`, an image, are flat lines of the result."""
    height, width, channels = x.shape
    row_from, row_end = covered(top, 1, window.height, height)
    count = best.size // channels
    scratch, zero = np.empty(best.size, x.dtype), x.dtype.type(0)
    for j in range(count):  # a window of nothing but -infinity is won by its first tap
        tap_from, _ = covered(j * window.stride_w - window.pad_left, 1, window.width, width)
        tap_of[j * channels : (j + 1) * channels] = row_from * window.width + tap_from
    best[:] = -np.inf
    for kh in range(row_from, row_end):
        for kw in range(window.width):
            left = kw - window.pad_left
            j_from, j_end = covered(left, window.stride_w, count, width)
            values = _side_by_side(
                x[top + kh], left + j_from * window.stride_w, window.stride_w, j_end - j_from, scratch
            )
            part = slice(j_from * channels, j_end * channels)
            highest, won, winning, by, offset = best[part], tap_of[part], kept[part], scale[part], shift[part]
            tap = tap_of.dtype.type(kh * window.width + kw)
            for n in range(values.size):
                value = rectified(values[n], pre)
                z = value * by[n] + offset[n]
                better = _wins(z, highest[n])
                highest[n] = z if better else highest[n]
                winning[n] = value if better else winning[n]
                won[n] = tap if better else won[n]
    none = tap_of.dtype.type(window.height * window.width)
    for n in range(best.size):
        tap_of[n] = tap_of[n] if (best[n] > zero) | passes else none
        best[n] = rectified(best[n], post)


@kernel
def _two_by_two_line(upper, lower, step, scale, shift, pre, post, passes, y, winner, winning_x):
    """One line of maxima of two by two pixels, every one inside the image; all are lines (width, channels)."""
    zero, kind = y.dtype.type(0), winner.dtype.type
    for j in range(y.shape[0]):
        left, right = UNSIGNED(j * step), UNSIGNED(j * step + 1)
        x0, x1, x2, x3 = upper[left], upper[right], lower[left], lower[right]
        target, tap_of, kept = y[j], winner[j], winning_x[j]
        for c in range(target.size):
            v0, v1 = rectified(x0[c], pre), rectified(x1[c], pre)
            v2, v3 = rectified(x2[c], pre), rectified(x3[c], pre)
            best, value, tap = v0 * scale[c] + shift[c], v0, kind(0)
            z = v1 * scale[c] + shift[c]
            better = _wins(z, best)
            best, value, tap = z if better else best, v1 if better else value, kind(1) if better else tap
            z = v2 * scale[c] + shift[c]
            better = _wins(z, best)
            best, value, tap = z if better else best, v2 if better else value, kind(2) if better else tap
            z = v3 * scale[c] + shift[c]
            better = _wins(z, best)
            best, value, tap = z if better else best, v3 if better else value, kind(3) if better else tap
            target[c], kept[c] = rectified(best, post), value
            tap_of[c] = tap if (best > zero) | passes else kind(4)


@kernel(parallel=True)
def _max_forward(x, window, channels, keep_x, y, winner, winning_x):
    out_height, out_width, depth = y.shape[1:]
    pre, post, passes = floor_of(channels.pre_relu, x), floor_of(channels.post_relu, x), not channels.post_relu
    scale, shift = channels.scale, channels.shift
    two_wide = window.width == 2 and window.pad_left == 0 and (out_width - 1) * window.stride_w + 2 <= x.shape[2]
    two_by_two = window.height == 2 and two_wide and depth >= FEW_CHANNELS
    scales, shifts = repeated(scale, out_width * depth), repeated(shift, out_width * depth)
    for line in prange(y.shape[0] * out_height):
        mode = flush_denormals()
        image, i = line // out_height, line % out_height
        top = i * window.stride_h - window.pad_top
        target, tap_of = y[image, i], winner[image, i]
        kept = winning_x[image, i] if keep_x else np.empty((out_width, depth), x.dtype)
        if two_by_two and top >= 0 and top + 2 <= x.shape[1]:
            upper, lower, step = x[image, top], x[image, top + 1], window.stride_w
            _two_by_two_line(upper, lower, step, scale, shift, pre, post, passes, target, tap_of, kept)
        else:
            _max_line(
                x[image], top, window, scales, shifts, pre, post, passes,
                target.reshape(-1), tap_of.reshape(-1), kept.reshape(-1),
            )  # fmt: skip
        restore(mode)


@kernel
def _gather_line(dy, winner, row, window, line):
    """The gradients that the pixels of a line (width, channels) of an image won, from all windows over it."""
    width, channels = line.shape
    count, zero = dy.shape[1], dy.dtype.type(0)
    scratch = np.empty(count * channels, dy.dtype)
    line[:] = 0
    i_from, i_end = windows_over(row, window.pad_top, window.height, window.stride_h, dy.shape[0])
    for i in range(i_from, i_end):
        kh = row + window.pad_top - i * window.stride_h
        for kw in range(window.width):
            left = kw - window.pad_left
            j_from, j_end = covered(left, window.stride_w, count, width)
            tap = winner.dtype.type(kh * window.width + kw)
            if channels >= FEW_CHANNELS:
                dy_line, winner_line = dy[i], winner[i]
                for j in range(j_from, j_end):
                    at, target = UNSIGNED(j), line[UNSIGNED(left + j * window.stride_w)]
                    above, tap_of = dy_line[at], winner_line[at]
                    for c in range(channels):
                        target[c] += above[c] if tap_of[c] == tap else zero
            else:
                part = slice(j_from * channels, j_end * channels)
                above, tap_of, won = dy[i].reshape(-1)[part], winner[i].reshape(-1)[part], scratch[part]
                for n in range(above.size):
                    won[n] = above[n] if tap_of[n] == tap else zero
                for j in range(j_end - j_from):
                    target, source = line[left + (j_from + j) * window.stride_w], won[j * channels : (j + 1) * channels]
                    for c in range(channels):
                        target[c] += source[c]


@kernel
def _tiled_line(dy, winner, row, window, by_dy, line):
    """The gradient by a line (width, channels) of an image, under windows that do not overlap."""
    zero = dy.dtype.type(0)
    i, i_end = windows_over(row, window.pad_top, window.height, window.stride_h, dy.shape[0])
    first_tap = (row + window.pad_top - i * window.stride_h) * window.width
    dy_line, winner_line = dy[min(i, dy.shape[0] - 1)], winner[min(i, dy.shape[0] - 1)]
    j, j_end = 0, 0
    for column in range(line.shape[0]):
        right, target = column + window.pad_left, line[column]
        j, j_end = next_windows(j, j_end, right, window.width, window.stride_w, dy.shape[1])
        if i < i_end and j < j_end:
            tap, at = winner.dtype.type(first_tap + right - j * window.stride_w), UNSIGNED(j)
            above, tap_of = dy_line[at], winner_line[at]
            for c in range(target.size):
                target[c] = (above[c] if tap_of[c] == tap else zero) * by_dy[c]
        else:
            for c in range(target.size):
                target[c] = zero


@kernel
def _mapped_tiled_line(dy, winner, row, window, x, pre_relu, gradient, line):
    """As `_tiled_line` where the gradient depends on x; one loop for both would be a fifth slower."""
    by_dy, mean, by_x, constant, of_statistics = gradient
    zero, floor, passes = dy.dtype.type(0), floor_of(pre_relu, dy), not pre_relu
    i, i_end = windows_over(row, window.pad_top, window.height, window.stride_h, dy.shape[0])
    first_tap = (row + window.pad_top - i * window.stride_h) * window.width
    dy_line, winner_line = dy[min(i, dy.shape[0] - 1)], winner[min(i, dy.shape[0] - 1)]
    j, j_end = 0, 0
    for column in range(line.shape[0]):
        right, pixel, target = column + window.pad_left, x[column], line[column]
        j, j_end = next_windows(j, j_end, right, window.width, window.stride_w, dy.shape[1])
        if i < i_end and j < j_end:
            tap, at = winner.dtype.type(first_tap + right - j * window.stride_w), UNSIGNED(j)
            above, tap_of = dy_line[at], winner_line[at]
            for c in range(target.size):
                through = above[c] if tap_of[c] == tap else zero
                target[c] = pixel_gradient(
                    through, pixel[c], by_dy[c], mean[c], by_x[c], constant[c], of_statistics, floor, passes, zero
                )
        else:
            for c in range(target.size):
                target[c] = pixel_gradient(
                    zero, pixel[c], by_dy[c], mean[c], by_x[c], constant[c], of_statistics, floor, passes, zero
                )


@kernel
def _map_line(x, pre_relu, gradient, line):
    """What `_gather_line` left becomes the gradient by x; both are flat."""
    by_dy, mean, by_x, constant, of_statistics = gradient
    zero, floor, passes = line.dtype.type(0), floor_of(pre_relu, line), not pre_relu
    if pre_relu or of_statistics:
        for n in range(line.size):
            line[n] = pixel_gradient(
                line[n], x[n], by_dy[n], mean[n], by_x[n], constant[n], of_statistics, floor, passes, zero
            )
    else:
        for n in range(line.size):
            line[n] *= by_dy[n]


@kernel(parallel=True)
def _max_backward(dy, winner, window, x, pre_relu, gradient, dx):
    height, width, depth = dx.shape[1:]
    apart = window.stride_h >= window.height and window.stride_w >= window.width and depth >= FEW_CHANNELS
    by_dy, mean = repeated(gradient.by_dy, width * depth), repeated(gradient.mean, width * depth)
    by_x, constant = repeated(gradient.by_x, width * depth), repeated(gradient.constant, width * depth)
    wide_gradient = InputGradient(by_dy, mean, by_x, constant, gradient.of_statistics)
    needs_x = pre_relu or gradient.of_statistics
    for line in prange(dx.shape[0] * height):
        mode = flush_denormals()
        image, row = line // height, line % height
        target, pixels = dx[image, row], x[image, row]
        if not apart:
            _gather_line(dy[image], winner[image], row, window, target)
            _map_line(pixels.reshape(-1), pre_relu, wide_gradient, target.reshape(-1))
        elif needs_x:
            _mapped_tiled_line(dy[image], winner[image], row, window, pixels, pre_relu, gradient, target)
        else:
            _tiled_line(dy[image], winner[image], row, window, gradient.by_dy, target)
        restore(mode)


def max_pool_forward(x: FloatArray, window: Window, out_size: Shape) -> tuple[FloatArray, AnyArray]:
    """The maximum of each window and which tap it was, counted along the window's rows.

    Returns:
        Both (batch, *out_size, channels); the taps as the smallest unsigned type that holds them.
    """
    unchanged = ChannelMap(np.ones(x.shape[3], x.dtype), np.zeros(x.shape[3], x.dtype))
    return mapped_max_pool_forward(x, unchanged, window, out_size)[:2]


def mapped_max_pool_forward(
    x: FloatArray, channels: ChannelMap, window: Window, out_size: Shape, keep_x: bool = False
) -> tuple[FloatArray, AnyArray, FloatArray]:
    """The maximum of each window over `post_relu(pre_relu(x) * scale + shift)`.

    Args:
        x: (batch, height, width, channels).
        channels: what each value goes through on its way to the pool.
        window: its geometry.
        out_size: the output's height and width.
        keep_x: whether the values that won are wanted.

    Returns:
        The maxima; the taps as from `max_pool_forward`, but the number of taps where the second ReLU lets no gradient
        through; and, if wanted, `pre_relu(x)` of the taps that won, else an empty array. All of one shape.
    """
    shape = (x.shape[0], *out_size, x.shape[3])
    y = buffers.empty(shape, x.dtype)
    winner = buffers.empty(shape, np.uint8 if window.height * window.width <= MOST_TAPS else np.uint32)
    winning_x = buffers.empty(shape if keep_x else (0, 0, 0, 0), x.dtype)
    _max_forward(x, window, channels, keep_x, y, winner, winning_x)
    return y, winner, winning_x


def max_pool_backward(dy: FloatArray, winner: AnyArray, x_shape: Shape, window: Window) -> FloatArray:
    """Each output's gradient goes to the tap that won."""
    unchanged = fixed_gradient(np.ones(x_shape[3], dy.dtype))
    return mapped_max_pool_backward(dy, winner, x_shape, window, unchanged)


def mapped_max_pool_backward(
    dy: FloatArray,
    winner: AnyArray,
    x_shape: Shape,
    window: Window,
    gradient: InputGradient,
    x: FloatArray | None = None,
    pre_relu: bool = False,
) -> FloatArray:
    """The gradient by what was mapped and pooled.

    Args:
        dy: by the output.
        winner: that of `mapped_max_pool_forward`.
        x_shape: of its input.
        window: its geometry.
        gradient: that of the map between its ReLUs.
        x: its input; needed with `pre_relu` and by the gradient of statistics.
        pre_relu: whether the map began with a ReLU.
    """
    dx = buffers.empty(x_shape, dy.dtype)
    _max_backward(dy, winner, window, dx if x is None else x, pre_relu, gradient, dx)
    return dx
