"""The gradient by a convolution's sums, made row by row from the gradient by what a fused layer returned.

    y = pool(relu(sums))

For backward the layer keeps y and the winning taps, both of y's size. The gradient by the sums is as large as the sums
themselves; so it is not stored but made where it is read.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from scratchnet.arrays import AnyArray, FloatArray
from scratchnet.kernels import buffers
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.simd import VECTOR_BYTES, Vectors, data_of, index, vector_loop
from scratchnet.kernels.window import UNSIGNED


class Upstream(NamedTuple):
    """What lies between the sums and the result.

    `gated` is 1 with a ReLU. `pool_h` and `pool_w` are the window of a max pool, 0 without one; `height` and `width`
    then are the size of the sums.
    """

    gated: int = 0
    pool_h: int = 0
    pool_w: int = 0
    height: int = 0
    width: int = 0


@kernel
def upstream_of(numbers):
    """The `Upstream` whose fields are the first five of some numbers."""
    return Upstream(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4])


PLAIN = Upstream()
NO_WINNER = np.empty((0, 0, 0, 0), np.uint8)


@kernel
def load_row(source, gate, winner, up, height, width, channels, image, row, column_from, column_end, target, target_at):
    """Columns of one row of the sums' gradient; a plain copy where nothing lies between.

    All arrays are flat. Indices are unsigned, which spares the check for negative ones and so allows vectors; slices
    would do so too, but counting their references takes longer than copying a pixel.

    Args:
        source: the gradient by the result, (batch, height, width, channels).
        gate: the result; read where `up.gated`.
        winner: which tap of each window won; read where `up.pool_h`.
        height: of the result; so is `width`.
        target: takes (columns, channels) from `target_at` on.
    """
    zero = source.dtype.type(0)
    to = UNSIGNED(target_at)
    if up.pool_h == 0:
        at = UNSIGNED(((image * height + row) * width + column_from) * channels)
        count = UNSIGNED((column_end - column_from) * channels)
        if up.gated:
            for i in range(count):
                target[to + i] = source[at + i] if gate[at + i] > 0 else zero
        else:
            for i in range(count):
                target[to + i] = source[at + i]
        return
    pooled_row, count = row // up.pool_h, UNSIGNED(channels)
    for column in range(column_from, column_end):
        pooled_column = column // up.pool_w
        if pooled_row >= height or pooled_column >= width:
            for c in range(count):
                target[to + c] = zero
        else:
            at = UNSIGNED(((image * height + pooled_row) * width + pooled_column) * channels)
            tap = np.uint8(row % up.pool_h * up.pool_w + column % up.pool_w)
            if up.gated:
                for c in range(count):
                    passes = (winner[at + c] == tap) & (gate[at + c] > 0)
                    target[to + c] = source[at + c] if passes else zero
            else:
                for c in range(count):
                    target[to + c] = source[at + c] if winner[at + c] == tap else zero
        to += count


@kernel(parallel=True)
def _materialize(source, gate, winner, up, target):
    batch, height, width, channels = target.shape
    values, gates, winners, flat = source.reshape(-1), gate.reshape(-1), winner.reshape(-1), target.reshape(-1)
    for line in prange(batch * height):
        load_row(
            values, gates, winners, up, source.shape[1], source.shape[2], channels, line // height, line % height,
            0, width, flat, line * width * channels,
        )  # fmt: skip


def materialized(source: FloatArray, gate: FloatArray, winner: AnyArray, up: Upstream) -> FloatArray:
    """The whole gradient by the sums."""
    if up == PLAIN:
        return source
    size = (up.height, up.width) if up.pool_h else source.shape[1:3]
    target = buffers.empty((len(source), *size, source.shape[3]), source.dtype)
    _materialize(source, gate, winner, up, target)
    return target


@intrinsic  # type: ignore[untyped-decorator]
def _pool_vectors(
    typing: Any, block: Any, corner: Any, row: Any, pixel: Any, pool_h: Any, pool_w: Any, y: Any, y_at: Any,
    winner: Any, filters: Any, affine: Any, first: Any,
) -> Any:  # fmt: skip
    """One window's maxima over the whole vectors among its filters; arguments as in `pool_block`.

    Vector code, because a loop over few filters would spend its time on finding out that its arrays lie apart.
    """
    i = types.intp
    signature = types.void(block, i, i, i, i, i, y, i, winner, i, affine, i)

    def codegen(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        block, y, winner, affine = data_of(context, b, signature, arguments, (0, 6, 8, 10))
        corner, row, pixel, pool_h, pool_w, y_at, filters, first = (arguments[n] for n in (1, 2, 3, 4, 5, 7, 9, 11))
        sizes = [context.make_array(signature.args[n])(context, b, arguments[n]).nitems for n in (8, 10)]
        wants_winner, is_affine = (b.icmp_signed(">", size, index(0)) for size in sizes)
        filters_of_all = b.sdiv(sizes[1], index(2))
        simd = Vectors(b, context.get_value_type(signature.args[0].dtype))
        byte = ir.IntType(8)
        best, tap = cgutils.alloca_once(b, simd.type), cgutils.alloca_once(b, ir.VectorType(byte, simd.lanes))

        def compare(at: Any, down: Any, across: Any) -> None:
            value, earlier = simd.load(block, b.add(at, b.add(b.mul(down, row), b.mul(across, pixel)))), b.load(best)
            stays = b.or_(b.fcmp_ordered("<=", value, earlier), b.fcmp_unordered("uno", earlier, earlier))
            number = b.trunc(b.add(b.mul(down, pool_w), across), byte)
            b.store(b.select(stays, earlier, value), best)
            b.store(b.select(stays, b.load(tap), simd.spread(number)), tap)

        two = b.and_(b.icmp_signed("==", pool_h, index(2)), b.icmp_signed("==", pool_w, index(2)))

        def body(c: Any) -> None:
            at, to = b.add(corner, c), b.add(y_at, c)
            b.store(simd.load(block, at), best)
            b.store(simd.spread(ir.Constant(byte, 0)), tap)
            with b.if_else(two) as (usual, general):
                with usual:  # without loops
                    for n in range(1, 4):
                        compare(at, index(n // 2), index(n % 2))
                with general, cgutils.for_range(b, pool_h) as down, cgutils.for_range(b, pool_w) as across:
                    compare(at, down.index, across.index)
            with b.if_then(wants_winner):
                b.store(b.load(tap), b.bitcast(b.gep(winner, [to]), tap.type)).align = 1
            with b.if_then(is_affine):
                place = b.add(first, c)
                scale, shift = simd.load(affine, place), simd.load(affine, b.add(filters_of_all, place))
                b.store(simd.fma(b.load(best), scale, shift), best)
            simd.store(b.load(best), y, to)

        vector_loop(simd, filters, body)
        return context.get_dummy_value()

    return signature, codegen


@kernel
def pool_block(
    block, block_at, rows, columns, row_pixels, filters, pool_h, pool_w, y, winner, y_at, y_row, y_pixel, affine, first
):
    """Max-pool a block of sums, (rows, columns, filters), into y from element `y_at` on; arrays are flat.

    A row of the block has `row_pixels` pixels, of which the first `columns` count; rows and columns of y are `y_row`
    and `y_pixel` elements apart. The window steps by its own size. An empty `winner` is not written, and a non-empty
    `affine`, (2, all filters), then scales and shifts each filter, of which the block's first is number `first`. The
    first maximum wins; a NaN beats everything.
    """
    whole = filters // (VECTOR_BYTES // block.itemsize) * (VECTOR_BYTES // block.itemsize)
    for i in range(rows // pool_h):
        for j in range(columns // pool_w):
            at, to = block_at + (i * pool_h * row_pixels + j * pool_w) * filters, y_at + i * y_row + j * y_pixel
            if whole:
                _pool_vectors(
                    block, at, row_pixels * filters, filters, pool_h, pool_w, y, to, winner, whole, affine, first
                )  # fmt: skip
            for c in range(whole, filters):
                best, number = block[at + c], 0
                for tap in range(1, pool_h * pool_w):
                    value = block[at + (tap // pool_w * row_pixels + tap % pool_w) * filters + c]
                    if not (value <= best or best != best):
                        best, number = value, tap
                if winner.size:
                    winner[to + c] = number
                y[to + c] = best * affine[first + c] + affine[affine.size // 2 + first + c] if affine.size else best
