"""Calls of every kernel, with shapes that leave no whole tile, vector or window.

Each function takes `d(*shape)`, which draws an array and decides where it lies, and yields results.
"""

import numpy as np
import tapwise

from scratchnet.kernels import (
    average_pool,
    conv,
    cross_entropy,
    depthwise,
    gemm,
    norm,
    pointwise,
    pool,
    probabilities,
)
from scratchnet.kernels.patches import Affine
from scratchnet.kernels.window import Window


def convolutions(d):
    for window, out, groups, channels, filters in [
        (Window(3, 3, 1, 1, 1, 1, 1, 1), (5, 6), 1, 2, 5),
        (Window(4, 2, 2, 3, 1, 2, 2, 0), (3, 2), 2, 4, 34),
        (Window(5, 5, 1, 1, 2, 2, 4, 4), (5, 6), 1, 1, 17),
        (Window(2, 2, 4, 4, 1, 1, 9, 9), (5, 5), 1, 3, 1),  # the first and the last windows see nothing but padding
        (Window(1, 1, 1, 1, 1, 1, 0, 0), (5, 6), 3, 3, 3),
    ]:
        x, kernel = d(2, 5, 6, channels), d(window.height, window.width, channels // groups, filters)
        dy = d(2, *out, filters)
        yield conv.conv2d_forward(x, kernel, d(filters), window, out, groups)
        yield conv.conv2d_kernel_gradient(x, dy, kernel.shape, window, groups)
        yield conv.conv2d_input_gradient(dy, kernel, x.shape, window, groups)


def fused_convolutions(d):
    for window, out, groups, channels, filters, pool_size in [
        (Window(3, 3, 1, 1, 1, 1, 1, 1), (5, 6), 1, 3, 5, (2, 2)),
        (Window(3, 3, 1, 1, 1, 1, 1, 1), (5, 6), 1, 16, 64, (2, 3)),
        (Window(4, 2, 2, 3, 1, 2, 2, 0), (3, 2), 2, 4, 34, (3, 1)),
        (Window(1, 1, 1, 1, 1, 1, 0, 0), (5, 6), 3, 3, 3, (1, 4)),
        (Window(2, 2, 1, 1, 1, 1, 0, 0), (4, 5), 1, 2, 17, (0, 0)),
    ]:
        yield from _fused(d, window, out, groups, channels, filters, pool_size, winograd=False)


def _fused(d, window, out, groups, channels, filters, pool_size, winograd):
    fused = conv.Fused(True, pool_size)
    x, kernel = d(2, 5, 6, channels), d(window.height, window.width, channels // groups, filters)
    with tapwise.algorithm(winograd):
        prepared = conv.prepare(kernel, d(filters), window, out, groups, pool_size)
        y, winner = conv.convolve(x, prepared, window, out, groups, fused, with_winner=pool_size[0] > 0)
        yield y
        behind, by_bias, dy = conv.Behind(fused, y, winner, out), d(filters), d(*y.shape)
        yield conv.conv2d_kernel_gradient(x, dy, kernel.shape, window, groups, behind, by_bias)
        yield by_bias
        yield conv.conv2d_input_gradient(dy, kernel, x.shape, window, groups, behind)
        affine = Affine(d(filters), d(filters), d(2, filters) if pool_size[0] else None)
        prepared = conv.prepare(kernel, None, window, out, groups, pool_size, affine=affine)
        yield conv.convolve(x, prepared, window, out, groups, fused)[0]


def winograd_convolutions(d):
    for channels, filters in [(16, 16), (32, 80), (64, 48)]:
        for window, out in [
            (Window(3, 3, 1, 1, 1, 1, 1, 1), (5, 6)),
            (Window(3, 3, 1, 1, 1, 1, 0, 0), (3, 4)),
            (Window(3, 3, 1, 1, 1, 1, 2, 2), (7, 9)),
        ]:
            x, kernel, dy = d(2, 5, 6, channels), d(3, 3, channels, filters), d(2, *out, filters)
            with tapwise.algorithm(winograd=True):
                yield conv.conv2d_forward(x, kernel, d(filters), window, out, 1)
                by_bias = d(filters)
                yield conv.conv2d_kernel_gradient(x, dy, kernel.shape, window, 1, None, by_bias)
                yield by_bias
                yield conv.conv2d_input_gradient(dy, kernel, x.shape, window, 1)


def fused_winograd_convolutions(d):
    window = Window(3, 3, 1, 1, 1, 1, 1, 1)
    for filters, pool_size in [(16, (2, 2)), (80, (0, 0)), (32, (4, 1))]:
        yield from _fused(d, window, (5, 6), 1, 16, filters, pool_size, winograd=True)


def depthwise_convolutions(d):
    for window, out, multiplier in [
        (Window(3, 3, 1, 1, 1, 1, 1, 1), (5, 6), 1),
        (Window(4, 2, 2, 3, 2, 1, 3, 0), (3, 2), 3),
        (Window(2, 2, 4, 4, 1, 1, 9, 9), (5, 5), 2),
    ]:
        x, kernel, dy = d(2, 5, 6, 9), d(window.height, window.width, 9, multiplier), d(2, *out, 9 * multiplier)
        yield depthwise.depthwise_forward(x, kernel, None, window, out)
        yield depthwise.depthwise_kernel_gradient(x, dy, kernel.shape, window)
        yield depthwise.depthwise_input_gradient(dy, kernel, x.shape, window)


def products(d):
    for rows, depth, columns in [
        (1, 1, 1),
        (3, 5, 7),
        (5, 5, 7),
        (13, 40, 33),
        (49, gemm.DEPTH_BLOCK + 1, 65),
        (6, 3, 64),
        (64, 130, 70),
        (65, 130, 70),
        (2, 9, 1030),
    ]:
        yield gemm.matmul(d(rows, depth), d(depth, columns))
        yield gemm.matmul(d(depth, rows), d(depth, columns), transpose_a=True)
        yield gemm.matmul(d(rows, depth), d(columns, depth), transpose_b=True)
        yield gemm.matmul(d(depth, rows), d(columns, depth), transpose_a=True, transpose_b=True)
        after = gemm.finishing(columns, d(0).dtype, d(columns), d(columns), d(columns))
        yield gemm.matmul(d(rows, depth), d(depth, columns), after=after, relu=True)


POOLS = [
    (window, out, channels)
    for window, out in [
        (Window(2, 2, 2, 2, 1, 1, 0, 0), (2, 3)),
        (Window(2, 2, 3, 3, 1, 1, 0, 0), (2, 2)),  # with pixels between the windows
        (Window(3, 3, 2, 2, 1, 1, 1, 1), (3, 3)),
        (Window(4, 5, 1, 1, 1, 1, 1, 2), (5, 6)),
        (Window(9, 9, 1, 1, 1, 1, 4, 4), (5, 6)),  # larger than the image
    ]
    for channels in (7, 19)
]


def pools(d):
    for window, out, channels in POOLS:
        x, dy = d(2, 5, 6, channels), d(2, *out, channels)
        y, winner = pool.max_pool_forward(x, window, out)
        yield y
        yield pool.max_pool_backward(dy, winner, x.shape, window)
        yield average_pool.average_pool_forward(x, window, out)
        yield average_pool.average_pool_backward(dy, x.shape, window)


def normalizations(d):
    for rows in (1, 31, 300):
        x, dy, mean, scale = d(rows, 5), d(rows, 5), d(5), d(5)
        yield from norm.moments(x)
        channels = norm.ChannelMap(scale, mean, False, True)
        yield norm.map_channels(x, channels)
        sums = norm.gradient_sums(x, dy, channels, mean)
        yield from sums
        yield norm.input_gradient(x, dy, channels, norm.training_gradient(mean, np.abs(scale), scale, sums, rows))


def pooled_normalizations(d):
    for window, out, channels in POOLS:
        x, dy, mean, scale = d(2, 5, 6, channels), d(2, *out, channels), d(channels), d(channels)
        mapping = norm.ChannelMap(scale, mean, True, True)
        y, winner, winning_x = pool.mapped_max_pool_forward(x, mapping, window, out, keep_x=True)
        yield y
        yield winning_x
        gradient = norm.InputGradient(scale, mean, scale, mean, True)
        yield pool.mapped_max_pool_backward(dy, winner, x.shape, window, gradient, x, True)


def elementwise(d):
    for size in (1, 17, pointwise.BLOCK + 3, pointwise.SERIAL + 3):
        x = d(size)
        y = pointwise.relu(x)
        yield y
        yield pointwise.relu_gradient(d(size), y)
        yield pointwise.erf(x)
        yield pointwise.dropout(x, 0.5, 3)


def column_sums(d):
    for rows, columns in [(1, 1), (3, 5), (1000, 7), (700, 130)]:
        yield pointwise.column_sums(d(rows, columns))


def cross_entropies(d):
    for rows, classes in [(1, 1), (5, 7), (64, 33)]:
        z, targets, dy = d(rows, classes), d(rows, classes), d(rows)
        losses, softmax = cross_entropy.dense_loss(z, targets)
        yield from (losses, *softmax, cross_entropy.dense_gradient(dy, targets, softmax))
        labels = np.arange(rows) % classes
        losses, softmax = cross_entropy.sparse_loss(z, labels)
        yield from (losses, *softmax, cross_entropy.sparse_gradient(dy, labels, softmax))


def probabilities_of(d):
    for rows, classes in [(1, 1), (5, 7), (64, 16), (64, 33)]:
        yield probabilities.softmax(d(rows, classes))
        yield probabilities.logistic(d(rows, classes))


def bound_products(d):
    """As programs of prediction run them: with results and scratch that the caller provides."""
    for rows, depth, columns in [(1, 1, 1), (3, 5, 7), (1, 300, 130), (6, 200, 70), (65, 130, 70)]:
        after = gemm.finishing(columns, d(0).dtype, d(columns), d(columns), d(columns))
        yield _run_bound(d, gemm.bind(rows, d(depth, columns), after, True), (rows, depth))


def bound_convolutions(d):
    for window, out, channels, filters, pool_size in [
        (Window(3, 3, 1, 1, 1, 1, 1, 1), (5, 6), 3, 5, (2, 2)),
        (Window(3, 3, 1, 1, 1, 1, 1, 1), (5, 6), 16, 64, (2, 3)),
        (Window(2, 2, 1, 1, 1, 1, 0, 0), (4, 5), 2, 17, (0, 0)),
        (Window(3, 3, 1, 1, 1, 1, 1, 1), (5, 6), 1, 32, (2, 2)),
    ]:
        yield _bound_convolution(d, window, out, channels, filters, pool_size)


def bound_winograd_convolutions(d):
    for channels, filters, pool_size in [(16, 16, (0, 0)), (32, 80, (2, 2))]:
        with tapwise.algorithm(winograd=True):
            yield _bound_convolution(d, Window(3, 3, 1, 1, 1, 1, 1, 1), (5, 6), channels, filters, pool_size)


def _bound_convolution(d, window, out, channels, filters, pool_size):
    kernel = d(window.height, window.width, channels, filters)
    affine = Affine(d(filters), d(filters), d(2, filters) if pool_size[0] else None)
    prepared = conv.prepare(kernel, d(filters), window, out, 1, pool_size, affine=affine)
    bound = conv.bind((2, 5, 6, channels), kernel.dtype, prepared, window, out, 1, conv.Fused(True, pool_size))
    return _run_bound(d, bound, (2, 5, 6, channels))


def _run_bound(d, bound, takes):
    x, y = d(*takes), d(*bound.shape)
    bound.call(x, y, d(*bound.scratch))
    return y


ALL = [
    convolutions, fused_convolutions, depthwise_convolutions, products, pools, normalizations, pooled_normalizations,
    elementwise, column_sums, cross_entropies, probabilities_of, bound_products, bound_convolutions,
]  # fmt: skip
ONLY_FLOAT32 = [winograd_convolutions, fused_winograd_convolutions, bound_winograd_convolutions]


# every one of these functions with every dtype that it takes
CASES = [(function, dtype) for function in ALL for dtype in ("float32", "float64")]
CASES += [(function, "float32") for function in ONLY_FLOAT32]


def compute(function, dtype, place):
    """The results with every array drawn anew and put where `place` says."""
    rng = np.random.default_rng(11)
    return [np.copy(y) for y in function(lambda *shape: place(rng.standard_normal(shape).astype(dtype)))]
