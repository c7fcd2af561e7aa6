"""What the convolution kernels share: where patches lie, padded bands of images, and packed weights."""

import math
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from scratchnet.arrays import AnyArray, FloatArray, IntArray, Shape
from scratchnet.kernels.gemm import aligned, finishing, pack, packed_size
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.simd import ROWS, VECTOR_BYTES, VECTORS
from scratchnet.kernels.upstream import load_row
from scratchnet.kernels.window import UNSIGNED, Window

BAND_BYTES = 192 * 1024  # of a padded band of the input: it fits the second-level cache
BLOCK_BYTES = 24 * 1024  # of results that are pooled next: they fit the first-level cache
SCRATCH_KEPT = 32 * 2**20  # bytes of scratch that a thread keeps
LINE = 16  # scratch is cut at multiples of so many elements, so that its parts stay aligned


class Weights(NamedTuple):
    """A kernel as the tile wants it.

    `packed` holds its panels, one group after the other; `after` the bias, scale and shift of `gemm.finishing`, each
    group's part filled up to whole vectors. `pooled` is empty, or a scale and a shift (2, filters) of what a pool
    behind the convolution returns.
    """

    packed: FloatArray
    after: FloatArray
    filters: int
    pooled: FloatArray


class Affine(NamedTuple):
    """What is done to each filter besides adding the bias: `relu(sums + bias) * scale + shift`, each or None.

    `pooled` is a second such pair, (2, filters), for what a pool returns.
    """

    scale: FloatArray | None = None
    shift: FloatArray | None = None
    pooled: FloatArray | None = None


@kernel
def patch_runs(window, row_size, channels, group_channels, runs_at):
    """Where the contiguous runs of a patch begin, relative to its first tap; returns their number and length."""
    if window.dilation_w == 1 and channels == group_channels:
        for kh in range(window.height):
            runs_at[kh] = kh * window.dilation_h * row_size
        return window.height, window.width * channels
    for kh in range(window.height):
        for kw in range(window.width):
            runs_at[kh * window.width + kw] = kh * window.dilation_h * row_size + kw * window.dilation_w * channels
    return window.height * window.width, group_channels


@kernel
def rows_under(window, rows):
    """How many input rows lie under so many output rows."""
    return (rows - 1) * window.stride_h + (window.height - 1) * window.dilation_h + 1


@kernel
def columns_under(window, columns):
    """How many input columns lie under so many output columns."""
    return (columns - 1) * window.stride_w + (window.width - 1) * window.dilation_w + 1


@kernel
def load_band(source, gate, winner, up, size, channels, image, first, rows, left, width, padded, padded_at):
    """Rows `first` to `first + rows` of an image, columns `left` to `left + width`, with zeros outside of it.

    Arrays are flat, and `size` is that of the result; see `load_row`.
    """
    height, image_width = size if up.pool_h == 0 else (up.height, up.width)
    column_from, column_end = max(0, left), min(image_width, left + width)
    zero = padded.dtype.type(0)
    for r in range(rows):
        at, row = padded_at + r * width * channels, first + r
        inside = 0 <= row < height and column_from < column_end
        inner = at + (column_from - left) * channels if inside else at + width * channels
        after = at + (column_end - left) * channels if inside else at + width * channels
        for i in range(UNSIGNED(at), UNSIGNED(inner)):
            padded[i] = zero
        for i in range(UNSIGNED(after), UNSIGNED(at + width * channels)):
            padded[i] = zero
        if inside:
            load_row(
                source, gate, winner, up, size[0], size[1], channels, image, row, column_from, column_end, padded, inner
            )


def panel_width(itemsize: int) -> int:
    """Columns of a full tile."""
    return VECTOR_BYTES // itemsize * VECTORS


def whole_lines(size: int) -> int:
    """The next size after which scratch may be cut."""
    return -(-size // LINE) * LINE


class _Scratch(threading.local):
    """Memory that a thread's kernels use one after the other."""

    def __init__(self) -> None:
        self.memory = np.empty(0, np.uint8)


_scratch = _Scratch()


def scratch_for(workers: int, size: int, dtype: np.dtype[np.floating[Any]]) -> FloatArray:
    """One aligned row of scratch per worker, with the edge of the tile at its beginning.

    It is valid until the same thread asks for the next.
    """
    shape = scratch_shape(workers, size, dtype)
    wanted = math.prod(shape) * dtype.itemsize
    if wanted > SCRATCH_KEPT:
        return aligned(math.prod(shape), dtype).reshape(shape)
    if _scratch.memory.size < wanted:
        _scratch.memory = aligned(wanted, np.dtype(np.uint8))
    array: FloatArray = _scratch.memory[:wanted].view(dtype).reshape(shape)
    return array


def scratch_shape(workers: int, size: int, dtype: np.dtype[np.floating[Any]]) -> Shape:
    """A row per worker, with the edge of the tile at its beginning."""
    return workers, ROWS * panel_width(dtype.itemsize) + whole_lines(size)


def floor_of(relu: bool, dtype: np.dtype[np.floating[Any]]) -> np.floating[Any]:
    """The least that a sum may be."""
    floor: np.floating[Any] = dtype.type(0 if relu else -np.inf)
    return floor


def launch(
    convolution: Callable[..., None],
    source: FloatArray,
    gate: FloatArray,
    won: AnyArray,
    weights: Weights,
    relu: bool,
    y: FloatArray,
    winner: AnyArray,
    layout: IntArray,
    size: int,
) -> None:
    """Run one of the convolution kernels with its layout, whose last number is that of the workers.

    Args:
        size: elements of scratch per worker.
    """
    floor = floor_of(relu, source.dtype)
    scratch = scratch_for(int(layout[-1]), size, source.dtype)
    convolution(source, gate, won, weights.packed, weights.after, floor, y, winner, weights.pooled, layout, scratch)


def needs_padding(window: Window, out_size: Shape, size: Shape) -> bool:
    """Whether some patch sticks out of the image."""
    bottom = (out_size[0] - 1) * window.stride_h - window.pad_top + (window.height - 1) * window.dilation_h
    right = (out_size[1] - 1) * window.stride_w - window.pad_left + (window.width - 1) * window.dilation_w
    return window.pad_top > 0 or window.pad_left > 0 or bottom >= size[0] or right >= size[1]


def pack_kernel(kernel: FloatArray, bias: FloatArray | None, groups: int, affine: Affine) -> Weights:
    """Each group's (taps, filters) matrix as panels."""
    filters = kernel.shape[3] // groups
    taps = kernel[..., 0].size
    size = packed_size(taps, filters, kernel.itemsize)
    packed = aligned(groups * size, kernel.dtype)
    for group in range(groups):
        part = packed[group * size : (group + 1) * size]
        pack(kernel.reshape(-1), group * filters, kernel.shape[3], 1, taps, filters, part)
    return with_affine(packed, kernel, bias, groups, affine)


def with_affine(
    packed: FloatArray, kernel: FloatArray, bias: FloatArray | None, groups: int, affine: Affine
) -> Weights:
    """Add what ends a sum to a packed kernel."""
    filters, dtype = kernel.shape[3], kernel.dtype
    parts = [
        finishing(filters // groups, dtype, *(None if row is None else row.reshape(groups, -1)[group] for row in (
            bias, affine.scale, affine.shift
        ))).reshape(3, -1)
        for group in range(groups)
    ]  # fmt: skip
    after = parts[0] if groups == 1 else np.concatenate(parts, axis=1)
    pooled = np.empty((0, 0), dtype) if affine.pooled is None else affine.pooled
    return Weights(packed, after.reshape(-1), filters, pooled)


def flipped(kernel: FloatArray, groups: int) -> FloatArray:
    """The kernel whose convolution with dz gives the gradient by the input: taps reversed, channels for filters."""
    height, width, channels, filters = kernel.shape
    split = kernel[::-1, ::-1].reshape(height, width, channels, groups, filters // groups)
    return np.ascontiguousarray(split.transpose(0, 1, 4, 3, 2)).reshape(height, width, filters // groups, -1)
