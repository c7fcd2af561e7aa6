"""The gradient by a convolution's sums, made row by row from the gradient by what a fused layer returned.

    y = pool(relu(sums))

For backward the layer keeps y and the winning taps, both of y's size. The gradient by the sums is as large as the sums
themselves; so it is not stored but made where it is read.
"""

from typing import NamedTuple

import numpy as np
from numba import prange

from scratchnet.arrays import AnyArray, FloatArray
from scratchnet.kernels import buffers
from scratchnet.kernels.jit import kernel


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


PLAIN = Upstream()
NO_WINNER = np.empty((0, 0, 0, 0), np.uint8)


@kernel
def load_row(source, gate, winner, up, image, row, column_from, column_end, target):
    """Columns of one row of the sums' gradient; a plain copy where nothing lies between.

    Args:
        source: the gradient by the result, (batch, height, width, channels).
        gate: the result; read where `up.gated`.
        winner: which tap of each window won; read where `up.pool_h`.
        target: (columns * channels,).
    """
    channels = source.shape[3]
    zero = source.dtype.type(0)
    if up.pool_h == 0:
        line = source[image, row].reshape(-1)[column_from * channels : column_end * channels]
        if up.gated:
            value = gate[image, row].reshape(-1)[column_from * channels : column_end * channels]
            for i in range(target.size):
                target[i] = line[i] if value[i] > 0 else zero
        else:
            for i in range(target.size):
                target[i] = line[i]
        return
    pooled_row, pooled_width = row // up.pool_h, source.shape[2]
    for column in range(column_from, column_end):
        pixel = target[(column - column_from) * channels : (column - column_from + 1) * channels]
        at = column // up.pool_w
        if pooled_row >= source.shape[1] or at >= pooled_width:
            pixel[:] = 0
            continue
        tap = np.uint8(row % up.pool_h * up.pool_w + column % up.pool_w)
        gradient, won = source[image, pooled_row, at], winner[image, pooled_row, at]
        if up.gated:
            value = gate[image, pooled_row, at]
            for c in range(pixel.size):
                pixel[c] = gradient[c] if (won[c] == tap) & (value[c] > 0) else zero
        else:
            for c in range(pixel.size):
                pixel[c] = gradient[c] if won[c] == tap else zero


@kernel(parallel=True)
def _materialize(source, gate, winner, up, target):
    batch, height, width, _ = target.shape
    for line in prange(batch * height):
        image, row = line // height, line % height
        load_row(source, gate, winner, up, image, row, 0, width, target[image, row].reshape(-1))


def materialized(source: FloatArray, gate: FloatArray, winner: AnyArray, up: Upstream) -> FloatArray:
    """The whole gradient by the sums."""
    if up == PLAIN:
        return source
    size = (up.height, up.width) if up.pool_h else source.shape[1:3]
    target = buffers.empty((len(source), *size, source.shape[3]), source.dtype)
    _materialize(source, gate, winner, up, target)
    return target


@kernel
def pool_block(
    block, rows, columns, row_pixels, filters, pool_h, pool_w, image, row, column, first_filter, y, winner, affine
):
    """Max-pool a block of sums, (rows, columns, filters), into y at pooled pixel (row, column).

    A row of the block has `row_pixels` pixels, of which the first `columns` count.

    The window steps by its own size; what is left of the block at its end is dropped. An empty `winner` is not
    written, and a non-empty `affine`, (2, all filters), then scales and shifts each filter. The first maximum wins; a
    NaN beats everything.
    """
    for i in range(min(rows // pool_h, y.shape[1] - row)):
        for j in range(min(columns // pool_w, y.shape[2] - column)):
            best = y[image, row + i, column + j, first_filter : first_filter + filters]
            at = (i * pool_h * row_pixels + j * pool_w) * filters
            corner = block[at : at + filters]
            for c in range(corner.size):
                best[c] = corner[c]
            if winner.size == 0:
                for kh in range(pool_h):
                    for kw in range(pool_w):
                        start = at + (kh * row_pixels + kw) * filters
                        value = block[start : start + filters]
                        for c in range(value.size):
                            best[c] = best[c] if (value[c] <= best[c]) | (best[c] != best[c]) else value[c]
                if affine.size:
                    scale = affine[0, first_filter : first_filter + filters]
                    shift = affine[1, first_filter : first_filter + filters]
                    for c in range(best.size):
                        best[c] = best[c] * scale[c] + shift[c]
                continue
            tap_of = winner[image, row + i, column + j, first_filter : first_filter + filters]
            tap_of[:] = 0
            for kh in range(pool_h):
                for kw in range(pool_w):
                    start, tap = at + (kh * row_pixels + kw) * filters, np.uint8(kh * pool_w + kw)
                    value = block[start : start + filters]
                    for c in range(value.size):
                        stays = (value[c] <= best[c]) | (best[c] != best[c])
                        best[c] = best[c] if stays else value[c]
                        tap_of[c] = tap_of[c] if stays else tap
