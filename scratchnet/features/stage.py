"""A stage of a feature extractor in one pass over the image: convolution, ReLU and pooling.

The engine's convolution is made for many channels, and lets filters fill its vectors. A stage of an extractor has few
maps and few filters, most of whose weights are zero; so here pixels fill the vectors. Nine vectors of an image, which
are the 3x3 taps of as many neighbouring pixels, stay in registers while all filters pass over them; results go into
the running maximum, or sum, of their pooling window. A filter that is the same over several maps looks at their sum:
that is one plane instead of three.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from scratchnet.arrays import FloatArray, IntArray, Shape
from scratchnet.kernels import buffers
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.simd import VECTOR_BYTES, Vectors, data_of, index, vector_loop
from scratchnet.kernels.window import UNSIGNED

BAND = 8  # pooled rows per task: more mean fewer rows that two tasks read, fewer more work for many threads
TAPS = 9
LINES = 3  # rows of a plane that are kept
ADD, LAST = 1, 2  # what to do with a filter's sums over a plane: add them to earlier ones; pool them
_SOURCE = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]


def _of_this_file(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a kernel a name that changes with this file: the cache of compiled code knows it by its name."""
    function.__qualname__ = f"{function.__qualname__}_{_SOURCE}"
    return function


@intrinsic  # type: ignore[untyped-decorator]
def _filter_row(
    typing: Any, lines: Any, above: Any, middle: Any, below: Any, width: Any, weights: Any, filters: Any, steps: Any,
    first: Any, last: Any, sums: Any, pooled: Any, row: Any, average: Any,
) -> Any:  # fmt: skip
    """One row of a plane through the filters `first` to `last` of those that look at it.

    `lines` holds the rows of the plane at `above`, `middle` and `below`, each from the zero before its first pixel on.
    `weights` holds nine numbers per filter, `filters` its number and `steps` what to do: ADD, LAST, or both. `sums` and
    `pooled` have `row` elements per filter, of which `width`, filled up to whole vectors, are used.
    """
    i = types.intp
    signature = types.void(lines, i, i, i, i, weights, filters, steps, i, i, sums, pooled, i, types.boolean)

    def codegen(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        lines, weights, filters, steps, sums, pooled = data_of(context, b, signature, arguments, (0, 5, 6, 7, 10, 11))
        starts, width = arguments[1:4], arguments[4]
        first, last, row, average = arguments[8], arguments[9], arguments[12], arguments[13]
        simd = Vectors(b, context.get_value_type(signature.args[0].dtype))
        zero = simd.constant(0)

        def body(column: Any) -> None:
            taps = [simd.load(lines, b.add(b.add(start, column), index(k))) for start in starts for k in range(3)]
            with cgutils.for_range_slice(b, first, last, index(1)) as (number, _):
                place = b.add(b.mul(b.load(b.gep(filters, [number])), row), column)
                step = b.load(b.gep(steps, [number]))
                at = b.mul(number, index(TAPS))
                adds = b.icmp_signed("!=", b.and_(step, index(ADD)), index(0))
                with b.if_else(adds) as (then, otherwise):
                    with then:
                        earlier, met = simd.load(sums, place), b.block
                    with otherwise:
                        other = b.block
                total = b.phi(simd.type)
                total.add_incoming(earlier, met), total.add_incoming(zero, other)
                result: Any = total
                for n, tap in enumerate(taps):
                    weight = simd.spread(b.load(b.gep(weights, [b.add(at, index(n))])))
                    result = simd.fma(weight, tap, result)
                pools = b.icmp_signed("!=", b.and_(step, index(LAST)), index(0))
                with b.if_else(pools, likely=True) as (then, otherwise):
                    with then:
                        best = simd.load(pooled, place)
                        with b.if_else(average, likely=False) as (mean, maximum):
                            with mean:
                                simd.store(b.fadd(best, simd.at_least(result, zero)), pooled, place)
                            with maximum:
                                simd.store(simd.at_least(result, best), pooled, place)
                    with otherwise:
                        simd.store(result, sums, place)

        vector_loop(simd, width, body)
        return context.get_dummy_value()

    return signature, codegen


@kernel
@_of_this_file
def _load_plane(x, start, pixel_step, map_step, members, count, line):
    """A row of a plane: the sum of some maps' rows; `line` is without the zeros around it."""
    if count == 3 and pixel_step == 3:
        source = x[start : start + 3 * line.size]
        for j in range(line.size):
            k = UNSIGNED(3) * UNSIGNED(j)
            line[j] = source[k] + source[k + UNSIGNED(1)] + source[k + UNSIGNED(2)]
        return
    for d in range(count):
        source = x[start + members[d] * map_step :]
        if pixel_step == 1 and d == 0:
            for j in range(line.size):
                line[j] = source[j]
        elif pixel_step == 1:
            for j in range(line.size):
                line[j] += source[j]
        elif d == 0:
            for j in range(line.size):
                line[j] = source[UNSIGNED(j) * UNSIGNED(pixel_step)]
        else:
            for j in range(line.size):
                line[j] += source[UNSIGNED(j) * UNSIGNED(pixel_step)]


@kernel
@_of_this_file
def _halve(line, halved, average):
    """The maximum, or the sum, of each two neighbours."""
    if average:
        for j in range(halved.size):
            halved[j] = line[UNSIGNED(2) * UNSIGNED(j)] + line[UNSIGNED(2) * UNSIGNED(j) + UNSIGNED(1)]
    else:
        for j in range(halved.size):
            a, b = line[UNSIGNED(2) * UNSIGNED(j)], line[UNSIGNED(2) * UNSIGNED(j) + UNSIGNED(1)]
            halved[j] = a if a > b else b


@kernel
@_of_this_file
def _store_row(line, step, share, average, scratch, y, at, y_pixel, count):
    """The maximum, or the mean, of each `step` pixels of a row, into `count` places of `y`; `scratch` is as long."""
    size, from_scratch = count * step, False
    half = scratch.size // 2
    while step % 2 == 0:
        size, step = size // 2, step // 2
        target = scratch[:size] if not from_scratch else scratch[half : half + size]
        _halve(line, target, average)
        line, from_scratch = target, not from_scratch
    for j in range(count):
        value = line[j * step]
        for k in range(1, step):
            other = line[j * step + k]
            value = value + other if average else max(value, other)
        y[at + j * y_pixel] = value * share if average else value


@kernel(parallel=True)
@_of_this_file
def _stage(x, layout, members, counts, first, filters, steps, weights, y):
    """`x` and `y` are flat; `layout` is made in `Stage.__call__`; a task is a band of pooled rows of one image."""
    images, height, width, channels, pixel_step, map_step = (
        layout[0], layout[1], layout[2], layout[3], layout[4], layout[5]
    )  # fmt: skip
    count, pool_h, pool_w, out_height, out_width = layout[6], layout[7], layout[8], layout[9], layout[10]
    y_map, y_row, y_pixel, average, band = layout[11], layout[12], layout[13], layout[14] != 0, layout[15]
    planes, lanes = counts.size, VECTOR_BYTES // weights.itemsize
    filled = -(-width // lanes) * lanes
    line_size = filled + 2 * lanes  # no multiple of a page, so that rows do not share places in the cache
    bands = -(-out_height // band)
    share = weights.dtype.type(1) / weights.dtype.type(pool_h * pool_w)
    for task in prange(images * bands):
        image, top = task // bands, task % bands * band
        bottom = min(out_height, top + band)
        lines = np.zeros(planes * LINES * line_size, weights.dtype)
        sums, pooled = np.empty(count * line_size, weights.dtype), np.empty(count * line_size, weights.dtype)
        scratch = np.empty(2 * line_size, weights.dtype)
        for row in range(top * pool_h - 1, bottom * pool_h + 1):
            for p in range(planes):
                at = (p * LINES + (row + LINES) % LINES) * line_size + 1
                if 0 <= row < height:
                    start = image * height * width * channels + row * width * pixel_step
                    _load_plane(x, start, pixel_step, map_step, members[p], counts[p], lines[at : at + width])
                else:
                    lines[at : at + width] = 0
            line = row - 1  # for which the rows on both sides are there now
            if line < top * pool_h:
                continue
            if line % pool_h == 0:
                pooled[:] = 0  # the ReLU
            for p in range(planes):
                above, middle, below = (line + 2) % LINES, line % LINES, (line + 1) % LINES
                plane = p * LINES
                _filter_row(
                    lines, (plane + above) * line_size, (plane + middle) * line_size, (plane + below) * line_size,
                    filled, weights, filters, steps, first[p], first[p + 1], sums, pooled, line_size, average,
                )  # fmt: skip
            if line % pool_h == pool_h - 1:
                for f in range(count):
                    at = image * count * out_height * out_width + f * y_map + line // pool_h * y_row
                    best = pooled[f * line_size : f * line_size + width]
                    _store_row(best, pool_w, share, average, scratch, y, at, y_pixel, out_width)


class _Work(NamedTuple):
    """What filters do, plane by plane.

    Attributes:
        members: (planes, most), the maps that a plane is the sum of.
        counts: (planes,), how many they are.
        first: (planes + 1,), where a plane's entries in the other arrays begin.
        filters: which filter it is.
        steps: what is done with its sums, ADD, LAST, or both.
        weights: nine numbers for each, float32.
    """

    members: IntArray
    counts: IntArray
    first: IntArray
    filters: IntArray
    steps: IntArray
    weights: FloatArray


class Stage:
    """One stage for good: `pool(relu(x * kernel))`, padded as `same`.

    Args:
        kernel: float32 (3, 3, maps below, filters).
        pool: the window of a pool that steps by its own size; (1, 1) for none.
        average: whether the pool takes means, and not maxima.
    """

    def __init__(self, kernel: FloatArray, pool: tuple[int, int], average: bool) -> None:
        self.filters = kernel.shape[3]
        self.pool = pool
        self.average = average
        self._work = _divide(kernel)

    def __call__(self, x: FloatArray, planar: bool, result_planar: bool) -> FloatArray:
        """The maps of some images.

        Args:
            x: float32, C-contiguous (n, height, width, maps), or (n, maps, height, width) if `planar`.
            planar: which of these.
            result_planar: the same of the result.

        Returns:
            The maps, (n, height, width, filters) or (n, filters, height, width).
        """
        n, (height, width, maps) = len(x), (*x.shape[2:], x.shape[1]) if planar else x.shape[1:]
        rows, columns = height // self.pool[0], width // self.pool[1]
        shape = (n, self.filters, rows, columns) if result_planar else (n, rows, columns, self.filters)
        y = buffers.empty(shape, x.dtype)
        steps = (1, height * width) if planar else (maps, 1)
        y_steps = (rows * columns, columns, 1) if result_planar else (1, columns * self.filters, self.filters)
        layout = np.array(
            (n, height, width, maps, *steps, self.filters, *self.pool, rows, columns, *y_steps, self.average, BAND),
            np.int64,
        )
        _stage(x.reshape(-1), layout, *self._work, y.reshape(-1))
        return y


def _divide(kernel: FloatArray) -> _Work:
    """Filters by the planes that they look at."""
    planes: dict[Shape, list[tuple[int, FloatArray]]] = {}
    for f in range(kernel.shape[3]):
        seen = tuple(c for c in range(kernel.shape[2]) if kernel[:, :, c, f].any()) or (0,)
        alike = all(np.array_equal(kernel[:, :, c, f], kernel[:, :, seen[0], f]) for c in seen)
        for group in [seen] if alike else [(c,) for c in seen]:
            planes.setdefault(group, []).append((f, kernel[:, :, group[0], f]))
    return _ordered(planes)


def _ordered(planes: dict[Shape, list[tuple[int, FloatArray]]]) -> _Work:
    groups = list(planes)
    members = np.zeros((len(groups), max(map(len, groups))), np.int64)
    for p, group in enumerate(groups):
        members[p, : len(group)] = group
    entries = [entry for group in groups for entry in planes[group]]
    numbers = [f for f, _ in entries]
    steps = [
        ADD * (f in numbers[:n]) | LAST * (f not in numbers[n + 1 :]) for n, f in enumerate(numbers)
    ]  # a filter that looks at several planes adds up until its last
    return _Work(
        members,
        np.array([len(group) for group in groups]),
        np.cumsum([0, *(len(planes[group]) for group in groups)]),
        np.array(numbers),
        np.array(steps),
        np.ascontiguousarray([mask.reshape(-1) for _, mask in entries], np.float32).reshape(-1),
    )
