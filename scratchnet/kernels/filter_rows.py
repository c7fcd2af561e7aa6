"""Rows of an image through many 3x3 filters: pixels fill the vectors.

Of a row (a, b, c) of three pixels, a filter needs b, a + c and c - a alone, and likewise down the columns: nine parts,
which all filters share. See `scratchnet.features.stage`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from scratchnet.kernels.simd import Vectors, data_of, index, vector_loop

# what to do for a filter: add to its sums over earlier planes, pool them, and which parts it has
ADD, LAST, EVEN, ODD = 1, 2, 4, 8
PARTS = ("cc", "ce", "ec", "ee", "dd", "cd", "ed", "dc", "de")
FIRST_ODD = 5

# The parts of filters that `filter_ordinary_two` takes, a kind a line. A filter's result is the sum over its first
# parts plus that over its second ones; where there are second ones, the difference is the result of its mirror image,
# left to right, which comes next.
KINDS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("cc", "ce", "ec"), ()),
    (("cc", "ce", "ec", "ee"), ()),
    (("cc", "ce", "ec", "ee", "dd"), ()),
    (("cc", "ce", "ec", "ee"), ("dd",)),
    (("cd", "ed"), ()),
    (("dc", "de"), ()),
    (("cd", "ed", "dc", "de"), ()),
    (("dc", "de"), ("cd", "ed")),
)


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
    """A function for so many rows of results at once, whatever the numbers and the filters."""

    @intrinsic  # type: ignore[untyped-decorator]
    def filter_rows(
        typing: Any, lines: Any, starts: Any, begin: Any, width: Any, weights: Any, filters: Any, steps: Any,
        first: Any, last: Any, sums: Any, pooled: Any, row: Any, average: Any,
    ) -> Any:  # fmt: skip
        """Rows of a plane through the filters `first` to `last` of those that look at it.

        `lines` holds the rows of the plane at `starts`, two more than there are results, each from the zero before its
        first pixel on. `weights` holds nine numbers per filter in the order of PARTS, `filters` its number and `steps`
        what to do. `pooled` has `row` elements per filter, of which `width` from `begin` on, whole vectors, are used;
        `sums` has `width` elements for each row of results of each filter.
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
                        first = b.mul(b.load(b.gep(filters, [number])), index(rows))
                        return b.add(b.mul(b.add(first, index(line)), width), offset)

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


filter_one, filter_two = _filter_rows(1), _filter_rows(2)


@intrinsic  # type: ignore[untyped-decorator]
def filter_ordinary_two(
    typing: Any, lines: Any, starts: Any, begin: Any, width: Any, weights: Any, filters: Any, kinds: Any,
    plane: Any, parts: Any, pooled: Any, row: Any,
) -> Any:  # fmt: skip
    """Two rows of a plane through filters that look at no other plane, for a maximum pool.

    As `filter_two`, but no result may be NaN or infinite: a maximum is one instruction then. The plane's filters of
    kind k, see KINDS, go from `kinds[plane, k]` to `kinds[plane, k + 1]`. `parts` is room for (part, row, column), 18
    times `width`: a filter's weights stay in registers while its parts are read from there, because there are more
    parts than registers.
    """
    i = types.intp
    signature = types.void(lines, types.UniTuple(i, 4), i, i, weights, filters, kinds, i, parts, pooled, i)

    def codegen(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        lines, weights, filters, kinds, room, pooled = data_of(context, b, signature, arguments, (0, 4, 5, 6, 8, 9))
        starts = cgutils.unpack_tuple(b, arguments[1])
        begin, width, plane, row = (arguments[n] for n in (2, 3, 7, 10))
        simd = Vectors(b, context.get_value_type(signature.args[0].dtype))

        def place_of(name: str, line: int, offset: Any) -> Any:
            return b.add(b.mul(width, index(PARTS.index(name) * 2 + line)), offset)

        def store_parts(offset: Any) -> None:
            for line, own in enumerate(_parts(simd, lines, starts, b.add(begin, offset))):
                for name in PARTS:
                    simd.store(own[name], room, place_of(name, line, offset))

        def spread_weights(number: Any, names: Sequence[str]) -> list[tuple[str, Any]]:
            at = b.mul(number, index(len(PARTS)))
            places = [b.gep(weights, [b.add(at, index(PARTS.index(name)))]) for name in names]
            return [(name, simd.spread(b.load(place))) for name, place in zip(names, places, strict=True)]

        def weighted(own: Sequence[tuple[str, Any]], line: int, offset: Any) -> Any:
            value = None
            for name, weight in own:
                part = simd.load(room, place_of(name, line, offset))
                value = b.fmul(weight, part) if value is None else simd.fma(weight, part, value)
            return value

        vector_loop(simd, width, store_parts)
        for k, (names, others) in enumerate(KINDS):
            at = b.add(b.mul(plane, index(len(KINDS) + 1)), index(k))
            first, last = (b.load(b.gep(kinds, [b.add(at, index(n))])) for n in (0, 1))
            together = 2 if others else 1
            with cgutils.for_range_slice(b, first, last, index(together)) as (number, _):
                own, more = spread_weights(number, names), spread_weights(number, others)
                numbers = [b.load(b.gep(filters, [b.add(number, index(n))])) for n in range(together)]
                places = [b.add(b.mul(f, row), begin) for f in numbers]

                def filter_columns(offset: Any, own: Any = own, more: Any = more, places: Any = places) -> None:
                    results = [[weighted(own, line, offset) for line in (0, 1)]]
                    if more:
                        pairs = [(value, weighted(more, line, offset)) for line, value in enumerate(results[0])]
                        results = [[b.fadd(*pair) for pair in pairs], [b.fsub(*pair) for pair in pairs]]
                    for place, values in zip(places, results, strict=True):
                        at = b.add(place, offset)
                        simd.store(simd.larger(simd.larger(*values), simd.load(pooled, at)), pooled, at)

                vector_loop(simd, width, filter_columns)
        return context.get_dummy_value()

    return signature, codegen
