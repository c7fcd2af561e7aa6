"""Two-dimensional convolution, NHWC with HWIO kernels, and its gradients; optionally with ReLU and max pool behind it.

    y = pool(relu(x * kernel + bias))

There are two algorithms: the definition, on the register tile (`conv_direct`), and Winograd's for 3x3 kernels
(`winograd`), which `uses_winograd` chooses by shape.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import get_num_threads

from scratchnet.arrays import AnyArray, FloatArray, Shape
from scratchnet.kernels import buffers
from scratchnet.kernels.conv_direct import direct, direct_kernel, direct_layout
from scratchnet.kernels.conv_gradients import kernel_gradient, scattered_input_gradient
from scratchnet.kernels.gemm import Bound
from scratchnet.kernels.patches import Affine, Weights, flipped, floor_of, pack_kernel, scratch_shape
from scratchnet.kernels.simd import VECTOR_BYTES
from scratchnet.kernels.upstream import NO_WINNER, PLAIN, Upstream
from scratchnet.kernels.window import Window
from scratchnet.kernels.winograd import TILE, transform_kernel, winograd, winograd_kernel, winograd_layout
from scratchnet.kernels.winograd_gradient import winograd_kernel_gradient

LEAST_TILES = 4

_exact = False


def set_exact(exact: bool) -> None:
    """Whether all convolutions are computed by their definition, in this process.

    By default, 3x3 convolutions of many channels use Winograd's algorithm, which takes a quarter of the
    multiplications. For normally distributed numbers its largest error is at most 5e-6 of the largest sum, and of a
    kernel's gradient at most 2e-5 of its root mean square: `scratchnet bench --only accuracy` shows them beside those
    of the definition. But the error of a sum is in proportion to the largest numbers in its neighbourhood of 6x6
    pixels, not to the sum: an outlier of 1e5 disturbs sums that do not see it by some 1e-6 of those that do, and an
    infinity among the inputs becomes NaN in a neighbourhood of 4x4 pixels.
    """
    global _exact
    _exact = bool(exact)


def is_exact() -> bool:
    """What `set_exact` has set."""
    return _exact


class Fused(NamedTuple):
    """What follows the sums: a ReLU, and a max pool that steps by its own window, (0, 0) for none."""

    relu: bool = False
    pool: Shape = (0, 0)


LINEAR = Fused()
NO_AFFINE = Affine()


class Prepared(NamedTuple):
    """A kernel and a bias, packed for convolutions of one geometry."""

    weights: Weights
    winograd: bool


def uses_winograd(
    kernel_shape: Shape,
    window: Window,
    out_size: Shape,
    groups: int,
    dtype: np.dtype[Any],
    pool: Shape = (0, 0),
    images: int = 1,
) -> bool:
    """The rule: float32, 3x3, steps and dilation of 1, one group; channels and filters that fill vectors.

    60% of the pixels of the 4x4 tiles must lie inside the images, or the tiles compute more than they save. And there
    must be `LEAST_TILES` of them: the packed kernel is four times as large, and packing and reading it takes time.

    Args:
        images: over how many images each result is a sum: 1 except for the kernel's gradient. The batch is not asked
            for, so that the result for an image does not depend on the images beside it.
    """
    if _exact or dtype != np.float32 or window[:6] != (3, 3, 1, 1, 1, 1) or groups != 1:
        return False
    lanes = VECTOR_BYTES // 4
    if kernel_shape[2] % lanes or kernel_shape[3] % lanes or (pool[0] and (TILE % pool[0] or TILE % pool[1])):
        return False
    down, across = -(-out_size[0] // TILE), -(-out_size[1] // TILE)
    covered = out_size[0] * out_size[1] >= 0.6 * TILE * TILE * down * across
    return covered and images * down * across >= LEAST_TILES


def prepare(
    kernel: FloatArray,
    bias: FloatArray | None,
    window: Window,
    out_size: Shape,
    groups: int,
    pool: Shape = (0, 0),
    winograd: bool | None = None,
    affine: Affine = NO_AFFINE,
) -> Prepared:
    """Pack a kernel (height, width, channels / groups, filters) and a bias (filters,) for `convolve`.

    Args:
        winograd: whether by Winograd's algorithm; decided by `uses_winograd` if None.
        affine: what else is done to each filter.
    """
    if winograd is None:
        winograd = uses_winograd(kernel.shape, window, out_size, groups, kernel.dtype, pool)
    if winograd:
        return Prepared(transform_kernel(kernel, bias, affine), True)
    return Prepared(pack_kernel(kernel, bias, groups, affine), False)


def convolve(
    x: FloatArray,
    prepared: Prepared,
    window: Window,
    out_size: Shape,
    groups: int,
    fused: Fused = LINEAR,
    with_winner: bool = False,
) -> tuple[FloatArray, AnyArray]:
    """Convolve with a prepared kernel.

    Args:
        x: (batch, height, width, channels), C-contiguous.
        out_size: the result's height and width, before pooling.
        with_winner: whether to return which tap of each pool window won, counted along its rows.

    Returns:
        The result, (batch, *size, filters), and the taps, of the same shape or empty.
    """
    size = (out_size[0] // fused.pool[0], out_size[1] // fused.pool[1]) if fused.pool[0] else out_size
    y = buffers.empty((len(x), *size, prepared.weights.filters), x.dtype)
    winner = buffers.empty(y.shape, np.uint8) if with_winner else NO_WINNER
    _run(x, x, NO_WINNER, PLAIN, prepared, window, out_size, groups, fused, y, winner)
    return y, winner


def bind(
    shape: Shape, dtype: np.dtype[Any], prepared: Prepared, window: Window, out_size: Shape, groups: int, fused: Fused
) -> Bound:
    """`convolve` for images of one shape."""
    size = (out_size[0] // fused.pool[0], out_size[1] // fused.pool[1]) if fused.pool[0] else out_size
    weights, relu = prepared.weights, fused.relu
    threads, convolution = get_num_threads(), winograd_kernel if prepared.winograd else direct_kernel
    if prepared.winograd:
        pads = (window.pad_top, window.pad_left)
        layout, scratch = winograd_layout(
            shape, weights.filters, PLAIN, pads, out_size, fused.pool, threads, dtype.itemsize
        )  # fmt: skip
    else:
        layout, scratch = direct_layout(
            shape, weights.filters, PLAIN, window, out_size, groups, fused.pool, threads, dtype.itemsize
        )
    packed, after, _, pooled = weights
    floor = floor_of(relu, dtype)

    def call(x: FloatArray, y: FloatArray, scratch: FloatArray) -> None:
        convolution(x, x, NO_WINNER, packed, after, floor, y, NO_WINNER, pooled, layout, scratch)

    return Bound(call, (shape[0], *size, weights.filters), scratch_shape(int(layout[-1]), scratch, dtype))


def _run(
    source: FloatArray,
    gate: FloatArray,
    won: AnyArray,
    up: Upstream,
    prepared: Prepared,
    window: Window,
    out_size: Shape,
    groups: int,
    fused: Fused,
    y: FloatArray,
    winner: AnyArray,
) -> None:
    if y.size == 0:
        return
    if prepared.winograd:
        pads = (window.pad_top, window.pad_left)
        winograd(source, gate, won, up, prepared.weights, pads, out_size, fused.relu, fused.pool, y, winner)
    else:
        weights, pool = prepared.weights, fused.pool
        direct(source, gate, won, up, weights, window, out_size, groups, fused.relu, pool, y, winner)


def conv2d_forward(
    x: FloatArray, kernel: FloatArray, bias: FloatArray | None, window: Window, out_size: Shape, groups: int
) -> FloatArray:
    """Convolve, with nothing behind it; arguments as in `prepare` and `convolve`, all arrays C-contiguous."""
    return convolve(x, prepare(kernel, bias, window, out_size, groups), window, out_size, groups)[0]


class Behind(NamedTuple):
    """What came after the sums, as going back needs it: what `convolve` returned, and the sums' height and width."""

    fused: Fused
    y: FloatArray
    winner: AnyArray
    out_size: Shape


def _upstream(dy: FloatArray, behind: Behind | None) -> tuple[FloatArray, AnyArray, Upstream, Shape]:
    if behind is None:
        return dy, NO_WINNER, PLAIN, dy.shape[1:3]
    size = behind.out_size if behind.fused.pool[0] else (0, 0)
    return behind.y, behind.winner, Upstream(int(behind.fused.relu), *behind.fused.pool, *size), behind.out_size


def conv2d_kernel_gradient(
    x: FloatArray,
    dy: FloatArray,
    kernel_shape: Shape,
    window: Window,
    groups: int,
    behind: Behind | None = None,
    by_bias: FloatArray | None = None,
) -> FloatArray:
    """The loss's gradient by the kernel.

    Args:
        dy: the one by the result, of its shape.
        behind: with what the result was made from the sums; None if it is the sums.
        by_bias: (filters,), takes the gradient by the bias, which comes along.
    """
    gate, won, up, out_size = _upstream(dy, behind)
    if x.size == 0 or dy.size == 0:
        by_kernel, total = np.zeros(kernel_shape, x.dtype), np.zeros(kernel_shape[3], x.dtype)
    elif uses_winograd(kernel_shape, window, out_size, groups, x.dtype, images=len(x)):
        pads = (window.pad_top, window.pad_left)
        by_kernel, total = winograd_kernel_gradient(x, dy, gate, won, up, pads, out_size)
    else:
        by_kernel, total = kernel_gradient(x, dy, gate, won, up, kernel_shape, window, out_size, groups)
    if by_bias is not None:
        by_bias[...] = total
    return by_kernel


def conv2d_input_gradient(
    dy: FloatArray, kernel: FloatArray, x_shape: Shape, window: Window, groups: int, behind: Behind | None = None
) -> FloatArray:
    """The loss's gradient by the input of shape `x_shape`; other arguments as in `conv2d_kernel_gradient`.

    With steps of 1 it is a convolution again, of the sums' gradient with the flipped kernel.
    """
    gate, won, up, _ = _upstream(dy, behind)
    if window.stride_h != 1 or window.stride_w != 1:
        return scattered_input_gradient(dy, gate, won, up, kernel, x_shape, window, groups)
    reverse = window._replace(
        pad_top=(window.height - 1) * window.dilation_h - window.pad_top,
        pad_left=(window.width - 1) * window.dilation_w - window.pad_left,
    )
    size = x_shape[1:3]
    prepared = prepare(flipped(kernel, groups), None, reverse, size, groups)
    dx = buffers.empty(x_shape, dy.dtype)
    _run(dy, gate, won, up, prepared, reverse, size, groups, LINEAR, dx, NO_WINNER)
    return dx
