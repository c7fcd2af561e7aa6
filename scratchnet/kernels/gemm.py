"""Matrix products on the register tile.

The right-hand matrix is packed into panels of one tile's width, so that the tile reads it contiguously; the last panel
is padded with zeros to whole vectors. Each element of the result is summed in one order that the depth alone decides,
whatever the number of threads and of rows: in chunks, each in the order of the depth with one rounding per step, and
then over the chunks. So a row has the same bits in every batch.

A product with few rows is bound by the memory that holds the large matrix. Then each thread streams a part of that
matrix once, block by block through its cache, and nothing of its size is written.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import prange

from scratchnet.arrays import AnyArray, FloatArray, Shape
from scratchnet.kernels import buffers
from scratchnet.kernels.denormals import flush_denormals, restore
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.simd import ROWS, VECTOR_BYTES, VECTORS, fma, panel_product
from scratchnet.kernels.window import UNSIGNED

ROW_BLOCK = 8 * ROWS  # rows of the result per task
DEPTH_BLOCK = 512  # of a panel: 128 KB at once stay in the second-level cache
THIN_ROWS = 64  # up to so many rows, the large matrix is streamed
PACKED_ROWS = 5  # from so many rows on, packing a block before it is multiplied saves more than it costs
DEPTH_CHUNKS = 16  # a constant, so that sums do not depend on the threads
CHUNK_DEPTH = 64  # at least so many rows of the matrix per chunk
SERIAL = 1 << 15  # multiplications that one thread has done before others have started
BLOCK_BYTES = 96 * 1024  # of a streamed matrix, packed at once


class Bound(NamedTuple):
    """A kernel for arrays of one shape, with everything decided beforehand: for one image, that takes as long.

    Attributes:
        call: takes the input, the result, which it writes, and scratch.
        shape: of the result.
        scratch: shape of the scratch.
    """

    call: Callable[[FloatArray, FloatArray, FloatArray], None]
    shape: Shape
    scratch: Shape


def aligned(size: int, dtype: np.dtype[Any]) -> AnyArray:
    """An uninitialised flat array that begins on a vector's boundary: loads across cache lines cost twice."""
    if size * dtype.itemsize >= buffers.POOLED_BYTES:
        return buffers.empty((size,), dtype)
    memory = np.empty(size * dtype.itemsize + VECTOR_BYTES, np.uint8)
    start = -memory.ctypes.data % VECTOR_BYTES
    array: AnyArray = memory[start : start + size * dtype.itemsize].view(dtype)
    return array


def packed_size(depth: int, columns: int, itemsize: int) -> int:
    """Elements that `pack` writes for a (depth, columns) matrix."""
    return depth * whole_vectors(columns, itemsize)


def whole_vectors(columns: int, itemsize: int) -> int:
    """The next number of columns that fills vectors."""
    lanes = VECTOR_BYTES // itemsize
    return -(-columns // lanes) * lanes


@kernel
def pack(b, b_at, b_row, b_col, depth, columns, packed):
    """Copy the matrix b[b_at + k * b_row + n * b_col] into panels [depth][panel's width], one after the other."""
    lanes = VECTOR_BYTES // b.itemsize
    width = lanes * VECTORS
    for first in range(0, columns, width):
        stored = min(width, -(-(columns - first) // lanes) * lanes)
        valid = min(width, columns - first)
        at = first * depth
        for k in range(depth):
            start, to = UNSIGNED(b_at + k * b_row + first * b_col), UNSIGNED(at)
            if b_col == 1:
                for n in range(UNSIGNED(valid)):
                    packed[to + n] = b[start + n]
            else:
                for n in range(UNSIGNED(valid)):
                    packed[to + n] = b[start + n * UNSIGNED(b_col)]
            for n in range(valid, stored):
                packed[at + n] = 0
            at += stored


@kernel
def block_product(a, a_at, a_row, a_col, rows, packed, depth_from, packed_depth, depth, columns, c, c_at, c_row,
                  accumulate, finish, after, floor, starts, runs_at, edge):  # fmt: skip
    """C[rows, columns] (+)= A @ packed B, over `depth` of B's `packed_depth` rows, from `depth_from`."""
    lanes = VECTOR_BYTES // packed.itemsize
    width = lanes * VECTORS
    for first in range(0, columns, width):
        stored = min(width, -(-(columns - first) // lanes) * lanes)
        for m in range(0, rows, ROWS):
            height = min(ROWS, rows - m)
            for r in range(height):
                starts[r] = a_at + (m + r) * a_row
            panel_product(
                a, starts, height, runs_at, 1, a_col,
                packed, first * packed_depth + depth_from * stored, depth, min(width, columns - first),
                c, c_at + m * c_row + first, c_row, accumulate, finish, after, first, floor, edge,
            )  # fmt: skip


@kernel
def _finished(value, bias, scale, shift, floor):
    """Max(value + bias, floor) * scale + shift, as the tile does it."""
    value += bias
    return fma(floor if value < floor else value, scale, shift)


@kernel(parallel=True)
def _product(a, a_row, a_col, packed, c, rows, depth, columns, chunks, after, floor):
    width, stored = VECTOR_BYTES // packed.itemsize * VECTORS, after.size // 3
    bias, scale, shift = after[:columns], after[stored : stored + columns], after[2 * stored : 2 * stored + columns]
    for task in prange(-(-rows // ROW_BLOCK)):
        mode = flush_denormals()
        edge, starts, runs_at = np.empty(ROWS * width, packed.dtype), np.empty(ROWS, np.int64), np.zeros(1, np.int64)
        row = task * ROW_BLOCK
        count = min(ROW_BLOCK, rows - row)
        block = c[row * columns : (row + count) * columns]
        part = np.empty(block.size if chunks > 1 else 0, c.dtype)
        for chunk in range(chunks):
            first, end = chunk * depth // chunks, (chunk + 1) * depth // chunks
            for k in range(first, end, DEPTH_BLOCK):
                steps = min(DEPTH_BLOCK, end - k)
                block_product(
                    a, row * a_row + k * a_col, a_row, a_col, count,
                    packed, k, depth, steps, columns, part if chunk else block, 0, columns,
                    k > first, chunks == 1 and k + steps == depth, after, floor, starts, runs_at, edge,
                )  # fmt: skip
            for n in range(part.size if chunk else 0):
                block[n] += part[n]
        for m in range(count if chunks > 1 else 0):
            sums = block[m * columns : (m + 1) * columns]
            for n in range(sums.size):
                sums[n] = _finished(sums[n], bias[n], scale[n], shift[n], floor)
        restore(mode)


@kernel
def _stream_chunk(a, b, rows, depth, columns, first, end, total, block):
    """A @ B over the depth from `first` to `end`, into `total`; B is read once, as it lies in memory."""
    mode = flush_denormals()
    width = VECTOR_BYTES // b.itemsize * VECTORS
    if rows >= PACKED_ROWS:
        starts, runs_at = np.empty(ROWS, np.int64), np.zeros(1, np.int64)
        edge, packed = np.empty(ROWS * width, b.dtype), np.empty(block * (columns + width), b.dtype)
        for k in range(first, end, block):
            steps = min(block, end - k)
            _pack_rows(b, k, steps, columns, packed)
            block_product(
                a, k, depth, 1, rows, packed, 0, steps, steps, columns, total, 0, columns, k > first, False,
                packed, b.dtype.type(0), starts, runs_at, edge,
            )  # fmt: skip
    else:
        total[:] = 0
        fours = first + (end - first) // 4 * 4
        for k in range(first, fours, 4):  # four rows for each time that the sums are loaded and stored
            b_0, b_1 = b[k * columns : (k + 1) * columns], b[(k + 1) * columns : (k + 2) * columns]
            b_2, b_3 = b[(k + 2) * columns : (k + 3) * columns], b[(k + 3) * columns : (k + 4) * columns]
            for m in range(rows):
                at = m * depth + k
                a_0, a_1, a_2, a_3 = a[at], a[at + 1], a[at + 2], a[at + 3]
                sums = total[m * columns : (m + 1) * columns]
                for n in range(sums.size):
                    sums[n] = fma(a_3, b_3[n], fma(a_2, b_2[n], fma(a_1, b_1[n], fma(a_0, b_0[n], sums[n]))))
        for k in range(fours, end):
            row = b[k * columns : (k + 1) * columns]
            for m in range(rows):
                a_0, sums = a[m * depth + k], total[m * columns : (m + 1) * columns]
                for n in range(sums.size):
                    sums[n] = fma(a_0, row[n], sums[n])
    restore(mode)


@kernel(parallel=True)
def _streamed_product(a, b, rows, depth, columns, partial, block, after, floor, c):
    """C = A @ B; each chunk of the depth is summed into its part of `partial`, (chunks, rows * columns)."""
    chunks = partial.shape[0]
    if rows * depth * columns <= SERIAL:
        for chunk in range(chunks):
            first, end = chunk * depth // chunks, (chunk + 1) * depth // chunks
            _stream_chunk(a, b, rows, depth, columns, first, end, partial[chunk], block)
    else:
        for chunk in prange(chunks):
            first, end = chunk * depth // chunks, (chunk + 1) * depth // chunks
            _stream_chunk(a, b, rows, depth, columns, first, end, partial[chunk], block)
    stored = after.size // 3
    bias, scale, shift = after[:columns], after[stored : stored + columns], after[2 * stored : 2 * stored + columns]
    mode = flush_denormals()
    for m in range(rows):
        row, zero = c[m * columns : (m + 1) * columns], c.dtype.type(0)
        for n in range(row.size):
            row[n] = zero
        for chunk in range(chunks):
            part = partial[chunk, m * columns : (m + 1) * columns]
            for n in range(row.size):
                row[n] += part[n]
        for n in range(row.size):
            row[n] = _finished(row[n], bias[n], scale[n], shift[n], floor)
    restore(mode)


@kernel
def _pack_rows(b, first, depth, columns, packed):
    """As `pack`, but along the rows of B, which is the order of memory."""
    lanes = VECTOR_BYTES // b.itemsize
    width = lanes * VECTORS
    for k in range(depth):
        for n in range(0, columns, width):
            stored = min(width, -(-(columns - n) // lanes) * lanes)
            valid = min(width, columns - n)
            source, target = UNSIGNED((first + k) * columns + n), UNSIGNED(n * depth + k * stored)
            for i in range(UNSIGNED(valid)):
                packed[target + i] = b[source + i]
            for i in range(UNSIGNED(valid), UNSIGNED(stored)):
                packed[target + i] = 0


@kernel(parallel=True)
def _streamed_by_transposed(a, b, rows, depth, columns, packed, c):
    """C = A @ B^T for few rows of A: C^T = B @ A^T streams the rows of B, six at a time."""
    stored = packed.size // depth
    width = VECTOR_BYTES // b.itemsize * VECTORS
    for task in prange(-(-columns // ROW_BLOCK)):
        mode = flush_denormals()
        starts, runs_at = np.empty(ROWS, np.int64), np.zeros(1, np.int64)
        edge, block = np.empty(ROWS * width, b.dtype), np.empty(ROW_BLOCK * stored, b.dtype)
        first = task * ROW_BLOCK
        count = min(ROW_BLOCK, columns - first)
        block_product(
            b, first * depth, depth, 1, count, packed, 0, depth, depth, rows, block, 0, stored, False, False,
            packed, b.dtype.type(0), starts, runs_at, edge,
        )  # fmt: skip
        for m in range(rows):
            row = c[m * columns + first : m * columns + first + count]
            for n in range(row.size):
                row[n] = block[n * stored + m]
        restore(mode)


@kernel(parallel=True)
def _pack_in_parallel(b, b_row, b_col, depth, columns, packed):
    width = VECTOR_BYTES // packed.itemsize * VECTORS
    for panel in prange(-(-columns // width)):
        first = panel * width
        pack(b, first * b_col, b_row, b_col, depth, min(width, columns - first), packed[first * depth :])


def finishing(
    columns: int,
    dtype: np.dtype[np.floating],
    bias: FloatArray | None = None,
    scale: FloatArray | None = None,
    shift: FloatArray | None = None,
) -> FloatArray:
    """The rows bias, scale and shift that `panel_product` ends with, filled up to whole vectors."""
    after = np.zeros((3, whole_vectors(columns, dtype.itemsize)), dtype)
    for row, value in enumerate((bias, np.ones(1, dtype) if scale is None else scale, shift)):
        if value is not None:
            after[row, :columns] = value
    return after.reshape(-1)


def _chunks(depth: int) -> int:
    """Into how many parts the depth is cut, each summed by itself."""
    return min(DEPTH_CHUNKS, max(1, depth // CHUNK_DEPTH), depth)


def _block(columns: int, dtype: np.dtype[Any]) -> int:
    """How many rows of a streamed matrix are packed at once."""
    return max(8, BLOCK_BYTES // (columns * dtype.itemsize))


def bind(rows: int, b: FloatArray, after: FloatArray, relu: bool) -> Bound:
    """`matmul` with a matrix (depth, columns) for left-hand matrices of so many rows, everything decided beforehand."""
    depth, columns = b.shape
    if rows > THIN_ROWS or not rows:

        def call(a: FloatArray, c: FloatArray, scratch: FloatArray) -> None:
            matmul(a, b, after=after, relu=relu, out=c)

        return Bound(call, (rows, columns), (0, 0))
    flat, floor, block = b.reshape(-1), b.dtype.type(0 if relu else -np.inf), _block(columns, b.dtype)

    def stream(a: FloatArray, c: FloatArray, partial: FloatArray) -> None:
        _streamed_product(a.reshape(-1), flat, rows, depth, columns, partial, block, after, floor, c.reshape(-1))

    return Bound(stream, (rows, columns), (_chunks(depth), rows * columns))


def matmul(
    a: FloatArray,
    b: FloatArray,
    transpose_a: bool = False,
    transpose_b: bool = False,
    after: FloatArray | None = None,
    relu: bool = False,
    out: FloatArray | None = None,
) -> FloatArray:
    """The product of two matrices, either of them transposed first.

    Args:
        a: (rows, depth), or (depth, rows) with `transpose_a`.
        b: (depth, columns), or (columns, depth) with `transpose_b`.
        after: what `finishing` returned: bias, scale and shift.
        relu: whether max(sums + bias, 0) is taken before scale and shift.
        out: takes the result, C-contiguous.

    Returns:
        (rows, columns), of the arguments' common dtype, float32 or float64.
    """
    dtype = a.dtype if a.dtype == b.dtype else np.result_type(a, b)
    a, b = np.ascontiguousarray(a, dtype), np.ascontiguousarray(b, dtype)
    depth, rows = a.shape if transpose_a else a.shape[::-1]
    columns = b.shape[0] if transpose_b else b.shape[1]
    c = buffers.empty((rows, columns), dtype) if out is None else out
    floor = dtype.type(0 if relu else -np.inf)
    thin = rows <= THIN_ROWS and not transpose_a
    if c.size == 0:
        return c
    if thin and transpose_b and depth and after is None and not relu:
        packed = aligned(packed_size(depth, rows, dtype.itemsize), dtype)
        pack(a.reshape(-1), 0, 1, depth, depth, rows, packed)
        _streamed_by_transposed(a.reshape(-1), b.reshape(-1), rows, depth, columns, packed, c.reshape(-1))
        return c
    if after is None:
        after = finishing(columns, dtype)
    if (thin and not transpose_b) or depth == 0:
        partial = buffers.empty((_chunks(depth), rows * columns), dtype)
        block = _block(columns, dtype)
        _streamed_product(
            a.reshape(-1), b.reshape(-1), rows, depth, columns, partial, block, after, floor, c.reshape(-1)
        )  # fmt: skip
    else:
        packed = aligned(packed_size(depth, columns, dtype.itemsize), dtype)
        b_row, b_col = (1, depth) if transpose_b else (columns, 1)
        _pack_in_parallel(b.reshape(-1), b_row, b_col, depth, columns, packed)
        a_row, a_col = (1, rows) if transpose_a else (depth, 1)
        chunks = 1 if transpose_a or transpose_b else _chunks(depth)  # as the same product of few rows is summed
        _product(a.reshape(-1), a_row, a_col, packed, c.reshape(-1), rows, depth, columns, chunks, after, floor)
    return c
