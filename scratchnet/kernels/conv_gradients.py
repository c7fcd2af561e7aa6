"""The gradients of a convolution by its kernel, its bias, and - for steps above 1 - its input, on the register tile.

    d_kernel = patches(x)^T @ dz      rows of the tile are taps, and the depth runs over pixels
    d_bias   = sum of dz
    d_x      = scatter(dz @ kernel^T)     each patch is added back to where it came from

dz is the gradient by the sums; see `upstream`.
"""

import numpy as np
from numba import get_num_threads, prange

from scratchnet.arrays import AnyArray, FloatArray, Shape
from scratchnet.kernels import buffers
from scratchnet.kernels.denormals import flush_denormals, restore
from scratchnet.kernels.gemm import aligned, block_product, pack, packed_size
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.patches import (
    BAND_BYTES,
    LINE,
    columns_under,
    load_band,
    needs_padding,
    panel_width,
    patch_runs,
    rows_under,
    scratch_for,
    whole_lines,
)
from scratchnet.kernels.simd import ROWS, VECTOR_BYTES, VECTORS, panel_product
from scratchnet.kernels.upstream import NO_WINNER, PLAIN, Upstream, load_row, materialized
from scratchnet.kernels.window import Window, covered

PANEL_BYTES = 96 * 1024  # of one panel of dz: it stays in the cache while all taps are multiplied with it
TASKS = 16  # a constant, so that sums do not depend on the threads
PATCH_BYTES = 256 * 1024


@kernel(parallel=True)
def _kernel_gradient(x, no_tap, plain, dy, gate, won, up, window, groups, band, copied, partial, bias_partial, scratch):
    """partial[chunk, group] (taps, filters) over the chunk's bands; a task is a panel of filters of a chunk."""
    batch, channels, filters = x.shape[0], x.shape[3], dy.shape[3]
    out_height, out_width = (dy.shape[1], dy.shape[2]) if up.pool_h == 0 else (up.height, up.width)
    group_channels, group_filters = channels // groups, filters // groups
    lanes = VECTOR_BYTES // x.itemsize
    panel = lanes * VECTORS
    taps = window.height * window.width * group_channels
    padded_width = columns_under(window, out_width)
    row_size = (padded_width if copied else x.shape[2]) * channels
    image_size = x.shape[1] * x.shape[2] * channels
    flat, flat_dy, gates, winners = x.reshape(-1), dy.reshape(-1), gate.reshape(-1), won.reshape(-1)
    x_size = (x.shape[1], x.shape[2])
    dy_size = (dy.shape[1], dy.shape[2])
    bands, chunks, workers = -(-out_height // band), partial.shape[0], scratch.shape[0]
    packed_size, line_size = band * out_width * panel, -(-out_width * filters // LINE) * LINE
    panels = -(-group_filters // panel)
    for worker in prange(workers):
        mode = flush_denormals()
        starts, runs_at = np.empty(ROWS, np.int64), np.empty(max(band, window.height * window.width), np.int64)
        tap_at = np.empty(taps, np.int64)
        edge, free = scratch[worker, : ROWS * panel], scratch[worker, ROWS * panel :]
        packed, line = free[:packed_size], free[packed_size : packed_size + out_width * filters]
        pixels = free[packed_size + line_size :] if copied else flat
        runs, length = patch_runs(window, row_size, channels, group_channels, runs_at)
        for run in range(runs):
            for k in range(length):
                tap_at[run * length + k] = runs_at[run] + k
        for row in range(band):
            runs_at[row] = row * window.stride_h * row_size
        for task in range(worker, chunks * groups * panels, workers):
            chunk, group, first_filter = task // (groups * panels), task // panels % groups, task % panels * panel
            columns = min(panel, group_filters - first_filter)
            stored = -(-columns // lanes) * lanes
            at_filter = group * group_filters + first_filter
            total, bias_total = partial[chunk, group], bias_partial[chunk, at_filter : at_filter + columns]
            bias_total[:] = 0
            begin, end = chunk * batch * bands // chunks, (chunk + 1) * batch * bands // chunks
            for step in range(begin, end):
                image, first = step // bands, step % bands * band
                rows = min(band, out_height - first)
                top = first * window.stride_h - window.pad_top
                origin = group * group_channels
                if copied:
                    rows_in = rows_under(window, rows)
                    load_band(
                        flat, flat, no_tap, plain, x_size, channels, image, top, rows_in, -window.pad_left,
                        padded_width, pixels, 0,
                    )  # fmt: skip
                else:
                    origin += image * image_size + top * x.shape[2] * channels
                for row in range(rows):
                    target = packed[row * out_width * stored : (row + 1) * out_width * stored]
                    if up.gated or up.pool_h:
                        load_row(
                            flat_dy, gates, winners, up, dy_size[0], dy_size[1], filters, image, first + row,
                            0, out_width, line, 0,
                        )  # fmt: skip
                        pack(line, at_filter, filters, 1, out_width, columns, target)
                    else:
                        at = (image * out_height + first + row) * out_width * filters + at_filter
                        pack(flat_dy, at, filters, 1, out_width, columns, target)
                _add_column_sums(packed, rows * out_width, stored, edge, bias_total)
                for tap in range(0, taps, ROWS):
                    count = min(ROWS, taps - tap)
                    for m in range(count):
                        starts[m] = origin + tap_at[tap + m]
                    panel_product(
                        pixels, starts, count, runs_at, rows, window.stride_w * channels,
                        packed, 0, out_width, columns,
                        total, tap * group_filters + first_filter, group_filters,
                        step > begin, False, packed, 0, x.dtype.type(0), edge,
                    )  # fmt: skip
        restore(mode)


@kernel
def _add_column_sums(matrix, rows, columns, sums, total):
    """Total += the sums over the rows of a (rows, columns) matrix; those of one call are made in `sums`."""
    sums = sums[:columns]
    sums[:] = 0
    for r in range(rows):
        row = matrix[r * columns : (r + 1) * columns]
        for n in range(sums.size):
            sums[n] += row[n]
    for n in range(total.size):
        total[n] += sums[n]


@kernel
def _add(source, target):
    # slices that begin at 0 let the compiler drop its checks for negative indices, and so use vectors
    for i in range(source.size):
        target[i] += source[i]


@kernel
def _scatter(patches, image, first, count, out_width, window, channel, channels, dx):
    """Add row p of `patches` to the pixels under output pixel first + p."""
    height, width = dx.shape[1], dx.shape[2]
    flat, row_size = dx.reshape(-1), width * dx.shape[3]
    run = window.width * channels
    step = window.dilation_w * dx.shape[3]
    for p in range(count):
        at = p * window.height * run
        top = (first + p) // out_width * window.stride_h - window.pad_top
        left = (first + p) % out_width * window.stride_w - window.pad_left
        tap_from, tap_end = covered(left, window.dilation_w, window.width, width)
        for kh in range(window.height):
            row = top + kh * window.dilation_h
            if 0 <= row < height:
                taps = patches[at : at + run]
                start = (image * height + row) * row_size + left * dx.shape[3] + tap_from * step + channel
                if step == channels:
                    _add(taps[tap_from * channels : tap_end * channels], flat[start:])
                else:
                    for tap in range(tap_end - tap_from):
                        first_channel = (tap_from + tap) * channels
                        _add(taps[first_channel : first_channel + channels], flat[start + tap * step :])
            at += run


@kernel(parallel=True)
def _scattered_input_gradient(dz, packed, dx, window, groups, block, scratch):
    """One image per task, because the patches of neighbouring blocks overlap."""
    batch, out_height, out_width, filters = dz.shape
    channels, group_filters = dx.shape[3] // groups, filters // groups
    depth, pixels = window.height * window.width * channels, out_height * out_width
    flat, group_size, workers = dz.reshape(-1), packed.size // groups, scratch.shape[0]
    edge_size = ROWS * VECTORS * (VECTOR_BYTES // dz.itemsize)
    for worker in prange(workers):
        mode = flush_denormals()
        starts, runs_at = np.empty(ROWS, np.int64), np.zeros(1, np.int64)
        edge, patches = scratch[worker, :edge_size], scratch[worker, edge_size:]
        for image in range(worker, batch, workers):
            dx[image] = 0
            for first in range(0, pixels, block):
                count = min(block, pixels - first)
                start = (image * pixels + first) * filters
                for group in range(groups):
                    block_product(
                        flat, start + group * group_filters, filters, 1, count,
                        packed[group * group_size : (group + 1) * group_size], 0, group_filters, group_filters, depth,
                        patches, 0, depth,
                        False, False, packed, dz.dtype.type(0), starts, runs_at, edge,
                    )  # fmt: skip
                    _scatter(patches, image, first, count, out_width, window, group * channels, channels, dx)
        restore(mode)


def kernel_gradient(
    x: FloatArray,
    dy: FloatArray,
    gate: FloatArray,
    won: AnyArray,
    up: Upstream,
    kernel_shape: Shape,
    window: Window,
    out_size: Shape,
    groups: int,
) -> tuple[FloatArray, FloatArray]:
    """The gradients by the kernel and by the bias, from what `upstream.load_row` makes of `dy`."""
    height, width, group_channels, filters = kernel_shape
    taps, group_filters = height * width * group_channels, filters // groups
    panel = panel_width(x.itemsize)
    panels = -(-group_filters // panel)
    padded_width = (out_size[1] - 1) * window.stride_w + (width - 1) * window.dilation_w + 1
    copied = needs_padding(window, out_size, x.shape[1:3])
    band_in = BAND_BYTES // (padded_width * x.shape[3] * x.itemsize * window.stride_h) if copied else out_size[0]
    band = max(1, min(out_size[0], PANEL_BYTES // (out_size[1] * panel * x.itemsize), band_in))
    chunks = max(1, min(len(x) * -(-out_size[0] // band), -(-TASKS // (panels * groups))))
    partial = buffers.empty((chunks, groups, taps * group_filters), x.dtype)
    bias_partial = np.empty((chunks, filters), np.float64)
    rows_in = (band - 1) * window.stride_h + (height - 1) * window.dilation_h + 1
    size = band * out_size[1] * panel + whole_lines(out_size[1] * filters)
    size += rows_in * padded_width * x.shape[3] if copied else 0
    _kernel_gradient(
        x, NO_WINNER.reshape(-1), PLAIN, dy, gate, won, up, window, groups, band, copied, partial, bias_partial,
        scratch_for(get_num_threads(), size, x.dtype),
    )  # fmt: skip
    total = partial.sum(axis=0).reshape(groups, taps, group_filters)
    by_kernel = np.ascontiguousarray(total.transpose(1, 0, 2)).reshape(kernel_shape)
    return by_kernel, bias_partial.sum(axis=0).astype(x.dtype)


def scattered_input_gradient(
    dy: FloatArray,
    gate: FloatArray,
    won: AnyArray,
    up: Upstream,
    kernel: FloatArray,
    x_shape: Shape,
    window: Window,
    groups: int,
) -> FloatArray:
    """The gradient by the input of a convolution of any steps."""
    dz = materialized(dy, gate, won, up)
    dx = buffers.empty(x_shape, dy.dtype)
    filters, taps = kernel.shape[3] // groups, kernel[..., 0].size
    size = packed_size(filters, taps, kernel.itemsize)
    packed = aligned(groups * size, kernel.dtype)
    for group in range(groups):
        pack(kernel.reshape(-1), group * filters, 1, kernel.shape[3], filters, taps, packed[group * size :])
    pixels = dz.shape[1] * dz.shape[2]
    block = min(max(ROWS, PATCH_BYTES // (taps * dy.itemsize) // ROWS * ROWS), -(-pixels // ROWS) * ROWS)
    scratch = scratch_for(get_num_threads(), block * taps, dy.dtype)
    _scattered_input_gradient(dz, packed, dx, window, groups, block, scratch)
    return dx
