"""The number of threads changes the time a kernel takes, never a bit of its result."""

import numba
import numpy as np
import pytest
import tapwise

from scratchnet.kernels import average_pool, conv, depthwise, gemm, norm, pointwise, pool
from scratchnet.kernels.window import Window

pytestmark = pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="needs two threads")

WINDOW = Window(3, 3, 2, 2, 1, 1, 0, 1)
OUT = (9, 10)
TILES, TILES_OUT = Window(2, 2, 2, 2, 1, 1, 0, 0), (9, 10)
X, KERNEL, DY = (5, 19, 20, 6), (3, 3, 3, 22), (5, *OUT, 22)
DEPTHWISE, DY_DEPTHWISE = (3, 3, 6, 2), (5, *OUT, 12)


def convolution(d):
    x, kernel, dy = d(*X), d(*KERNEL), d(*DY)
    return (
        conv.conv2d_forward(x, kernel, d(22), WINDOW, OUT, 2),
        conv.conv2d_kernel_gradient(x, dy, KERNEL, WINDOW, 2),
        conv.conv2d_input_gradient(dy, kernel, X, WINDOW, 2),
    )


def many_channels(d):
    """What Winograd's algorithm would take in float32, by both algorithms, alone and with ReLU and pool behind it."""
    window, size, fused = Window(3, 3, 1, 1, 1, 1, 1, 1), (13, 18), conv.Fused(True, (2, 2))
    x, kernel, dy = d(5, *size, 32), d(3, 3, 32, 80), d(5, *size, 80)
    for winograd in (False, True)[: 1 + (x.dtype == np.float32)]:
        with tapwise.algorithm(winograd):
            yield conv.conv2d_forward(x, kernel, None, window, size, 1)
            yield conv.conv2d_kernel_gradient(x, dy, kernel.shape, window, 1)
            yield conv.conv2d_input_gradient(dy, kernel, x.shape, window, 1)
            prepared = conv.prepare(kernel, None, window, size, 1, fused.pool)
            y, winner = conv.convolve(x, prepared, window, size, 1, fused, with_winner=True)
            yield from (y, winner)
            behind, by_bias = conv.Behind(fused, y, winner, size), np.empty(80, x.dtype)
            yield conv.conv2d_kernel_gradient(x, d(*y.shape), kernel.shape, window, 1, behind, by_bias)
            yield by_bias
            yield conv.conv2d_input_gradient(d(*y.shape), kernel, x.shape, window, 1, behind)


def fused_convolution(d):
    """Any window, in groups, with ReLU and pool behind it."""
    x, kernel, fused = d(*X), d(*KERNEL), conv.Fused(True, (3, 2))
    prepared = conv.prepare(kernel, d(22), WINDOW, OUT, 2, fused.pool)
    y, winner = conv.convolve(x, prepared, WINDOW, OUT, 2, fused, with_winner=True)
    behind, by_bias = conv.Behind(fused, y, winner, OUT), np.empty(22, x.dtype)
    return (
        y,
        winner,
        conv.conv2d_kernel_gradient(x, d(*y.shape), KERNEL, WINDOW, 2, behind, by_bias),
        by_bias,
        conv.conv2d_input_gradient(d(*y.shape), kernel, X, WINDOW, 2, behind),
    )


def one_image(d):
    """One large image, which the threads share."""
    window, size = Window(5, 5, 1, 1, 1, 1, 2, 2), (40, 40)
    x, kernel, dy = d(1, *size, 3), d(5, 5, 3, 17), d(1, *size, 17)
    return (
        conv.conv2d_forward(x, kernel, None, window, size, 1),
        conv.conv2d_kernel_gradient(x, dy, kernel.shape, window, 1),
        conv.conv2d_input_gradient(dy, kernel, x.shape, window, 1),
    )


def depthwise_convolution(d):
    x, kernel, dy = d(*X), d(*DEPTHWISE), d(*DY_DEPTHWISE)
    return (
        depthwise.depthwise_forward(x, kernel, None, WINDOW, OUT),
        depthwise.depthwise_kernel_gradient(x, dy, DEPTHWISE, WINDOW),
        depthwise.depthwise_input_gradient(dy, kernel, X, WINDOW),
    )


def matrix_products(d):
    a, b = d(130, 300), d(300, 700)
    return (
        gemm.matmul(a, b),
        gemm.matmul(d(300, 130), b, transpose_a=True),
        gemm.matmul(a, d(700, 300), transpose_b=True),
        gemm.matmul(d(3, 300), b),
        gemm.matmul(d(1, 300), d(300, 2000)),
        gemm.matmul(d(30, 300), d(700, 300), transpose_b=True),
        gemm.matmul(a, b, after=gemm.finishing(700, a.dtype, d(700), d(700), d(700)), relu=True),
        gemm.matmul(d(7, 300), b, after=gemm.finishing(700, a.dtype, d(700), d(700), d(700)), relu=True),
    )


def pools(d):
    results = []
    for window, out, channels in [(WINDOW, OUT, 6), (WINDOW, OUT, 18), (TILES, TILES_OUT, 18)]:
        x, dy = d(*X[:3], channels), d(X[0], *out, channels)
        y, winner = pool.max_pool_forward(x, window, out)
        results += [
            y,
            winner,
            pool.max_pool_backward(dy, winner, x.shape, window),
            average_pool.average_pool_forward(x, window, out),
            average_pool.average_pool_backward(dy, x.shape, window),
        ]
    return results


def batch_norm(d):
    x, dy, scale = d(*X[:3], 18), d(*X[:3], 18), d(18)
    mean, variance = norm.moments(x, relu=True)
    channels = norm.ChannelMap(scale, mean, True, True)
    sums = norm.gradient_sums(x, dy, channels, mean)
    gradient = norm.training_gradient(mean, 1 / np.sqrt(variance), scale, sums, x.size // 18)
    results = [mean, variance, norm.map_channels(x, channels), *sums, norm.input_gradient(x, dy, channels, gradient)]
    for window, out in [(WINDOW, OUT), (TILES, TILES_OUT)]:
        y, winner, winning_x = pool.mapped_max_pool_forward(x, channels, window, out, keep_x=True)
        dx = pool.mapped_max_pool_backward(d(*y.shape), winner, x.shape, window, gradient, x, True)
        results += [y, winner, winning_x, dx]
    return results


def elementwise(d):
    x = d(50_000)
    y = pointwise.relu(x)
    dropped, sums = pointwise.dropout(x, 0.4, 99), pointwise.column_sums(d(9_000, 7))
    return (y, pointwise.relu_gradient(d(50_000), y), pointwise.erf(x), dropped, sums)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "kernels",
    [
        convolution, many_channels, fused_convolution, one_image, depthwise_convolution, matrix_products, pools,
        batch_norm, elementwise,
    ],
)  # fmt: skip
def test_results_do_not_depend_on_the_number_of_threads(kernels, dtype):
    def compute(threads):
        rng = np.random.default_rng(3)
        numba.set_num_threads(threads)
        return list(kernels(lambda *shape: rng.standard_normal(shape).astype(dtype)))

    before = numba.get_num_threads()
    try:
        one, many = compute(1), [compute(n) for n in range(2, numba.config.NUMBA_NUM_THREADS + 1)]
    finally:
        numba.set_num_threads(before)
    for results in many:
        for expected, result in zip(one, results, strict=True):
            assert expected.tobytes() == result.tobytes()
