"""A stage of few maps and filters: pixels fill the vectors, and all filters pass over them while they are in registers.

See `scratchnet.features.stage`, which lays out what the loops take.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from scratchnet.kernels.jit import kernel
from scratchnet.kernels.simd import VECTOR_BYTES, Vectors, data_of, index, vector_loop
from scratchnet.kernels.window import UNSIGNED

TILE = 128  # columns at once: their maxima, for all filters, fit the first-level cache
# what to do for a filter: add to its sums over earlier planes, pool them, and which parts it has
ADD, LAST, EVEN, ODD = 1, 2, 4, 8
PARTS = ("cc", "ce", "ec", "ee", "dd", "cd", "ed", "dc", "de")
FIRST_ODD = 5


def _parts(simd: Vectors, lines: Any, starts: Sequence[Any], column: Any) -> list[dict[str, Any]]:
    """The nine parts of 3x3 taps, for the row of results between each two of the `starts`, by their names.

    A letter for the columns after one for the rows: `c` is the centre b of (a, b, c), `e` is a + c, `d` is c - a.
    """
    b = simd.builder
    across: list[dict[str, Any]] = []
    for start in starts:
        left, centre, right = (simd.load(lines, b.add(b.add(start, column), index(k))) for k in range(3))
        across.append({"c": centre, "e": b.fadd(left, right), "d": b.fsub(right, left)})
    parts = []
    for above, middle, below in zip(across, across[1:], across[2:], strict=False):
        own = {f"c{h}": middle[h] for h in "ced"}
        own |= {f"e{h}": b.fadd(above[h], below[h]) for h in "ced"}
        own |= {f"d{h}": b.fsub(below[h], above[h]) for h in "ced"}
        parts.append(own)
    return parts


def _highest(simd: Vectors, best: Any, values: Sequence[Any]) -> Any:
    """The largest of `best` and one or two values, NaN where any of them is NaN."""
    b = simd.builder
    high = simd.at_least(best, simd.at_least(values[0], values[-1]))  # loses NaN of the values, but not of `best`
    return b.select(b.fcmp_unordered("uno", values[0], values[-1]), simd.constant(math.nan), high)


def _filter_rows(rows: int) -> Any:
    """A function for so many rows of results at once."""

    @intrinsic  # type: ignore[untyped-decorator]
    def filter_rows(
        typing: Any, lines: Any, starts: Any, begin: Any, width: Any, weights: Any, filters: Any, steps: Any,
        first: Any, last: Any, sums: Any, pooled: Any, row: Any, average: Any,
    ) -> Any:  # fmt: skip
        """Rows of a plane through the filters `first` to `last` of those that look at it.

        `lines` holds the rows of the plane at `starts`, two more than there are results, each from the zero before its
        first pixel on. `weights` holds nine numbers per filter in the order of PARTS, `filters` its number and `steps`
        what to do. `pooled` has `row` elements per filter and `sums` as many for each row of results; `width` of them
        from `begin` on, filled up to whole vectors, are used.
        """
        i = types.intp
        signature = types.void(
            lines, types.UniTuple(i, rows + 2), i, i, weights, filters, steps, i, i, sums, pooled, i, types.boolean
        )

        def codegen(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
            lines, weights, filters, steps, sums, pooled = data_of(
                context, b, signature, arguments, (0, 4, 5, 6, 9, 10)
            )
            starts = cgutils.unpack_tuple(b, arguments[1])
            begin, width, first, last, row, average = (arguments[n] for n in (2, 3, 7, 8, 11, 12))
            simd = Vectors(b, context.get_value_type(signature.args[0].dtype))
            zero = simd.constant(0)

            def body(offset: Any) -> None:
                column = b.add(begin, offset)
                parts = _parts(simd, lines, starts, column)
                with cgutils.for_range_slice(b, first, last, index(1)) as (number, _):
                    place = b.add(b.mul(b.load(b.gep(filters, [number])), row), column)
                    step = b.load(b.gep(steps, [number]))
                    at = b.mul(number, index(len(PARTS)))

                    def where(flag: int, earlier: list[Any], compute: Callable[[], list[Any]]) -> list[Any]:
                        """What `compute` gives if the step has this flag, else what there was."""
                        before = b.block
                        with b.if_then(b.icmp_signed("!=", b.and_(step, index(flag)), index(0))):
                            computed, inside = compute(), b.block
                        joined = [b.phi(simd.type) for _ in earlier]
                        for phi, old, new in zip(joined, earlier, computed, strict=True):
                            phi.add_incoming(old, before), phi.add_incoming(new, inside)
                        return joined

                    def add(names: Sequence[str], to: list[Any]) -> list[Any]:
                        for name in names:
                            weight = simd.spread(b.load(b.gep(weights, [b.add(at, index(PARTS.index(name)))])))
                            to = [simd.fma(weight, own[name], value) for own, value in zip(parts, to, strict=True)]
                        return to

                    def place_in_sums(line: int) -> Any:
                        return b.add(b.mul(b.sub(place, column), index(rows)), b.add(b.mul(row, index(line)), column))

                    values = where(
                        ADD, [zero] * rows, lambda: [simd.load(sums, place_in_sums(line)) for line in range(rows)]
                    )
                    with_even = where(EVEN, values, lambda: add(PARTS[:FIRST_ODD], values))
                    values = where(ODD, with_even, lambda: add(PARTS[FIRST_ODD:], with_even))
                    pools = b.icmp_signed("!=", b.and_(step, index(LAST)), index(0))
                    with b.if_else(pools, likely=True) as (then, otherwise):
                        with then:
                            best = simd.load(pooled, place)
                            with b.if_else(average, likely=False) as (mean, maximum):
                                with mean:
                                    total = best
                                    for value in values:
                                        total = b.fadd(total, simd.at_least(value, zero))
                                    simd.store(total, pooled, place)
                                with maximum:
                                    simd.store(_highest(simd, best, values), pooled, place)
                        with otherwise:
                            for line, value in enumerate(values):
                                simd.store(value, sums, place_in_sums(line))

            vector_loop(simd, width, body)
            return context.get_dummy_value()

        return signature, codegen

    return filter_rows


_filter_one, _filter_two = _filter_rows(1), _filter_rows(2)


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
def run_stage(x, factor, layout, members, counts, first, filters, steps, weights, y):
    """`x` and `y` are flat; `layout` is made in `Stage.__call__`; a task is a band of pooled rows of one image."""
    images, height, width, channels, pixel_step, map_step = (
        layout[0], layout[1], layout[2], layout[3], layout[4], layout[5]
    )  # fmt: skip
    count, pool_h, pool_w, out_height, out_width = layout[6], layout[7], layout[8], layout[9], layout[10]
    y_map, y_row, y_pixel, average, band = layout[11], layout[12], layout[13], layout[14] != 0, layout[15]
    planes, lanes = counts.size, VECTOR_BYTES // weights.itemsize
    filled = -(-width // lanes) * lanes
    line_size = filled + 2 * lanes  # no multiple of a page, so that rows do not share places in the cache
    bands, pairs = -(-out_height // band), pool_h % 2 == 0
    kept = pool_h + 2  # rows of a plane
    for task in prange(images * bands):
        image, top = task // bands, task % bands * band
        bottom = min(out_height, top + band)
        lines = np.zeros(planes * kept * line_size, weights.dtype)
        sums, pooled = np.empty(2 * count * line_size, weights.dtype), np.empty(count * line_size, weights.dtype)
        scratch = np.empty(2 * line_size, weights.dtype)
        loaded = top * pool_h - 1  # the next row to be loaded
        for out_row in range(top, bottom):
            line = out_row * pool_h
            for row in range(loaded, line + pool_h + 1):
                for p in range(planes):
                    at = (p * kept + row % kept) * line_size + 1
                    if 0 <= row < height:
                        start = image * height * width * channels + row * width * pixel_step
                        _load_plane(x, start, pixel_step, map_step, members[p], counts[p], lines[at : at + width])
                    else:
                        lines[at : at + width] = 0
            loaded = line + pool_h + 1
            pooled[:] = 0  # the ReLU
            for begin in range(0, filled, TILE):
                columns = min(TILE, filled - begin)
                for row in range(line, line + pool_h, 2 if pairs else 1):
                    for p in range(planes):
                        plane = p * kept
                        l0 = (plane + (row - 1) % kept) * line_size
                        l1 = (plane + row % kept) * line_size
                        l2 = (plane + (row + 1) % kept) * line_size
                        if pairs:
                            l3 = (plane + (row + 2) % kept) * line_size
                            _filter_two(
                                lines, (l0, l1, l2, l3), begin, columns, weights, filters, steps, first[p],
                                first[p + 1], sums, pooled, line_size, average,
                            )  # fmt: skip
                        else:
                            _filter_one(
                                lines, (l0, l1, l2), begin, columns, weights, filters, steps, first[p],
                                first[p + 1], sums, pooled, line_size, average,
                            )  # fmt: skip
            for f in range(count):
                at = image * count * out_height * out_width + f * y_map + out_row * y_row
                best = pooled[f * line_size : f * line_size + width]
                _store_row(best, pool_w, factor, average, scratch, y, at, y_pixel, out_width)
