"""No kernel reads or writes an element outside its arrays.

Inputs lie between NaN, which would show in the results. Every array that a kernel's wrapper allocates, results and
scratch alike, lies between canaries that must survive; it starts full of NaN, which would show if it were read before
it is written.
"""

import math
from contextlib import contextmanager

import numpy as np
import pytest

from scratchnet.kernels import average_pool, buffers, conv, cross_entropy, depthwise, gemm, norm, pointwise, pool
from scratchnet.kernels.window import Window

MARGIN = 96  # more than a tile is wide
CANARY = 1.25e30


def surrounded(array):
    """A copy with NaN before and behind it in memory."""
    whole = np.full(array.size + 2 * MARGIN, np.nan, array.dtype)
    inner = whole[MARGIN : MARGIN + array.size].reshape(array.shape)
    inner[...] = array
    return inner


@contextmanager
def guarded_allocations(monkeypatch):
    """Let `np.empty` hand out arrays between canaries, and check these at the end."""
    allocated = []
    numpy_empty = np.empty

    def guarded_empty(shape, dtype=np.float64):
        size, dtype = int(np.prod(shape)), np.dtype(dtype)
        canary = CANARY if dtype.kind == "f" else 1
        whole = np.full(size + 2 * MARGIN, canary, dtype)
        if dtype.kind == "f":
            whole[MARGIN : MARGIN + size] = np.nan
        allocated.append((whole, size, canary))
        return whole[MARGIN : MARGIN + size].reshape(shape)

    monkeypatch.setattr(np, "empty", guarded_empty)
    try:
        yield
    finally:
        monkeypatch.setattr(np, "empty", numpy_empty)
    assert allocated
    for whole, size, canary in allocated:
        for outside in (whole[:MARGIN], whole[MARGIN + size :]):
            np.testing.assert_array_equal(outside, np.array(canary, whole.dtype))


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
    ]:
        yield gemm.matmul(d(rows, depth), d(depth, columns))
        yield gemm.matmul(d(depth, rows), d(depth, columns), transpose_a=True)
        yield gemm.matmul(d(rows, depth), d(columns, depth), transpose_b=True)
        yield gemm.matmul(d(depth, rows), d(columns, depth), transpose_a=True, transpose_b=True)


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
    for size in (1, 17, pointwise.BLOCK + 3):
        x = d(size)
        y = pointwise.relu(x)
        yield y
        yield pointwise.relu_gradient(d(size), y)
        yield pointwise.erf(x)
        yield pointwise.dropout(x, 0.5, 3)
    for rows, columns in [(1, 1), (300, 7), (1, 300), (pointwise.SERIAL, 3)]:
        yield pointwise.column_sums(d(rows, columns))


def cross_entropies(d):
    for rows, classes in [(1, 1), (5, 7), (64, 33)]:
        z, targets, dy = d(rows, classes), d(rows, classes), d(rows)
        losses, softmax = cross_entropy.dense_loss(z, targets)
        yield from (losses, *softmax, cross_entropy.dense_gradient(dy, targets, softmax))
        labels = np.arange(rows) % classes
        losses, softmax = cross_entropy.sparse_loss(z, labels)
        yield from (losses, *softmax, cross_entropy.sparse_gradient(dy, labels, softmax))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "kernels",
    [
        convolutions, depthwise_convolutions, products, pools, normalizations, pooled_normalizations, elementwise,
        cross_entropies,
    ],  # fmt: skip
)
def test_nothing_outside_the_arrays_is_read_or_written(kernels, dtype, monkeypatch):
    def compute(place):
        rng = np.random.default_rng(11)
        return list(kernels(lambda *shape: place(rng.standard_normal(shape).astype(dtype))))

    expected = compute(np.copy)  # compiles the kernels too, before `np.empty` is replaced
    monkeypatch.setattr(buffers, "POOLED_BYTES", math.inf)  # so that all arrays come from `np.empty`
    monkeypatch.setattr(np, "empty_like", lambda array: np.empty(array.shape, array.dtype))
    with guarded_allocations(monkeypatch):
        results = compute(surrounded)
    for plain, guarded in zip(expected, results, strict=True):
        assert np.isfinite(guarded).all()
        assert plain.tobytes() == guarded.tobytes()
