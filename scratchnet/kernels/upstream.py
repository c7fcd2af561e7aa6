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
    count, shift_at, scale_at = UNSIGNED(filters), UNSIGNED(affine.size // 2 + first), UNSIGNED(first)
    for i in range(rows // pool_h):
        for j in range(columns // pool_w):
            at = block_at + (i * pool_h * row_pixels + j * pool_w) * filters
            to = UNSIGNED(y_at + i * y_row + j * y_pixel)
            corner = UNSIGNED(at)
            for c in range(count):
                y[to + c] = block[corner + c]
            if winner.size:
                for c in range(count):
                    winner[to + c] = 0
            for tap in range(1, pool_h * pool_w):
                pixel, number = UNSIGNED(at + (tap // pool_w * row_pixels + tap % pool_w) * filters), np.uint8(tap)
                if winner.size:
                    for c in range(count):
                        value, best = block[pixel + c], y[to + c]
                        stays = (value <= best) | (best != best)
                        y[to + c] = best if stays else value
                        winner[to + c] = winner[to + c] if stays else number
                else:
                    for c in range(count):
                        value, best = block[pixel + c], y[to + c]
                        y[to + c] = best if (value <= best) | (best != best) else value
            if affine.size:
                for c in range(count):
                    y[to + c] = y[to + c] * affine[scale_at + c] + affine[shift_at + c]
