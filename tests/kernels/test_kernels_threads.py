"""The number of threads changes the time a kernel takes, never a bit of its result."""

import numba
import numpy as np
import pytest

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
    "kernels", [convolution, depthwise_convolution, matrix_products, pools, batch_norm, elementwise]
)
def test_results_do_not_depend_on_the_number_of_threads(kernels, dtype):
    def compute(threads):
        rng = np.random.default_rng(3)
        numba.set_num_threads(threads)
        return kernels(lambda *shape: rng.standard_normal(shape).astype(dtype))

    before = numba.get_num_threads()
    try:
        one, many = compute(1), [compute(n) for n in range(2, numba.config.NUMBA_NUM_THREADS + 1)]
    finally:
        numba.set_num_threads(before)
    for results in many:
        for expected, result in zip(one, results, strict=True):
            assert expected.tobytes() == result.tobytes()
