"""Matrix products on the register tile.

The right-hand matrix is packed into panels of one tile's width, so that the tile reads it contiguously; the last panel
is padded with zeros to whole vectors. Each element of the result is summed in one fixed order, whatever the number of
threads.
"""

import numpy as np
from numba import prange

from scratchnet.arrays import FloatArray
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.simd import ROWS, VECTOR_BYTES, VECTORS, tile_1, tile_2, tile_3, tile_4

ROW_BLOCK = 8 * ROWS  # rows of the result per task
DEPTH_BLOCK = 512
STREAMED_ROWS = 4  # up to so many rows, packing would cost more than it saves
STREAMED_COLUMNS = 512


def packed_size(depth: int, columns: int, itemsize: int) -> int:
    """Elements that `pack` writes for a (depth, columns) matrix."""
    lanes = VECTOR_BYTES // itemsize
    return depth * (-(-columns // lanes) * lanes)


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
            start = b_at + k * b_row + first * b_col
            if b_col == 1:
                for n in range(valid):
                    packed[at + n] = b[start + n]
            else:
                for n in range(valid):
                    packed[at + n] = b[start + n * b_col]
            for n in range(valid, stored):
                packed[at + n] = 0
            at += stored


@kernel
def _tile(vectors, a, a_at, a_row, a_col, rows, b, b_at, depth, c, c_at, c_row, accumulate):
    if vectors == 4:
        tile_4(a, a_at, a_row, a_col, rows, b, b_at, depth, c, c_at, c_row, accumulate)
    elif vectors == 3:
        tile_3(a, a_at, a_row, a_col, rows, b, b_at, depth, c, c_at, c_row, accumulate)
    elif vectors == 2:
        tile_2(a, a_at, a_row, a_col, rows, b, b_at, depth, c, c_at, c_row, accumulate)
    else:
        tile_1(a, a_at, a_row, a_col, rows, b, b_at, depth, c, c_at, c_row, accumulate)


@kernel
def panel_product(
    a,
    a_at,
    a_row,
    a_col,
    rows,
    packed,
    packed_depth,
    depth_from,
    depth,
    first,
    columns,
    c,
    c_at,
    c_row,
    accumulate,
    edge,
):
    """C[0:rows, first:first + panel] (+)= A @ one panel of B, over `depth` steps from `depth_from`.

    `edge` is a scratch of ROWS * VECTORS vectors for tiles that stick out of C.
    """
    lanes = VECTOR_BYTES // packed.itemsize
    width = lanes * VECTORS
    valid = min(width, columns - first)
    vectors = -(-valid // lanes)
    stored = vectors * lanes
    b_at = first * packed_depth + depth_from * stored
    for m in range(0, rows, ROWS):
        height = min(ROWS, rows - m)
        start, target = a_at + m * a_row, c_at + m * c_row + first
        if height == ROWS and valid == stored:
            _tile(vectors, a, start, a_row, a_col, ROWS, packed, b_at, depth, c, target, c_row, accumulate)
            continue
        _tile(vectors, a, start, a_row, a_col, height, packed, b_at, depth, edge, 0, stored, False)
        for r in range(height):
            for n in range(valid):
                if accumulate:
                    c[target + r * c_row + n] += edge[r * stored + n]
                else:
                    c[target + r * c_row + n] = edge[r * stored + n]


@kernel(parallel=True)
def _product(a, a_row, a_col, packed, c, rows, depth, columns):
    width = VECTOR_BYTES // packed.itemsize * VECTORS
    row_blocks, panels = -(-rows // ROW_BLOCK), -(-columns // width)
    for task in prange(row_blocks * panels):
        edge = np.empty(ROWS * width, packed.dtype)
        first_row, first = task // panels * ROW_BLOCK, task % panels * width
        height = min(ROW_BLOCK, rows - first_row)
        for k in range(0, depth, DEPTH_BLOCK):
            panel_product(
                a, first_row * a_row + k * a_col, a_row, a_col, height,
                packed, depth, k, min(DEPTH_BLOCK, depth - k), first, columns,
                c, first_row * columns, columns, k > 0, edge,
            )  # fmt: skip


@kernel(parallel=True)
def _streamed_product(a, b, c, rows, depth, columns):
    """A few rows times a large matrix: B is read once, as it lies in memory."""
    for block in prange(-(-columns // STREAMED_COLUMNS)):
        first = block * STREAMED_COLUMNS
        end = min(columns, first + STREAMED_COLUMNS)
        for m in range(rows):
            c[m * columns + first : m * columns + end] = 0
        for k in range(depth):
            for m in range(rows):
                value = a[m * depth + k]
                for n in range(first, end):
                    c[m * columns + n] += value * b[k * columns + n]


@kernel(parallel=True)
def _pack_in_parallel(b, b_row, b_col, depth, columns, packed):
    width = VECTOR_BYTES // packed.itemsize * VECTORS
    for panel in prange(-(-columns // width)):
        first = panel * width
        pack(b, first * b_col, b_row, b_col, depth, min(width, columns - first), packed[first * depth :])


def matmul(a: FloatArray, b: FloatArray, transpose_a: bool = False, transpose_b: bool = False) -> FloatArray:
    """The product of two matrices, either of them transposed first.

    Args:
        a: (rows, depth), or (depth, rows) with `transpose_a`.
        b: (depth, columns), or (columns, depth) with `transpose_b`.

    Returns:
        (rows, columns), of the arguments' common dtype, float32 or float64.
    """
    dtype = np.result_type(a, b)
    a, b = np.ascontiguousarray(a, dtype), np.ascontiguousarray(b, dtype)
    depth, rows = a.shape if transpose_a else a.shape[::-1]
    columns = b.shape[0] if transpose_b else b.shape[1]
    c = np.empty((rows, columns), dtype)
    if depth == 0 or c.size == 0:
        c.fill(0)
    elif rows <= STREAMED_ROWS and not transpose_a and not transpose_b:
        _streamed_product(a.reshape(-1), b.reshape(-1), c.reshape(-1), rows, depth, columns)
    else:
        packed = np.empty(packed_size(depth, columns, dtype.itemsize), dtype)
        b_row, b_col = (1, depth) if transpose_b else (columns, 1)
        _pack_in_parallel(b.reshape(-1), b_row, b_col, depth, columns, packed)
        a_row, a_col = (1, rows) if transpose_a else (depth, 1)
        _product(a.reshape(-1), a_row, a_col, packed, c.reshape(-1), rows, depth, columns)
    return c
