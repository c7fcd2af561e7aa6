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
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.norm import ChannelMap, InputGradient, floor_of, pixel_gradient, rectified, repeated
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
def _max_line(x, top, window, scale, shift, pre, best, tap_of, kept, scratch):
    """One line of maxima, of any window; all but `x`, an image, are flat lines of the result."""
    height, width, channels = x.shape
    row_from, row_end = covered(top, 1, window.height, height)
    count = best.size // channels
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


@kernel(parallel=True)
def _max_forward(x, window, channels, keep_x, y, winner, winning_x):
    out_height, out_width, depth = y.shape[1:]
    zero, pre, post = x.dtype.type(0), floor_of(channels.pre_relu, x), floor_of(channels.post_relu, x)
    scale, shift, passes = channels.scale, channels.shift, not channels.post_relu
    kind = winner.dtype.type
    none = kind(window.height * window.width)
    two_wide = window.width == 2 and window.pad_left == 0 and (out_width - 1) * window.stride_w + 2 <= x.shape[2]
    two_by_two = window.height == 2 and two_wide and depth >= FEW_CHANNELS
    scales, shifts = repeated(scale, out_width * depth), repeated(shift, out_width * depth)
    for line in prange(y.shape[0] * out_height):
        image, i = line // out_height, line % out_height
        top = i * window.stride_h - window.pad_top
        kept_line = winning_x[image, i] if keep_x else np.empty((out_width, depth), x.dtype)
        if two_by_two and top >= 0 and top + 2 <= x.shape[1]:
            upper, lower = UNSIGNED(top), UNSIGNED(top + 1)
            for j in range(out_width):
                left, right = UNSIGNED(j * window.stride_w), UNSIGNED(j * window.stride_w + 1)
                x0, x1 = x[image, upper, left], x[image, upper, right]
                x2, x3 = x[image, lower, left], x[image, lower, right]
                target, tap_of, kept = y[image, i, j], winner[image, i, j], kept_line[j]
                for c in range(depth):
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
                    tap_of[c] = tap if (best > zero) | passes else none
        else:
            target, tap_of = y[image, i].reshape(-1), winner[image, i].reshape(-1)
            scratch = np.empty(target.size, x.dtype)
            _max_line(x[image], top, window, scales, shifts, pre, target, tap_of, kept_line.reshape(-1), scratch)
            for n in range(target.size):
                tap_of[n] = tap_of[n] if (target[n] > zero) | passes else none
                target[n] = rectified(target[n], post)


@kernel
def _gather_line(dy, winner, row, window, line, scratch):
    """The gradients that the pixels of a line (width, channels) of an image won, from all windows over it."""
    width, channels = line.shape
    count, zero = dy.shape[1], dy.dtype.type(0)
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


@kernel(parallel=True)
def _max_backward(dy, winner, window, by_dy, dx):
    height, width, depth = dx.shape[1:]
    zero = dy.dtype.type(0)
    apart = window.stride_h >= window.height and window.stride_w >= window.width and depth >= FEW_CHANNELS
    for line in prange(dx.shape[0] * height):
        image, row = line // height, line % height
        if apart:
            i, i_end = windows_over(row, window.pad_top, window.height, window.stride_h, dy.shape[1])
            j, j_end = 0, 0
            for column in range(width):
                j, j_end = next_windows(j, j_end, column + window.pad_left, window.width, window.stride_w, dy.shape[2])
                target = dx[image, row, column]
                if i < i_end and j < j_end:
                    kh = row + window.pad_top - i * window.stride_h
                    tap = winner.dtype.type(kh * window.width + column + window.pad_left - j * window.stride_w)
                    unsigned_i, unsigned_j = UNSIGNED(i), UNSIGNED(j)
                    above, tap_of = dy[image, unsigned_i, unsigned_j], winner[image, unsigned_i, unsigned_j]
                    for c in range(depth):
                        target[c] = (above[c] if tap_of[c] == tap else zero) * by_dy[c]
                else:
                    target[:] = 0
        else:
            target = dx[image, row]
            _gather_line(dy[image], winner[image], row, window, target, np.empty(dy.shape[2] * depth, dy.dtype))
            for column in range(width):
                for c in range(depth):
                    target[column, c] *= by_dy[c]


@kernel(parallel=True)
def _mapped_max_backward(dy, winner, window, x, pre_relu, gradient, dx):
    """As `_max_backward`, but dx depends on x; a branch within one kernel would cost a fifth of its speed."""
    height, width, depth = dx.shape[1:]
    by_dy, mean, by_x, constant, of_statistics = gradient
    zero, floor, passes = dy.dtype.type(0), floor_of(pre_relu, dy), not pre_relu
    apart = window.stride_h >= window.height and window.stride_w >= window.width and depth >= FEW_CHANNELS
    by_dys, means = repeated(by_dy, width * depth), repeated(mean, width * depth)
    by_xs, constants = repeated(by_x, width * depth), repeated(constant, width * depth)
    for line in prange(dx.shape[0] * height):
        image, row = line // height, line % height
        if apart:
            i, i_end = windows_over(row, window.pad_top, window.height, window.stride_h, dy.shape[1])
            j, j_end = 0, 0
            for column in range(width):
                j, j_end = next_windows(j, j_end, column + window.pad_left, window.width, window.stride_w, dy.shape[2])
                pixel, target = x[image, row, column], dx[image, row, column]
                if i < i_end and j < j_end:
                    kh = row + window.pad_top - i * window.stride_h
                    tap = winner.dtype.type(kh * window.width + column + window.pad_left - j * window.stride_w)
                    unsigned_i, unsigned_j = UNSIGNED(i), UNSIGNED(j)
                    above, tap_of = dy[image, unsigned_i, unsigned_j], winner[image, unsigned_i, unsigned_j]
                    for c in range(depth):
                        through = above[c] if tap_of[c] == tap else zero
                        target[c] = pixel_gradient(
                            through, pixel[c], by_dy[c], mean[c], by_x[c], constant[c],
                            of_statistics, floor, passes, zero,
                        )  # fmt: skip
                else:
                    for c in range(depth):
                        target[c] = pixel_gradient(
                            zero, pixel[c], by_dy[c], mean[c], by_x[c], constant[c],
                            of_statistics, floor, passes, zero,
                        )  # fmt: skip
        else:
            _gather_line(dy[image], winner[image], row, window, dx[image, row], np.empty(dy.shape[2] * depth, dy.dtype))
            pixels, target = x[image, row].reshape(-1), dx[image, row].reshape(-1)
            for n in range(target.size):
                target[n] = pixel_gradient(
                    target[n], pixels[n], by_dys[n], means[n], by_xs[n], constants[n],
                    of_statistics, floor, passes, zero,
                )  # fmt: skip


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
    y = np.empty(shape, x.dtype)
    winner = np.empty(shape, np.uint8 if window.height * window.width <= MOST_TAPS else np.uint32)
    winning_x = np.empty(shape if keep_x else (0, 0, 0, 0), x.dtype)
    _max_forward(x, window, channels, keep_x, y, winner, winning_x)
    return y, winner, winning_x


def max_pool_backward(dy: FloatArray, winner: AnyArray, x_shape: Shape, window: Window) -> FloatArray:
    """Each output's gradient goes to the tap that won."""
    dx = np.empty(x_shape, dy.dtype)
    _max_backward(dy, winner, window, np.ones(x_shape[3], dy.dtype), dx)
    return dx


def mapped_max_pool_backward(
    dy: FloatArray, winner: AnyArray, x: FloatArray, pre_relu: bool, window: Window, gradient: InputGradient
) -> FloatArray:
    """The gradient by what was mapped and pooled.

    Args:
        dy: by the output.
        winner: that of `mapped_max_pool_forward`.
        x: its input.
        pre_relu: whether the map began with a ReLU.
        window: its geometry.
        gradient: that of the map between its ReLUs.
    """
    dx = np.empty_like(x)
    if pre_relu or gradient.of_statistics:
        _mapped_max_backward(dy, winner, window, x, pre_relu, gradient, dx)
    else:
        _max_backward(dy, winner, window, gradient.by_dy, dx)
    return dx
