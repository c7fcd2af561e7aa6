"""The register tile: the one piece of vector code that matrix products and convolutions are made of.

    C[m, n] (+)= sum over k of A[m, k] * B[k, n]      for ROWS rows m and up to VECTORS vectors of columns n

All sums stay in registers while k runs. A is read one value at a time and spread over a vector, through any pair of
strides, so a transposed A costs nothing. B is packed (see gemm.py), so that its loads are contiguous. Numba's own
vectoriser does not keep such a tile in registers; therefore it is written as LLVM vector IR.
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


def _index(value: int) -> ir.Constant:
    return ir.Constant(INDEX, value)


def _make_tile(vectors: int) -> Any:
    """The tile of a fixed width, `vectors` registers."""

    @intrinsic  # type: ignore[untyped-decorator]
    def tile(
        typing: Any, a: Any, a_at: Any, a_row: Any, a_col: Any, rows: Any,
        b: Any, b_at: Any, depth: Any, c: Any, c_at: Any, c_row: Any, accumulate: Any,
    ) -> tuple[Any, Callable[..., Any]]:  # fmt: skip
        i = types.intp
        signature = types.void(a, i, i, i, i, b, i, i, c, i, i, types.boolean)

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, a_at, a_row, a_col, rows, b, b_at, depth, c, c_at, c_row, accumulate = arguments
            a, b, c = (context.make_array(signature.args[n])(context, builder, arguments[n]).data for n in (0, 5, 8))
            _emit_tile(
                builder, context.get_value_type(signature.args[0].dtype), vectors,
                (a, a_at, a_row, a_col, rows), (b, b_at, depth), (c, c_at, c_row, accumulate),
            )  # fmt: skip
            return context.get_dummy_value()

        return signature, codegen

    return tile


def _emit_tile(b: Any, scalar: Any, vectors: int, left: Any, right: Any, result: Any) -> None:
    a, a_at, a_row, a_col, rows = left
    weights, weights_at, depth = right
    c, c_at, c_row, accumulate = result
    size = 4 if isinstance(scalar, ir.FloatType) else 8
    lanes = VECTOR_BYTES // size
    vector = ir.VectorType(scalar, lanes)
    fma = cgutils.get_or_insert_function(
        b.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{lanes}f{size * 8}"
    )
    tile = [(m, v) for m in range(ROWS) for v in range(vectors)]

    def vector_at(array: Any, offset: Any) -> Any:
        return b.bitcast(b.gep(array, [offset]), vector.as_pointer())

    def spread(value: Any) -> Any:
        undefined = ir.Constant(vector, ir.Undefined)
        first = b.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
        return b.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes))

    def place(m: int, v: int) -> Any:
        return vector_at(c, b.add(b.add(c_at, b.mul(c_row, _index(m))), _index(v * lanes)))

    # rows past the end repeat the last one: they read inside the array, and the caller drops their results
    last = b.sub(rows, _index(1))
    starts = []
    for m in range(ROWS):
        row = b.select(b.icmp_signed("<", _index(m), rows), _index(m), last)
        starts.append(b.gep(a, [b.add(a_at, b.mul(a_row, row))]))

    fresh, resume = b.append_basic_block("fresh"), b.append_basic_block("resume")
    loop, done = b.append_basic_block("depth"), b.append_basic_block("done")
    b.cbranch(accumulate, resume, fresh)

    b.position_at_end(resume)
    earlier = {at: b.load(place(*at)) for at in tile}
    for value in earlier.values():
        value.align = size
    b.branch(loop)
    b.position_at_end(fresh)
    b.branch(loop)

    b.position_at_end(loop)  # one value of A per row times one packed row of B per turn
    k = b.phi(INDEX)
    sums = {at: b.phi(vector) for at in tile}
    zero = ir.Constant(vector, [0.0] * lanes)
    for at in tile:
        sums[at].add_incoming(earlier[at], resume)
        sums[at].add_incoming(zero, fresh)
    b_row = b.add(weights_at, b.mul(k, _index(vectors * lanes)))
    loads = [b.load(vector_at(weights, b.add(b_row, _index(v * lanes)))) for v in range(vectors)]
    for load in loads:
        load.align = size
    offset = b.mul(k, a_col)
    products = {}
    for m in range(ROWS):
        value = spread(b.load(b.gep(starts[m], [offset])))
        for v in range(vectors):
            products[m, v] = b.call(fma, [value, loads[v], sums[m, v]])
    after = b.add(k, _index(1))
    b.cbranch(b.icmp_signed("<", after, depth), loop, done)
    k.add_incoming(_index(0), resume), k.add_incoming(_index(0), fresh), k.add_incoming(after, loop)
    for at in tile:
        sums[at].add_incoming(products[at], loop)

    b.position_at_end(done)
    for at in tile:
        b.store(products[at], place(*at)).align = size


tile_1, tile_2 = _make_tile(1), _make_tile(2)
# a processor with few registers never asks for the wide ones
tile_3, tile_4 = (_make_tile(3), _make_tile(4)) if VECTORS == 4 else (tile_2, tile_2)
