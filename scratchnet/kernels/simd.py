"""Vector code for Numba: the register tile that matrix products and convolutions are made of.

    C[m, n] (+)= sum over k of A[m, k] * B[k, n]      for ROWS rows m and up to VECTORS vectors of columns n

All sums stay in registers while k runs. A is read one value at a time and spread over a vector. Its rows begin at any
places, and k goes through it in equal runs that also begin at any places: a convolution's patch is a run per kernel
row, so it is multiplied where it lies in the image. The rows of B are contiguous vectors.

Numba's own vectoriser does not keep such a tile in registers; therefore it is written as LLVM vector IR.
"""

import platform
from collections.abc import Callable
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic

ROWS = 6
INDEX = ir.IntType(64)


def _processor() -> tuple[int, int]:
    """Bytes per vector register, and how many such registers there are."""
    if platform.machine().lower() in {"arm64", "aarch64"}:
        return 16, 32
    if config.CPU_NAME and config.CPU_NAME != "host":  # another processor is emulated; it is asked by name
        if config.CPU_NAME in {"skylake-avx512", "cascadelake", "icelake-server", "sapphirerapids", "znver4", "znver5"}:
            return 64, 32
        return (16, 16) if config.CPU_NAME in {"generic", "x86-64", "nehalem", "westmere"} else (32, 16)
    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 64, 32
    return (32, 16) if features.get("avx2") and features.get("fma") else (16, 16)


VECTOR_BYTES, REGISTERS = _processor()
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

    def constant(self, value: float) -> ir.Constant:
        """A vector of one value."""
        return ir.Constant(self.type, [float(value)] * self.lanes)

    def spread(self, value: Any) -> Any:
        """A scalar in every lane."""
        undefined = ir.Constant(self.type, ir.Undefined)
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

    def _place(self, array: Any, at: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(array, [at]), self.type.as_pointer())


def data_of(context: Any, builder: Any, signature: Any, arguments: Any, numbers: tuple[int, ...]) -> list[Any]:
    """The pointers to the data of those arguments that are arrays."""
    return [context.make_array(signature.args[n])(context, builder, arguments[n]).data for n in numbers]


def _make_tile(vectors: int) -> Any:
    """The tile of a fixed width, `vectors` registers."""

    @intrinsic  # type: ignore[untyped-decorator]
    def tile(
        typing: Any, a: Any, starts: Any, runs_at: Any, runs: Any, a_col: Any, b: Any, b_at: Any, b_row: Any,
        depth: Any, c: Any, c_at: Any, c_row: Any, accumulate: Any, finish: Any, after: Any, after_at: Any, after_row: Any, floor: Any,
    ) -> tuple[Any, Callable[..., Any]]:  # fmt: skip
        """Multiply ROWS rows of A with a panel of B.

        Row m of A begins at `starts[m]`, its run r `runs_at[r]` further on; a run has `depth` values, `a_col` apart.
        Row k of B, counted over all runs, begins at `b_at + k * b_row`. With `finish`, what is stored is
        max(sum + bias, floor) * scale + shift; bias, scale and shift are rows of `after`, `after_row` apart.
        """
        i, flag = types.intp, types.boolean
        signature = types.void(a, starts, runs_at, i, i, b, i, i, i, c, i, i, flag, flag, after, i, i, a.dtype)

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, starts, runs_at, b, c, after = data_of(context, builder, signature, arguments, (0, 1, 2, 5, 9, 14))
            runs, a_col, b_at, b_row, depth = (arguments[n] for n in (3, 4, 6, 7, 8))
            c_at, c_row, accumulate, finish, after_at, after_row, floor = (
                arguments[n] for n in (10, 11, 12, 13, 15, 16, 17)
            )
            _emit_tile(
                Vectors(builder, context.get_value_type(signature.args[0].dtype)), vectors,
                (a, starts, runs_at, runs, a_col), (b, b_at, b_row, depth), (c, c_at, c_row, accumulate),
                (finish, after, after_at, after_row, floor),
            )  # fmt: skip
            return context.get_dummy_value()

        return signature, codegen

    return tile


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


tile_1, tile_2 = _make_tile(1), _make_tile(2)
# a processor with few registers never asks for the wide ones
tile_3, tile_4 = (_make_tile(3), _make_tile(4)) if VECTORS == 4 else (tile_2, tile_2)
