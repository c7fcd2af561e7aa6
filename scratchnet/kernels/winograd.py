"""Winograd's convolution F(4x4, 3x3): 36 multiplications per channel where the definition needs 144.

Lavin & Gray, 2016, https://arxiv.org/abs/1509.09308. For each tile d of 6x6 inputs and each 3x3 kernel g, the 4x4 sums
are

    A^T [(G g G^T) * (B^T d B)] A

and the product in the middle, summed over channels, is a matrix product for each of its 36 places. The matrices
evaluate polynomials at the points 0, +-NEAR, +-FAR and infinity, and the points decide the rounding errors: a search
over pairs (no theory gives the best, see Barabasz et al., 2020, https://arxiv.org/abs/1803.10986) found a quarter of
the error of the usual 0, +-1, +-2, for two multiplications more. All coefficients but those of G are exact in float32.

Each sum is of numbers as large as the largest of its tile, so the error is in proportion to those, not to the sum: for
normally distributed inputs a few 1e-6 of the largest sum, up to twice that of the definition. But the sums beside an
outlier lose as much of what the outlier adds to others, and an infinity or a NaN among the inputs makes all 4x4 sums of
its tile NaN.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numba import get_num_threads, prange, types
from numba.extending import intrinsic

from scratchnet.arrays import AnyArray, FloatArray, IntArray, Shape
from scratchnet.kernels.denormals import flush_denormals, restore
from scratchnet.kernels.gemm import aligned
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.patches import Affine, Weights, launch, load_band, panel_width, whole_lines, with_affine
from scratchnet.kernels.simd import ROWS, VECTOR_BYTES, VECTORS, Vectors, data_of, index, panel_product, vector_loop
from scratchnet.kernels.upstream import Upstream, pool_block, upstream_of
from scratchnet.kernels.window import UNSIGNED

TILE = 4  # sums per side of a tile
PLACES = 36
NEAR, FAR = 11 / 16, 23 / 16
NEAR_2, FAR_2 = NEAR**2, FAR**2
BY_ZERO = 1 / (NEAR_2 * FAR_2)  # one over the product of a point's distances from the others
BY_NEAR, BY_FAR = 1 / (2 * NEAR_2 * (NEAR_2 - FAR_2)), 1 / (2 * FAR_2 * (FAR_2 - NEAR_2))
TILES = 24  # per task: their transformed inputs and products fit the second-level cache


def _transform_input(simd: Vectors, d: list[Any]) -> list[Any]:
    """B^T d for six vectors."""
    b, c = simd.builder, simd.constant
    sums, product = c(-NEAR_2 - FAR_2), c(NEAR_2 * FAR_2)
    even, odd = simd.fma(c(-FAR_2), d[2], d[4]), simd.fma(c(-FAR_2), d[1], d[3])
    even_2, odd_2 = simd.fma(c(-NEAR_2), d[2], d[4]), simd.fma(c(-NEAR_2), d[1], d[3])
    return [
        simd.fma(product, d[0], simd.fma(sums, d[2], d[4])),
        simd.fma(c(NEAR), odd, even),
        simd.fma(c(NEAR), b.fneg(odd), even),  # a constant more would not fit the registers
        simd.fma(c(FAR), odd_2, even_2),
        simd.fma(c(FAR), b.fneg(odd_2), even_2),
        simd.fma(product, d[1], simd.fma(sums, d[3], d[5])),
    ]


def _transform_sums(simd: Vectors, m: list[Any]) -> list[Any]:
    """A^T m for six vectors."""
    b, c = simd.builder, simd.constant
    plus, minus = b.fadd(m[1], m[2]), b.fsub(m[1], m[2])
    plus_2, minus_2 = b.fadd(m[3], m[4]), b.fsub(m[3], m[4])
    return [
        b.fadd(b.fadd(m[0], plus), plus_2),
        simd.fma(c(FAR), minus_2, b.fmul(c(NEAR), minus)),
        simd.fma(c(FAR_2), plus_2, b.fmul(c(NEAR_2), plus)),
        simd.fma(c(FAR * FAR_2), minus_2, simd.fma(c(NEAR * NEAR_2), minus, m[5])),
    ]


@intrinsic  # type: ignore[untyped-decorator]
def input_tile(typing: Any, x: Any, at: Any, row: Any, pixel: Any, v: Any, v_at: Any, place: Any, channels: Any) -> Any:
    """V[i, j] = (B^T d B)[i, j] for all channels; x is read at `at + i * row + j * pixel`, V is `place` apart."""
    i = types.intp
    signature = types.void(x, i, i, i, v, i, i, i)

    def codegen(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        x, v = data_of(context, b, signature, arguments, (0, 4))
        at, row, pixel, v_at, place, channels = (arguments[n] for n in (1, 2, 3, 5, 6, 7))
        simd = Vectors(b, context.get_value_type(signature.args[0].dtype))
        source = [[b.add(b.add(at, b.mul(row, index(i))), b.mul(pixel, index(j))) for j in range(6)] for i in range(6)]
        target = [b.add(v_at, b.mul(place, index(n))) for n in range(PLACES)]

        def body(c: Any) -> None:
            columns = [
                _transform_input(simd, [simd.load(x, b.add(source[i][j], c)) for i in range(6)]) for j in range(6)
            ]
            for i in range(6):
                for j, value in enumerate(_transform_input(simd, [column[i] for column in columns])):
                    simd.store(value, v, b.add(target[i * 6 + j], c))

        vector_loop(simd, channels, body)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic  # type: ignore[untyped-decorator]
def _sums_tile(
    typing: Any, m: Any, m_at: Any, place: Any, y: Any, y_at: Any, row: Any, pixel: Any, filters: Any, after: Any,
    after_at: Any, after_row: Any, floor: Any,
) -> Any:  # fmt: skip
    """Y = max(A^T M A + bias, floor) * scale + shift, 4x4 pixels; see `simd` for `after`."""
    i = types.intp
    signature = types.void(m, i, i, y, i, i, i, i, after, i, i, m.dtype)

    def codegen(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        m, y, after = data_of(context, b, signature, arguments, (0, 3, 8))
        m_at, place, y_at, row, pixel, filters, after_at, after_row, floor = (
            arguments[n] for n in (1, 2, 4, 5, 6, 7, 9, 10, 11)
        )
        simd = Vectors(b, context.get_value_type(signature.args[0].dtype))
        source = [b.add(m_at, b.mul(place, index(n))) for n in range(PLACES)]
        target = [
            [b.add(b.add(y_at, b.mul(row, index(i))), b.mul(pixel, index(j))) for j in range(TILE)] for i in range(TILE)
        ]
        lowest = simd.spread(floor)

        def body(f: Any) -> None:
            offset, scale, shift = simd.load_rows(after, b.add(after_at, f), after_row, 3)
            columns = [
                _transform_sums(simd, [simd.load(m, b.add(source[i * 6 + j], f)) for i in range(6)]) for j in range(6)
            ]
            for i in range(TILE):
                for j, value in enumerate(_transform_sums(simd, [column[i] for column in columns])):
                    value = simd.at_least(b.fadd(value, offset), lowest)
                    simd.store(simd.fma(value, scale, shift), y, b.add(target[i][j], f))

        vector_loop(simd, filters, body)
        return context.get_dummy_value()

    return signature, codegen


@kernel
def _kernel_row(a, b, c, out):
    """G g for rows of numbers; out is (6, size)."""
    number = a.dtype.type
    near, near_2, far, far_2 = number(NEAR), number(NEAR_2), number(FAR), number(FAR_2)
    by_zero, by_near, by_far = number(BY_ZERO), number(BY_NEAR), number(BY_FAR)
    for n in range(a.size):
        even, even_2 = a[n] + near_2 * c[n], a[n] + far_2 * c[n]
        out[0, n] = a[n] * by_zero
        out[1, n] = (even + near * b[n]) * by_near
        out[2, n] = (even - near * b[n]) * by_near
        out[3, n] = (even_2 + far * b[n]) * by_far
        out[4, n] = (even_2 - far * b[n]) * by_far
        out[5, n] = c[n]


@kernel(parallel=True)
def _transform_kernel(weights, packed):
    """G g G^T in panels: [place][panel][channel][panel's width]."""
    channels, filters = weights.shape[2], weights.shape[3]
    panel = VECTOR_BYTES // weights.itemsize * VECTORS
    for c in prange(channels):
        mode = flush_denormals()
        half, whole = np.empty((3, 6, filters), weights.dtype), np.empty((6, filters), weights.dtype)
        for column in range(3):
            _kernel_row(weights[0, column, c], weights[1, column, c], weights[2, column, c], half[column])
        for i in range(6):
            _kernel_row(half[0, i], half[1, i], half[2, i], whole)
            for j in range(6):
                at = (i * 6 + j) * channels * filters
                for first in range(0, filters, panel):
                    width = min(panel, filters - first)
                    target = packed[at + first * channels + c * width : at + first * channels + (c + 1) * width]
                    source = whole[j, first : first + width]
                    for n in range(target.size):
                        target[n] = source[n]
        restore(mode)


@kernel(parallel=True)
def winograd_kernel(source, gate, won, packed, after, floor, y, winner, pooled, layout, scratch):
    """`layout` is that of `winograd_layout`; a task is some rows of tiles times a part of the filters."""
    batch, out_height, out_width, filters = layout[0], layout[1], layout[2], layout[3]
    tile_rows, parts, pool_h, pool_w, pad_top, pad_left = (
        layout[4], layout[5], layout[6], layout[7], layout[8], layout[9],
    )  # fmt: skip
    channels = source.shape[3]
    lanes = VECTOR_BYTES // source.itemsize
    panel = lanes * VECTORS
    down, across = -(-out_height // 4), -(-out_width // 4)
    tiles, width = tile_rows * across, 4 * across + 2
    panels = -(-filters // panel)
    values, gates, winners = source.reshape(-1), gate.reshape(-1), won.reshape(-1)
    size = (source.shape[1], source.shape[2])
    flat, taken, ends = y.reshape(-1), winner.reshape(-1), pooled.reshape(-1)
    height_y, width_y = y.shape[1], y.shape[2]
    tasks, workers = -(-batch * down // tile_rows), scratch.shape[0]
    padded_size = -(-6 * width * channels // lanes) * lanes
    v_size, m_size = 36 * tiles * channels, 36 * tiles * panel
    for worker in prange(workers):
        mode = flush_denormals()
        up = upstream_of(layout[10:])  # here, because Numba cannot hand a named tuple to its threads
        starts, runs_at = np.empty(ROWS, np.int64), np.zeros(1, np.int64)
        edge, free = scratch[worker, : ROWS * panel], scratch[worker, ROWS * panel :]
        padded, v = free[:padded_size], free[padded_size : padded_size + v_size]
        m = free[padded_size + v_size : padded_size + v_size + m_size]
        block = free[padded_size + v_size + m_size :]
        for task in range(worker, tasks * parts, workers):
            first_row, part = task // parts * tile_rows, task % parts
            rows = min(tile_rows, batch * down - first_row)
            count = rows * across
            for r in range(rows):
                image, top = (first_row + r) // down, (first_row + r) % down * 4 - pad_top
                load_band(values, gates, winners, up, size, channels, image, top, 6, -pad_left, width, padded, 0)
                for t in range(across):
                    input_tile(padded, t * 4 * channels, width * channels, channels, v, (r * across + t) * channels,
                                tiles * channels, channels)  # fmt: skip
            last = min(filters, (part + 1) * panels // parts * panel)
            for first in range(part * panels // parts * panel, last, panel):
                columns = min(panel, filters - first)
                for place in range(36):
                    for p in range(0, count, ROWS):
                        height = min(ROWS, count - p)
                        for i in range(height):
                            starts[i] = (place * tiles + p + i) * channels
                        panel_product(
                            v, starts, height, runs_at, 1, 1,
                            packed, (place * filters + first) * channels, channels, columns,
                            m, (place * tiles + p) * panel, panel, False, False, after, 0, floor, edge,
                        )  # fmt: skip
                for t in range(count):
                    image, i = (first_row + t // across) // down, (first_row + t // across) % down * 4
                    j = t % across * 4
                    whole = pool_h == 0 and i + 4 <= out_height and j + 4 <= out_width
                    at = ((image * out_height + i) * out_width + j) * filters + first if whole else 0
                    pixel = filters if whole else columns
                    _sums_tile(
                        m, t * panel, tiles * panel, flat if whole else block, at,
                        (out_width if whole else 4) * pixel, pixel, columns, after, first, after.size // 3, floor,
                    )  # fmt: skip
                    if whole:
                        continue
                    height, valid = min(4, out_height - i), min(4, out_width - j)
                    if pool_h:
                        at = ((image * height_y + i // pool_h) * width_y + j // pool_w) * filters + first
                        pool_block(
                            block, 0, height, valid, 4, columns, pool_h, pool_w,
                            flat, taken, at, width_y * filters, filters, ends, first,
                        )  # fmt: skip
                        continue
                    for r in range(height):
                        for k in range(valid):
                            to = UNSIGNED(((image * out_height + i + r) * out_width + j + k) * filters + first)
                            at = UNSIGNED((r * 4 + k) * columns)
                            for n in range(UNSIGNED(columns)):
                                flat[to + n] = block[at + n]
        restore(mode)


def _division(rows: int, across: int, panels: int, threads: int) -> tuple[int, int]:
    """Rows of tiles per task and parts of the filters, so that tiles come in sixes and threads end together."""

    def estimate(tile_rows: int, parts: int) -> float:
        tasks = -(-rows // tile_rows) * parts
        tiles, width = tile_rows * across, -(-panels // parts)
        # multiplications of whole register tiles, and what transforming a tile costs beside them
        task = -(-tiles // ROWS) * ROWS * width + tiles * (0.15 + 0.06 * width)
        return -(-tasks // threads) * task

    largest = max(1, min(rows, -(-2 * TILES // across)))
    choices = [(n, parts) for n in range(1, largest + 1) for parts in range(1, min(panels, threads) + 1)]
    return min(choices, key=lambda choice: (estimate(*choice), -choice[0]))


@lru_cache(maxsize=4096)
def winograd_layout(
    shape: Shape,
    filters: int,
    up: Upstream,
    pads: Shape,
    out_size: Shape,
    pool: Shape,
    threads: int,
    itemsize: int,
) -> tuple[IntArray, int]:
    """All numbers that the kernel needs, in one array, which is passed faster than many; and the scratch's size."""
    if pool[0]:
        out_size = (out_size[0] // pool[0] * pool[0], out_size[1] // pool[1] * pool[1])
    panel, down, across = panel_width(itemsize), -(-out_size[0] // TILE), -(-out_size[1] // TILE)
    tile_rows, parts = _division(shape[0] * down, across, -(-filters // panel), threads)
    tiles, width = tile_rows * across, TILE * across + 2
    scratch = whole_lines(6 * width * shape[3]) + PLACES * tiles * (shape[3] + panel) + TILE * TILE * panel
    numbers = (shape[0], *out_size, filters, tile_rows, parts, *pool, *pads, *up, threads)
    return np.array(numbers, np.int64), scratch


def transform_kernel(kernel: FloatArray, bias: FloatArray | None, affine: Affine) -> Weights:
    """A 3x3 kernel's 36 matrices as panels."""
    packed = aligned(PLACES * kernel.shape[2] * kernel.shape[3], kernel.dtype)
    _transform_kernel(kernel, packed)
    return with_affine(packed, kernel, bias, 1, affine)


def winograd(
    source: FloatArray,
    gate: FloatArray,
    won: AnyArray,
    up: Upstream,
    weights: Weights,
    pads: Shape,
    out_size: Shape,
    relu: bool,
    pool: Shape,
    y: FloatArray,
    winner: AnyArray,
) -> None:
    """Convolve with a 3x3 kernel in steps of 1; arguments as in `conv_direct.direct`.

    Channels and filters must fill whole vectors, and the pool's window must divide a tile.
    """
    layout, size = winograd_layout(
        source.shape, weights.filters, up, pads, out_size, pool, get_num_threads(), source.itemsize
    )
    launch(winograd_kernel, source, gate, won, weights, relu, y, winner, layout, size)
