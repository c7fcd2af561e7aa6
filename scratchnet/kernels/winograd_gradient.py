"""The gradient of a 3x3 convolution by its kernel, with Winograd's tiles; see `winograd` for the forward.

The derivative of the forward's formula by the kernel g is, with Z = A dz A^T,

    dg = G^T [sum over tiles of (B^T d B) * Z] G

and the sum, for each of the 36 places and all channels and filters, is a matrix product over the tiles.
"""

from typing import Any

import numpy as np
from numba import get_num_threads, prange, types
from numba.extending import intrinsic

from scratchnet.arrays import AnyArray, FloatArray, Shape
from scratchnet.kernels import buffers
from scratchnet.kernels.denormals import flush_denormals, restore
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.patches import load_band, scratch_for, whole_lines
from scratchnet.kernels.simd import ROWS, VECTOR_BYTES, VECTORS, Vectors, data_of, index, panel_product, vector_loop
from scratchnet.kernels.upstream import NO_WINNER, PLAIN, Upstream
from scratchnet.kernels.window import UNSIGNED
from scratchnet.kernels.winograd import (
    BY_FAR,
    BY_NEAR,
    BY_ZERO,
    FAR,
    FAR_2,
    NEAR,
    NEAR_2,
    PLACES,
    TILE,
    input_tile,
)

STAGE_BYTES = 5 * 2**20  # of transformed inputs and gradients at a time: they stay in the caches of the cores


def _spread_gradient(simd: Vectors, z: list[Any]) -> list[Any]:
    """A z for four vectors."""
    b, c = simd.builder, simd.constant
    even, odd = simd.fma(c(NEAR_2), z[2], z[0]), simd.fma(c(NEAR_2), z[3], z[1])
    even_2, odd_2 = simd.fma(c(FAR_2), z[2], z[0]), simd.fma(c(FAR_2), z[3], z[1])
    return [
        z[0],
        simd.fma(c(NEAR), odd, even),
        simd.fma(c(NEAR), b.fneg(odd), even),
        simd.fma(c(FAR), odd_2, even_2),
        simd.fma(c(FAR), b.fneg(odd_2), even_2),
        z[3],
    ]


@intrinsic  # type: ignore[untyped-decorator]
def _gradient_tile(
    typing: Any, dz: Any, at: Any, row: Any, pixel: Any, z: Any, z_at: Any, place: Any, filters: Any
) -> Any:
    """Z[i, j] = (A dz A^T)[i, j] for `filters` filters; dz is read at `at + i * row + j * pixel`."""
    i = types.intp
    signature = types.void(dz, i, i, i, z, i, i, i)

    def codegen(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        dz, z = data_of(context, b, signature, arguments, (0, 4))
        at, row, pixel, z_at, place, filters = (arguments[n] for n in (1, 2, 3, 5, 6, 7))
        simd = Vectors(b, context.get_value_type(signature.args[0].dtype))
        source = [
            [b.add(b.add(at, b.mul(row, index(i))), b.mul(pixel, index(j))) for j in range(TILE)] for i in range(TILE)
        ]
        target = [b.add(z_at, b.mul(place, index(n))) for n in range(PLACES)]

        def body(f: Any) -> None:
            columns = [
                _spread_gradient(simd, [simd.load(dz, b.add(source[i][j], f)) for i in range(TILE)])
                for j in range(TILE)
            ]
            for i in range(6):
                for j, value in enumerate(_spread_gradient(simd, [column[i] for column in columns])):
                    simd.store(value, z, b.add(target[i * 6 + j], f))

        vector_loop(simd, filters, body)
        return context.get_dummy_value()

    return signature, codegen


@kernel(parallel=True)
def _stages(x, no_tap, plain, dy, gate, won, up, size, pad_top, pad_left, stage_rows, v, z, m, bias_partial, scratch):
    """m[place] (channels, filters) = sum over tiles; a stage transforms some rows of tiles, then multiplies them."""
    out_height, out_width = size
    batch, channels, filters = x.shape[0], x.shape[3], dy.shape[3]
    lanes = VECTOR_BYTES // x.itemsize
    panel = lanes * VECTORS
    down, across = -(-out_height // 4), -(-out_width // 4)
    tiles, width = stage_rows * across, 4 * across + 2
    panels, workers = -(-filters // panel), scratch.shape[0]
    pixels = x.reshape(-1)
    x_size = (x.shape[1], x.shape[2])
    dy_size = (dy.shape[1], dy.shape[2])
    values, gates, winners = dy.reshape(-1), gate.reshape(-1), won.reshape(-1)
    row_blocks = -(-channels // ROWS)
    padded_size = -(-6 * width * channels // lanes) * lanes
    for first_row in range(0, batch * down, stage_rows):
        rows = min(stage_rows, batch * down - first_row)
        count = rows * across
        for worker in prange(workers):
            mode = flush_denormals()
            edge, free = scratch[worker, : ROWS * panel], scratch[worker, ROWS * panel :]
            padded, band = free[:padded_size], free[padded_size:]
            for r in range(worker, rows, workers):
                image, top = (first_row + r) // down, (first_row + r) % down * 4
                load_band(pixels, pixels, no_tap, plain, x_size, channels, image, top - pad_top, 6, -pad_left, width,
                          padded, 0)  # fmt: skip
                load_band(values, gates, winners, up, dy_size, filters, image, top, 4, 0, 4 * across, band, 0)
                sums = bias_partial[first_row + r]
                for n in range(filters):
                    sums[n] = 0
                for pixel in range(16 * across):
                    at = UNSIGNED(pixel * filters)
                    for n in range(UNSIGNED(filters)):
                        sums[n] += band[at + n]
                for t in range(across):
                    tile = r * across + t
                    input_tile(padded, t * 4 * channels, width * channels, channels, v, tile * channels,
                               tiles * channels, channels)  # fmt: skip
                    for p in range(panels):
                        columns = min(panel, filters - p * panel)
                        _gradient_tile(band, t * 4 * filters + p * panel, 4 * across * filters, filters,
                                       z, p * panel * tiles + tile * columns, tiles * filters, columns)  # fmt: skip
            restore(mode)
        for task in prange(36 * panels):
            mode = flush_denormals()
            starts, runs_at = np.empty(ROWS, np.int64), np.zeros(1, np.int64)
            place, first = task // panels, task % panels * panel
            columns = min(panel, filters - first)
            edge = np.empty(ROWS * panel, x.dtype)
            for block in range(row_blocks):
                height = min(ROWS, channels - block * ROWS)
                for i in range(height):
                    starts[i] = place * tiles * channels + block * ROWS + i
                panel_product(
                    v, starts, height, runs_at, 1, channels,
                    z, place * tiles * filters + first * tiles, count, columns,
                    m, (place * channels + block * ROWS) * filters + first, filters,
                    first_row > 0, False, z, 0, x.dtype.type(0), edge,
                )  # fmt: skip
            restore(mode)


@kernel
def _kernel_column(m, half):
    """G^T m for six rows of numbers; half is (3, size)."""
    number = m.dtype.type
    near, near_2, far, far_2 = number(NEAR), number(NEAR_2), number(FAR), number(FAR_2)
    by_zero, by_near, by_far = number(BY_ZERO), number(BY_NEAR), number(BY_FAR)
    m_0, m_1, m_2, m_3, m_4, m_5 = m[0], m[1], m[2], m[3], m[4], m[5]
    top, middle, bottom = half[0], half[1], half[2]
    for n in range(top.size):
        plus, minus = (m_1[n] + m_2[n]) * by_near, (m_1[n] - m_2[n]) * by_near
        plus_2, minus_2 = (m_3[n] + m_4[n]) * by_far, (m_3[n] - m_4[n]) * by_far
        top[n] = m_0[n] * by_zero + (plus + plus_2)
        middle[n] = near * minus + far * minus_2
        bottom[n] = near_2 * plus + far_2 * plus_2 + m_5[n]


@kernel
def _copy(source, target):
    for n in range(target.size):
        target[n] = source[n]


@kernel
def _collect_channel(m, c, by_kernel):
    filters = by_kernel.shape[3]
    half, turned = np.empty((6, 3, filters), m.dtype), np.empty((6, filters), m.dtype)
    whole = np.empty((3, filters), m.dtype)
    for j in range(6):
        for i in range(6):
            _copy(m[i * 6 + j, c], turned[i])
        _kernel_column(turned, half[j])
    for i in range(3):
        for j in range(6):
            _copy(half[j, i], turned[j])
        _kernel_column(turned, whole)
        for j in range(3):
            _copy(whole[j], by_kernel[i, j, c])


@kernel(parallel=True)
def _collect(m, by_kernel):
    """G^T M G per channel and filter."""
    for c in prange(by_kernel.shape[2]):
        mode = flush_denormals()
        _collect_channel(m, c, by_kernel)
        restore(mode)


def winograd_kernel_gradient(
    x: FloatArray,
    dy: FloatArray,
    gate: FloatArray,
    won: AnyArray,
    up: Upstream,
    pads: Shape,
    out_size: Shape,
) -> tuple[FloatArray, FloatArray]:
    """The gradients by a 3x3 kernel and by the bias; arguments as in `conv_gradients.kernel_gradient`."""
    channels, filters = x.shape[3], dy.shape[3]
    threads = get_num_threads()
    down, across = -(-out_size[0] // TILE), -(-out_size[1] // TILE)
    fitting = STAGE_BYTES // (PLACES * (channels + filters) * x.itemsize * across)
    stage_rows = max(1, min(len(x) * down, fitting))
    tiles, width = stage_rows * across, TILE * across + 2
    v, z = buffers.empty((PLACES * tiles * channels,), x.dtype), buffers.empty((PLACES * tiles * filters,), x.dtype)
    m = buffers.empty((PLACES, channels, filters), x.dtype)
    bias_partial = buffers.empty((len(x) * down, filters), x.dtype)
    size = whole_lines(6 * width * channels) + TILE * TILE * across * filters
    _stages(
        x, NO_WINNER.reshape(-1), PLAIN, dy, gate, won, up, out_size, pads[0], pads[1], stage_rows, v, z, m.reshape(-1),
        bias_partial, scratch_for(threads, size, x.dtype),
    )  # fmt: skip
    by_kernel = buffers.empty((3, 3, channels, filters), x.dtype)
    _collect(m, by_kernel)
    return by_kernel, bias_partial.sum(axis=0, dtype=np.float64).astype(x.dtype)
