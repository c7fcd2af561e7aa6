"""A stage of few maps and filters in one pass over the image; see `scratchnet.features.stage`, which lays it out."""

import numpy as np
from numba import prange

from scratchnet.kernels.denormals import flush_denormals, restore
from scratchnet.kernels.filter_rows import PARTS, filter_one, filter_ordinary_two, filter_two
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.simd import VECTOR_BYTES
from scratchnet.kernels.window import UNSIGNED

TILE = 128  # columns at once: their maxima, for all filters, fit the first-level cache


@kernel
def _load_plane(x, start, pixel_step, map_step, members, count, line):
    """A row of a plane: the sum of some maps' rows; `line` is without the zeros around it."""
    number = line.dtype.type
    if count == 3 and pixel_step == 3:
        source = x[start : start + 3 * line.size]
        for j in range(line.size):
            k = UNSIGNED(3) * UNSIGNED(j)
            line[j] = number(source[k]) + number(source[k + UNSIGNED(1)]) + number(source[k + UNSIGNED(2)])
        return
    for d in range(count):
        source = x[start + members[d] * map_step :]
        if pixel_step == 1 and d == 0:
            for j in range(line.size):
                line[j] = number(source[j])
        elif pixel_step == 1:
            for j in range(line.size):
                line[j] += number(source[j])
        elif d == 0:
            for j in range(line.size):
                line[j] = number(source[UNSIGNED(j) * UNSIGNED(pixel_step)])
        else:
            for j in range(line.size):
                line[j] += number(source[UNSIGNED(j) * UNSIGNED(pixel_step)])


@kernel
def _small(line, bound):
    """Whether the sum of the absolute values is below the bound; not so if one is NaN."""
    total = line.dtype.type(0)
    for j in range(line.size):
        total += abs(line[j])
    return total < bound


@kernel
def _larger(a, b):
    """The maximum, NaN where either is NaN."""
    return a if (a > b) | (a != a) else b


@kernel
def _halve(line, halved, average):
    """The maximum, or the sum, of each two neighbours."""
    if average:
        for j in range(halved.size):
            halved[j] = line[UNSIGNED(2) * UNSIGNED(j)] + line[UNSIGNED(2) * UNSIGNED(j) + UNSIGNED(1)]
    else:
        for j in range(halved.size):
            halved[j] = _larger(line[UNSIGNED(2) * UNSIGNED(j)], line[UNSIGNED(2) * UNSIGNED(j) + UNSIGNED(1)])


@kernel
def _store_row(line, step, factor, average, scratch, y, at, y_pixel, count):
    """The maximum, or the sum, of each `step` pixels of a row, times a factor, into `count` places of `y`."""
    size, from_scratch = count * step, False
    half = scratch.size // 2
    while step % 2 == 0:
        size, step = size // 2, step // 2
        target = scratch[:size] if not from_scratch else scratch[half : half + size]
        _halve(line, target, average)
        line, from_scratch = target, not from_scratch
    if step > 1:
        target = scratch[:count] if not from_scratch else scratch[half : half + count]
        for j in range(count):
            value = line[j * step]
            for k in range(1, step):
                other = line[j * step + k]
                value = value + other if average else _larger(value, other)
            target[j] = value
        line = target
    if y_pixel == 1:
        target = y[at : at + count]
        for j in range(count):
            target[j] = line[j] * factor
    else:
        for j in range(count):
            y[UNSIGNED(at) + UNSIGNED(j) * UNSIGNED(y_pixel)] = line[UNSIGNED(j)] * factor


@kernel(parallel=True)
def run_stage(x, factor, layout, members, counts, first, kinds, filters, steps, weights, bound, y):
    """`x` and `y` are flat; `layout` is made in `Stage.__call__`; a task is a band of pooled rows of one image.

    Where the absolute values of rows sum to less than `bound`, results are finite: no need to look for NaN.
    """
    images, height, width, channels, pixel_step, map_step = (
        layout[0], layout[1], layout[2], layout[3], layout[4], layout[5]
    )  # fmt: skip
    count, pool_h, pool_w, out_height, out_width = layout[6], layout[7], layout[8], layout[9], layout[10]
    y_map, y_row, y_pixel, average, band = layout[11], layout[12], layout[13], layout[14] != 0, layout[15]
    planes, lanes = counts.size, VECTOR_BYTES // weights.itemsize
    filled = -(-width // lanes) * lanes
    line_size = filled + 2 * lanes  # no multiple of a page, so that rows do not share places in the cache
    bands, pairs = -(-out_height // band), pool_h % 2 == 0
    shorter = pairs and not average and bound > 0
    kept = pool_h + 2  # rows of a plane
    for task in prange(images * bands):
        mode = flush_denormals()
        image, top = task // bands, task % bands * band
        bottom = min(out_height, top + band)
        lines = np.zeros(planes * kept * line_size, weights.dtype)
        sums, pooled = np.empty(2 * count * TILE, weights.dtype), np.empty(count * line_size, weights.dtype)
        scratch, parts = np.empty(2 * line_size, weights.dtype), np.empty(2 * TILE * len(PARTS), weights.dtype)
        loaded = top * pool_h - 1  # the next row to be loaded
        special = loaded - 1  # the last row that is not below the bound
        for out_row in range(top, bottom):
            line = out_row * pool_h
            for row in range(loaded, line + pool_h + 1):
                for p in range(planes):
                    at = (p * kept + row % kept) * line_size + 1
                    if 0 <= row < height:
                        start = image * height * width * channels + row * width * pixel_step
                        _load_plane(x, start, pixel_step, map_step, members[p], counts[p], lines[at : at + width])
                        if shorter and not _small(lines[at : at + width], bound):
                            special = row
                    else:
                        lines[at : at + width] = 0
            loaded = line + pool_h + 1
            ordinary = shorter and special < line - 1
            pooled[:] = 0  # the ReLU
            for begin in range(0, filled, TILE):
                columns = min(TILE, filled - begin)
                for row in range(line, line + pool_h, 2 if pairs else 1):
                    for p in range(planes):
                        plane = p * kept
                        l0 = (plane + (row - 1) % kept) * line_size
                        l1 = (plane + row % kept) * line_size
                        l2 = (plane + (row + 1) % kept) * line_size
                        l3 = (plane + (row + 2) % kept) * line_size
                        if ordinary:
                            filter_ordinary_two(
                                lines, (l0, l1, l2, l3), begin, columns, weights, filters, kinds, p, parts, pooled,
                                line_size,
                            )  # fmt: skip
                        elif pairs:
                            filter_two(
                                lines, (l0, l1, l2, l3), begin, columns, weights, filters, steps, first[p],
                                first[p + 1], sums, pooled, line_size, average,
                            )  # fmt: skip
                        else:
                            filter_one(
                                lines, (l0, l1, l2), begin, columns, weights, filters, steps, first[p],
                                first[p + 1], sums, pooled, line_size, average,
                            )  # fmt: skip
            for f in range(count):
                at = image * count * out_height * out_width + f * y_map + out_row * y_row
                best = pooled[f * line_size : f * line_size + width]
                _store_row(best, pool_w, factor, average, scratch, y, at, y_pixel, out_width)
        restore(mode)
