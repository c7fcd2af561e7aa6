"""Convolution where the pixels lie: the tile walks each patch as runs of an NHWC image, so no patch is ever copied.

The taps of one kernel row are contiguous in the image, which makes a patch one run per kernel row (one per tap with
groups or horizontal dilation). Images that need padding are copied, a band of rows at a time, into a padded scratch
that stays in the cache.
"""

import math
from functools import lru_cache

import numpy as np
from numba import get_num_threads, prange

from scratchnet.arrays import AnyArray, FloatArray, IntArray, Shape
from scratchnet.kernels.denormals import flush_denormals, restore
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.patches import (
    BAND_BYTES,
    BLOCK_BYTES,
    LINE,
    Weights,
    columns_under,
    launch,
    load_band,
    needs_padding,
    patch_runs,
    rows_under,
    whole_lines,
)
from scratchnet.kernels.simd import ROWS, VECTOR_BYTES, VECTORS, panel_product
from scratchnet.kernels.upstream import Upstream, pool_block, upstream_of
from scratchnet.kernels.window import Window, window_of


@kernel(parallel=True)
def direct_kernel(source, gate, won, packed, after, floor, y, winner, pooled, layout, scratch):
    """`layout` is that of `direct_layout`; a task is a band of rows of the sums."""
    batch, out_height, out_width, filters = layout[0], layout[1], layout[2], layout[3]
    band, copied, groups, pool_h, pool_w = layout[4], layout[5] != 0, layout[6], layout[7], layout[8]
    shape_of_window, behind = window_of(layout[9:]), upstream_of(layout[17:])
    channels = source.shape[3]
    height, width = (source.shape[1], source.shape[2]) if behind.pool_h == 0 else (behind.height, behind.width)
    group_channels, group_filters = channels // groups, filters // groups
    lanes = VECTOR_BYTES // source.itemsize
    panel = lanes * VECTORS
    stored_filters = -(-group_filters // lanes) * lanes
    taps = shape_of_window.height * shape_of_window.width * group_channels
    padded_width = columns_under(shape_of_window, out_width)
    row_width = padded_width if copied else width
    image_size = height * width * channels
    flat, gates, winners = source.reshape(-1), gate.reshape(-1), won.reshape(-1)
    size = (source.shape[1], source.shape[2])
    result, taken, ends = y.reshape(-1), winner.reshape(-1), pooled.reshape(-1)
    bands, workers = -(-out_height // band), scratch.shape[0]
    band_size = -(-rows_under(shape_of_window, band) * padded_width * channels // LINE) * LINE if copied else 0
    for worker in prange(workers):
        mode = flush_denormals()
        # made again, because Numba cannot hand a named tuple to its threads
        window, up = window_of(layout[9:]), upstream_of(layout[17:])
        starts, runs_at = np.empty(ROWS, np.int64), np.empty(window.height * window.width, np.int64)
        edge, free = scratch[worker, : ROWS * panel], scratch[worker, ROWS * panel :]
        pixels, block = free[:band_size] if copied else flat, free[band_size:]
        runs, depth = patch_runs(window, row_width * channels, channels, group_channels, runs_at)
        target = block if pool_h else result
        for task in range(worker, batch * bands, workers):
            image, first = task // bands, task % bands * band
            rows = min(band, out_height - first)
            top = first * window.stride_h - window.pad_top
            origin = 0 if copied else image * image_size + top * width * channels
            target_at = 0 if pool_h else (image * out_height + first) * out_width * filters
            if copied:
                rows_in = rows_under(window, rows)
                load_band(
                    flat, gates, winners, up, size, channels, image, top, rows_in, -window.pad_left, padded_width,
                    pixels, 0,
                )  # fmt: skip
            for group in range(groups):
                for first_filter in range(0, group_filters, panel):
                    columns = min(panel, group_filters - first_filter)
                    row, column = 0, 0
                    for p in range(0, rows * out_width, ROWS):
                        count = min(ROWS, rows * out_width - p)
                        for m in range(count):
                            pixel = row * window.stride_h * row_width + column * window.stride_w
                            starts[m] = origin + group * group_channels + pixel * channels
                            column += 1
                            if column == out_width:
                                row, column = row + 1, 0
                        panel_product(
                            pixels, starts, count, runs_at, runs, 1,
                            packed, (group * stored_filters + first_filter) * taps, depth, columns,
                            target, target_at + p * filters + group * group_filters + first_filter, filters,
                            False, True, after, group * stored_filters + first_filter, floor, edge,
                        )  # fmt: skip
            if pool_h:
                row_size = y.shape[2] * filters
                pool_block(
                    block, 0, rows, out_width, out_width, filters, pool_h, pool_w,
                    result, taken, (image * y.shape[1] + first // pool_h) * row_size, row_size, filters, ends, 0,
                )  # fmt: skip
        restore(mode)


@lru_cache(maxsize=4096)
def direct_layout(
    shape: Shape,
    filters: int,
    up: Upstream,
    window: Window,
    out_size: Shape,
    groups: int,
    pool: Shape,
    threads: int,
    itemsize: int,
) -> tuple[IntArray, int]:
    """All numbers that the kernel needs, in one array, which is passed faster than many; and the scratch's size."""
    copied = bool(up.gated or up.pool_h) or needs_padding(window, out_size, shape[1:3])
    if pool[0]:
        out_size = (out_size[0] // pool[0] * pool[0], out_size[1])  # rows that no window covers are not computed
    padded_width = (out_size[1] - 1) * window.stride_w + (window.width - 1) * window.dilation_w + 1
    halo = max(0, (window.height - 1) * window.dilation_h + 1 - window.stride_h)
    fitting = BAND_BYTES // itemsize // (padded_width * shape[3] * window.stride_h) - halo // window.stride_h
    if pool[0]:
        fitting = min(fitting, BLOCK_BYTES // itemsize // (out_size[1] * filters))
    per_image = threads // math.gcd(threads, shape[0])  # so that every thread has as much to do
    band = min(max(1, fitting), -(-out_size[0] // per_image))
    band = -(-band // max(1, pool[0])) * max(1, pool[0])
    rows_in = (band - 1) * window.stride_h + (window.height - 1) * window.dilation_h + 1
    scratch = whole_lines(rows_in * padded_width * shape[3]) if copied else 0
    scratch += band * out_size[1] * filters if pool[0] else 0
    numbers = (shape[0], *out_size, filters, band, copied, groups, *pool, *window, *up, threads)
    return np.array(numbers, np.int64), scratch


def direct(
    source: FloatArray,
    gate: FloatArray,
    won: AnyArray,
    up: Upstream,
    weights: Weights,
    window: Window,
    out_size: Shape,
    groups: int,
    relu: bool,
    pool: Shape,
    y: FloatArray,
    winner: AnyArray,
) -> None:
    """Convolve what `upstream.load_row` makes of `source`, of any shape, into `y`.

    Args:
        out_size: height and width of the result before pooling.
        relu: whether sums below 0 become 0.
        pool: the window of a max pool that steps by its own size, or (0, 0).
        y: (batch, height, width, filters), written.
        winner: as `y`, the taps that won, written; or empty.
    """
    layout, size = direct_layout(
        source.shape, weights.filters, up, window, out_size, groups, pool, get_num_threads(), source.itemsize
    )
    launch(direct_kernel, source, gate, won, weights, relu, y, winner, layout, size)
