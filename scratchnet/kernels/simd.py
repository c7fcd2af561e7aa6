"""Vector code for Numba: the register tile that matrix products and convolutions are made of.

    C[m, n] (+)= sum over k of A[m, k] * B[k, n]      for ROWS rows m and up to VECTORS vectors of columns n

All sums stay in registers while k runs. A is read one value at a time and spread over a vector. Its rows begin at any
places, and k goes through it in equal runs that also begin at any places: a convolution's patch is a run per kernel
row, so it is multiplied where it lies in the image. The rows of B are contiguous vectors.

Numba's own vectoriser does not keep such a tile in registers; therefore it is written as LLVM vector IR.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from scratchnet.kernels.processor import registers

ROWS = 6
INDEX = ir.IntType(64)
VECTOR_BYTES, REGISTERS = registers()
VECTORS = 4 if REGISTERS == 32 else 2  # ROWS * VECTORS sums and VECTORS weights fit the registers


def index(value: int) -> ir.Constant:
    """An integer constant."""
    return ir.Constant(INDEX, value)


class Vectors:
    """Emits loads, stores and arithmetic on whole vectors of one float type.

    Args:
        builder: where instructions go.
        scalar: LLVM's float or double.
    """

    def __init__(self, builder: Any, scalar: Any) -> None:
        self.builder = builder
        self.itemsize = 4 if isinstance(scalar, ir.FloatType) else 8
        self.lanes = VECTOR_BYTES // self.itemsize
        self.type = ir.VectorType(scalar, self.lanes)
        name = f"llvm.fma.v{self.lanes}f{self.itemsize * 8}"
        self._fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(self.type, [self.type] * 3), name)
        name = f"llvm.maxnum.v{self.lanes}f{self.itemsize * 8}"
        self._maxnum = cgutils.get_or_insert_function(builder.module, ir.FunctionType(self.type, [self.type] * 2), name)

    def constant(self, value: float) -> ir.Constant:
        """A vector of one value."""
        return ir.Constant(self.type, [float(value)] * self.lanes)

    def spread(self, value: Any) -> Any:
        """A scalar in every lane."""
        undefined = ir.Constant(ir.VectorType(value.type, self.lanes), ir.Undefined)
        first = self.builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, undefined, zeros)

    def load(self, array: Any, at: Any) -> Any:
        """The vector that begins at element `at`, which need not be aligned."""
        value = self.builder.load(self._place(array, at))
        value.align = self.itemsize
        return value

    def load_rows(self, array: Any, at: Any, row: Any, count: int) -> list[Any]:
        """The vectors that begin at `at`, `at + row` and so on."""
        return [self.load(array, self.builder.add(at, self.builder.mul(row, index(n)))) for n in range(count)]

    def store(self, value: Any, array: Any, at: Any) -> None:
        """Write the vector that begins at element `at`."""
        self.builder.store(value, self._place(array, at)).align = self.itemsize

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """`a * b + c`, rounded once."""
        return self.builder.call(self._fma, [a, b, c])

    def at_least(self, value: Any, floor: Any) -> Any:
        """The larger of two vectors; NaN where `value` is NaN."""
        return self.builder.select(self.builder.fcmp_ordered("<", value, floor), floor, value)

    def larger(self, a: Any, b: Any) -> Any:
        """The larger of two vectors without NaN; one instruction, also where the result replaces one of them in memory.

        LLVM would make a masked store of a comparison and a selection there, which is slow on some processors.
        """
        return self.builder.call(self._maxnum, [a, b], fastmath=("nnan",))

    def _place(self, array: Any, at: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(array, [at]), self.type.as_pointer())


def vector_loop(simd: Vectors, count: Any, body: Any) -> None:
    """Emit `body(offset)` for each vector of `count` elements."""
    b = simd.builder
    before, loop, end = b.block, b.append_basic_block("vectors"), b.append_basic_block("vectors_end")
    b.branch(loop)
    b.position_at_end(loop)
    offset = b.phi(INDEX)
    body(offset)
    following = b.add(offset, index(simd.lanes))
    offset.add_incoming(index(0), before), offset.add_incoming(following, b.block)
    b.cbranch(b.icmp_signed("<", following, count), loop, end)
    b.position_at_end(end)


def data_of(context: Any, builder: Any, signature: Any, arguments: Any, numbers: tuple[int, ...]) -> list[Any]:
    """The pointers to the data of those arguments that are arrays."""
    return [context.make_array(signature.args[n])(context, builder, arguments[n]).data for n in numbers]


@intrinsic  # type: ignore[untyped-decorator]
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """`a * b + c`, rounded once as the tile does, for loops that must give the tile's bits."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        scalar = arguments[0].type
        name = f"llvm.fma.f{32 if isinstance(scalar, ir.FloatType) else 64}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(scalar, [scalar] * 3), name)
        return builder.call(function, arguments)

    return a(a, a, a), codegen


@intrinsic  # type: ignore[untyped-decorator]
def panel_product(
    typing: Any, a: Any, starts: Any, rows: Any, runs_at: Any, runs: Any, a_col: Any, b: Any, b_at: Any, depth: Any,
    columns: Any, c: Any, c_at: Any, c_row: Any, accumulate: Any, finish: Any, after: Any, after_at: Any, floor: Any,
    edge: Any,
) -> tuple[Any, Callable[..., Any]]:  # fmt: skip
    """Up to ROWS rows of C (+)= A @ one panel of B that has `columns` columns, filled up to whole vectors.

    Row m of A begins at `starts[m]`, its run r `runs_at[r]` further on; a run has `depth` values, `a_col` apart. The
    first `rows` of `starts` are set. With `finish`, what is stored is max(sum + bias, floor) * scale + shift; these are
    the rows of `after`, flat, (3, columns). Tiles that stick out of C go through `edge`, ROWS * VECTORS vectors.

    An intrinsic, because a call that passes ten arrays would count references for longer than a short product takes.
    """
    i, flag = types.intp, types.boolean
    signature = types.void(
        a, starts, i, runs_at, i, i, b, i, i, i, c, i, i, flag, flag, after, i, a.dtype, edge
    )  # fmt: skip

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, starts, runs_at, b, c, after, edge = data_of(
            context, builder, signature, arguments, (0, 1, 3, 6, 10, 15, 18)
        )
        rows, runs, a_col, b_at, depth, columns = (arguments[n] for n in (2, 4, 5, 7, 8, 9))
        c_at, c_row, accumulate, finish, after_at, floor = (arguments[n] for n in (11, 12, 13, 14, 16, 17))
        after_size = context.make_array(signature.args[15])(context, builder, arguments[15]).nitems
        after_row = builder.sdiv(after_size, index(3))
        simd = Vectors(builder, context.get_value_type(signature.args[0].dtype))
        vectors = builder.sdiv(builder.add(columns, index(simd.lanes - 1)), index(simd.lanes))
        stored = builder.mul(vectors, index(simd.lanes))
        fits = builder.and_(
            builder.icmp_signed("==", rows, index(ROWS)), builder.icmp_signed("==", columns, stored)
        )  # fmt: skip

        def each_element(action: Callable[[Any, Any], None]) -> None:
            with cgutils.for_range(builder, rows) as row, cgutils.for_range(builder, columns) as column:
                outside = builder.add(builder.add(c_at, builder.mul(c_row, row.index)), column.index)
                inside = builder.add(builder.mul(stored, row.index), column.index)
                action(builder.gep(c, [outside]), builder.gep(edge, [inside]))

        with cgutils.if_unlikely(builder, builder.not_(fits)):
            # the tile reads ROWS rows; those past the end repeat the last, unused
            last = builder.load(builder.gep(starts, [builder.sub(rows, index(1))]))
            with cgutils.for_range_slice(builder, rows, index(ROWS), index(1)) as (row, _):
                builder.store(last, builder.gep(starts, [row]))
            with builder.if_then(accumulate):
                each_element(lambda outside, inside: builder.store(builder.load(outside), inside))
        result = (
            builder.select(fits, c, edge), builder.select(fits, c_at, index(0)), builder.select(fits, c_row, stored),
            accumulate,
        )  # fmt: skip

        multiplied = builder.append_basic_block("multiplied")
        widths = {width: builder.append_basic_block(f"tile_{width}") for width in range(1, VECTORS + 1)}
        choice = builder.switch(vectors, widths[VECTORS])
        for width, block in widths.items():
            if width < VECTORS:
                choice.add_case(index(width), block)
            builder.position_at_end(block)
            _emit_tile(
                simd, width, (a, starts, runs_at, runs, a_col), (b, b_at, stored, depth), result,
                (finish, after, after_at, after_row, floor),
            )  # fmt: skip
            builder.branch(multiplied)
        builder.position_at_end(multiplied)
        with cgutils.if_unlikely(builder, builder.not_(fits)):
            each_element(lambda outside, inside: builder.store(builder.load(inside), outside))
        return context.get_dummy_value()

    return signature, codegen


def _emit_tile(simd: Vectors, vectors: int, left: Any, right: Any, result: Any, finishing: Any) -> None:
    b = simd.builder
    a, starts, runs_at, runs, a_col = left
    weights, b_at, b_row, depth = right
    c, c_at, c_row, accumulate = result
    finish, after, after_at, after_row, floor = finishing
    tile = [(m, v) for m in range(ROWS) for v in range(vectors)]
    names = ("fresh", "resume", "run", "depth", "next_run", "done", "finished", "plain", "end")
    fresh, resume, run, deep, next_run, done, finished, plain, end = (b.append_basic_block(name) for name in names)

    def place(m: int, v: int) -> Any:
        return b.add(b.add(c_at, b.mul(c_row, index(m))), index(v * simd.lanes))

    rows = [b.gep(a, [b.load(b.gep(starts, [index(m)]))]) for m in range(ROWS)]
    b.cbranch(accumulate, resume, fresh)
    b.position_at_end(resume)
    earlier = {at: simd.load(c, place(*at)) for at in tile}
    b.branch(run)
    b.position_at_end(fresh)
    b.branch(run)

    b.position_at_end(run)
    r, run_of_b = b.phi(INDEX), b.phi(INDEX)
    outer = {at: b.phi(simd.type) for at in tile}
    offset = b.load(b.gep(runs_at, [r]))
    run_of_a = [b.gep(row, [offset]) for row in rows]
    b.branch(deep)

    b.position_at_end(deep)  # one value of A per row times one row of B per turn
    k, a_offset, b_offset = b.phi(INDEX), b.phi(INDEX), b.phi(INDEX)
    inner = {at: b.phi(simd.type) for at in tile}
    loads = [simd.load(weights, b.add(b_offset, index(v * simd.lanes))) for v in range(vectors)]
    sums = {}
    for m in range(ROWS):
        value = simd.spread(b.load(b.gep(run_of_a[m], [a_offset])))
        for v in range(vectors):
            sums[m, v] = simd.fma(value, loads[v], inner[m, v])
    next_k, next_a, next_b = b.add(k, index(1)), b.add(a_offset, a_col), b.add(b_offset, b_row)
    b.cbranch(b.icmp_signed("<", next_k, depth), deep, next_run)

    b.position_at_end(next_run)
    next_r = b.add(r, index(1))
    b.cbranch(b.icmp_signed("<", next_r, runs), run, done)
    for source in (resume, fresh):
        r.add_incoming(index(0), source), run_of_b.add_incoming(b_at, source)
    r.add_incoming(next_r, next_run), run_of_b.add_incoming(next_b, next_run)
    for phi, first, following in ((k, index(0), next_k), (a_offset, index(0), next_a), (b_offset, run_of_b, next_b)):
        phi.add_incoming(first, run), phi.add_incoming(following, deep)
    zero = simd.constant(0)
    for at in tile:
        outer[at].add_incoming(earlier[at], resume), outer[at].add_incoming(zero, fresh)
        outer[at].add_incoming(sums[at], next_run)
        inner[at].add_incoming(outer[at], run), inner[at].add_incoming(sums[at], deep)

    b.position_at_end(done)
    b.cbranch(finish, finished, plain)
    b.position_at_end(finished)
    lowest = simd.spread(floor)
    for v in range(vectors):
        offset, scale, shift = simd.load_rows(after, b.add(after_at, index(v * simd.lanes)), after_row, 3)
        for m in range(ROWS):
            value = simd.at_least(b.fadd(sums[m, v], offset), lowest)
            simd.store(simd.fma(value, scale, shift), c, place(m, v))
    b.branch(end)
    b.position_at_end(plain)
    for at in tile:
        simd.store(sums[at], c, place(*at))
    b.branch(end)
    b.position_at_end(end)
