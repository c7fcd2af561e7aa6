"""The processor's float32 peak, measured: fused multiply-adds on registers alone, on all threads."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from scratchnet.kernels.simd import REGISTERS, VECTOR_BYTES

LANES = VECTOR_BYTES // 4
CHAINS = REGISTERS - 4  # independent sums, more than latency times ports; two registers hold the factor and the addend
TURNS = 20_000_000 // CHAINS


@cache
def _kernel() -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def chains(typing: Any, turns: Any, factor: Any, addend: Any) -> tuple[Any, Callable[..., Any]]:
        """The sum of CHAINS vectors after `turns` times v = v * factor + addend."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return _emit_chains(builder, *arguments)

        return types.float32(types.intp, types.float32, types.float32), codegen

    @numba.njit(parallel=True, nogil=True)  # type: ignore[untyped-decorator]
    def run(turns: Any, factor: Any, addend: Any, results: Any) -> None:
        for worker in numba.prange(results.size):
            results[worker] = chains(turns, factor, addend)

    return run


def _emit_chains(b: Any, turns: Any, factor: Any, addend: Any) -> Any:
    scalar, index = ir.FloatType(), turns.type
    vector = ir.VectorType(scalar, LANES)
    fma = cgutils.get_or_insert_function(b.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{LANES}f32")

    def spread(value: Any) -> Any:
        undefined = ir.Constant(vector, ir.Undefined)
        first = b.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
        return b.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))

    factors, addends = spread(factor), spread(addend)
    # each chain begins elsewhere: of equal ones the compiler would keep one
    starts = [ir.Constant(vector, [float(chain)] * LANES) for chain in range(CHAINS)]
    before, loop, done = b.block, b.append_basic_block("turns"), b.append_basic_block("done")
    b.branch(loop)

    b.position_at_end(loop)
    turn = b.phi(index)
    sums = [b.phi(vector) for _ in range(CHAINS)]
    products = [b.call(fma, [value, factors, addends]) for value in sums]
    after = b.add(turn, ir.Constant(index, 1))
    b.cbranch(b.icmp_signed("<", after, turns), loop, done)
    turn.add_incoming(ir.Constant(index, 0), before), turn.add_incoming(after, loop)
    for value, start, product in zip(sums, starts, products, strict=True):
        value.add_incoming(start, before), value.add_incoming(product, loop)

    b.position_at_end(done)
    total = products[0]
    for product in products[1:]:
        total = b.fadd(total, product)
    result = b.extract_element(total, ir.Constant(ir.IntType(32), 0))
    for lane in range(1, LANES):
        result = b.fadd(result, b.extract_element(total, ir.Constant(ir.IntType(32), lane)))
    return result


def peak_call(threads: int, turns: int = TURNS) -> tuple[Callable[[], Any], int]:
    """A call that keeps every multiplier of some threads busy.

    Args:
        threads: how many run at once.
        turns: how often each thread goes through its chains; the default lasts some milliseconds.

    Returns:
        The call, which returns each thread's sum, and the number of float32 operations that it takes.
    """
    run, results = _kernel(), np.zeros(threads, np.float32)

    def call() -> Any:
        numba.set_num_threads(threads)
        # the limit of v = v / 2 + 1 is 2: nothing overflows, and nothing becomes too small to be fast
        run(turns, np.float32(0.5), np.float32(1.0), results)
        return results

    return call, 2 * LANES * CHAINS * turns * threads
