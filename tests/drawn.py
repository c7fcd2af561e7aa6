"""Hypothesis strategies for the geometry of convolutions and pools."""

from typing import Any, NamedTuple

from hypothesis import strategies as st

from scratchnet.kernels.window import Window

dtypes = st.sampled_from(["float32", "float64"])
seeds = st.integers(0, 2**16)
# 1, odd, even, just below, at and above the width of a vector or a tile
filter_counts = st.sampled_from([1, 2, 3, 5, 8, 15, 16, 17, 31, 33, 64, 65])


class Sliding(NamedTuple):
    """A window as the operations take it, over an image that it fits into."""

    size: tuple[int, int]
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilation: tuple[int, int]
    padding: str


@st.composite
def slidings(draw: Any, max_dilation: int = 3, max_kernel: int = 5) -> Sliding:
    """Even and odd windows of differing sides, steps shorter and longer than the window, both kinds of padding."""
    pairs = [(draw(st.integers(1, n)), draw(st.integers(1, n))) for n in (max_kernel, 3, max_dilation)]
    kernel, strides, dilation = pairs
    padding = draw(st.sampled_from(["valid", "same"]))
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    least = spans if padding == "valid" else [1, 1]  # with `same`, images smaller than the window are allowed
    height, width = (draw(st.integers(n, n + 6)) for n in least)
    return Sliding((height, width), kernel, strides, dilation, padding)


@st.composite
def raw_windows(draw: Any, max_dilation: int = 3, far: bool = True) -> tuple[tuple[int, int], Window, tuple[int, int]]:
    """An image's size, a window with any padding, and an output's size: what a kernel gets when nobody checks.

    Args:
        draw: Hypothesis's.
        max_dilation: largest distance of taps.
        far: whether a window may lie outside the image altogether.
    """
    size = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    axes = []
    for n in size:
        taps, stride = draw(st.integers(1, 4)), draw(st.integers(1, 3))
        dilation = draw(st.integers(1, max_dilation))
        pad = draw(st.integers(0, 9)) if far else draw(st.integers(0, taps - 1))
        last = 6 if far else (n - 1 + pad) // stride + 1  # the last window still touches the image
        axes.append((taps, stride, dilation, pad, draw(st.integers(1, max(1, min(6, last))))))
    (kh, sh, dh, top, oh), (kw, sw, dw, left, ow) = axes
    return size, Window(kh, kw, sh, sw, dh, dw, top, left), (oh, ow)
