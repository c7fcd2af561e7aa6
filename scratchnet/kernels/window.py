"""The geometry of a sliding window: what convolutions and pools have in common."""

from typing import NamedTuple

from scratchnet.kernels.jit import kernel


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
def covered(start, dilation, taps, length):
    """The taps [first, end) of a window that lie inside an axis of `length`, when tap 0 is at `start`."""
    first = 0 if start >= 0 else min(taps, -(start // dilation))
    end = min(taps, -(-(length - start) // dilation)) if start < length else 0
    return first, max(first, end)
