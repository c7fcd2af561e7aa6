"""The geometry of a sliding window: what convolutions and pools have in common."""

from typing import NamedTuple

import numpy as np

from scratchnet.kernels.jit import kernel

UNSIGNED = np.uintp  # an index that cannot be negative is not checked for it; the check can cost more than a pixel


class Window(NamedTuple):
    """Size, step and padding of a window; padding below and to the right follows from the output's size."""

    height: int
    width: int
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    pad_top: int
    pad_left: int


@kernel
def window_of(numbers):
    """The window whose fields are the first eight of some numbers."""
    return Window(
        numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6], numbers[7]
    )  # fmt: skip


@kernel
def covered(start, dilation, taps, length):
    """The taps [first, end) of a window that lie inside an axis of `length`, when tap 0 is at `start`."""
    first = 0 if start >= 0 else min(taps, -(start // dilation))
    end = min(taps, -(-(length - start) // dilation)) if start < length else 0
    return first, max(first, end)


@kernel
def windows_over(at, pad, taps, stride, count):
    """The windows [first, end) of `count` that element `at` of an axis lies in."""
    first = max(0, (at + pad - taps) // stride + 1)
    return first, max(first, min(count, (at + pad) // stride + 1))


@kernel
def next_windows(first, end, at, taps, stride, count):
    """The windows [first, end) over element `at` of a padded axis, from those over the one before; no division."""
    while end < count and end * stride <= at:
        end += 1
    while first < end and first * stride + taps <= at:
        first += 1
    return first, end
