"""Convolutions. NHWC images, HWIO kernels; Keras's and TensorFlow's semantics."""

from typing import Any

import numpy as np

from scratchnet.arrays import FloatArray
from scratchnet.kernels import conv, depthwise
from scratchnet.kernels.pointwise import column_sums
from scratchnet.ops.geometry import Pair, check_images, check_padding, pair, slide
from scratchnet.tensor import Tensor, as_tensor, is_recording, record


def _check_kernel(kernel: Tensor, axes: str) -> None:
    if kernel.ndim != 4 or 0 in kernel.shape:
        raise ValueError(f"kernel must have shape {axes}, none of them 0, got {kernel.shape}")


def _check_bias(bias: Tensor | None, filters: int) -> None:
    if bias is not None and bias.shape != (filters,):
        raise ValueError(f"bias must have shape ({filters},), got {bias.shape}")


def _common(x: Tensor, kernel: Tensor, bias: Tensor | None) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    """The arrays as the kernels want them: of one dtype, C-contiguous."""
    dtype = np.result_type(x.data, kernel.data, *(() if bias is None else (bias.data,)))
    offset = None if bias is None else np.ascontiguousarray(bias.data, dtype)
    return np.ascontiguousarray(x.data, dtype), np.ascontiguousarray(kernel.data, dtype), offset


def conv2d(
    x: Any,
    kernel: Any,
    bias: Any = None,
    strides: Pair = 1,
    padding: str = "valid",
    dilation_rate: Pair = 1,
    groups: int = 1,
    *,
    relu: bool = False,
    pool_size: Pair | None = None,
) -> Tensor:
    """Two-dimensional convolution (cross-correlation, as everywhere in the field).

    A ReLU and a max pool may be fused with it: the sums then never leave the processor's cache, and going back needs
    only the pooled result and which pixels won.

    Args:
        x: (batch, height, width, channels).
        kernel: (kernel height, kernel width, channels / groups, filters).
        bias: (filters,), or None.
        strides: steps of the window, one for both axes or (vertical, horizontal).
        padding: `valid`, or `same`: zeros around the image, so that the output has ceil(size / stride) pixels.
        dilation_rate: distance between neighbouring taps of the kernel.
        groups: into how many independent convolutions the channels and filters are divided.
        relu: whether sums below 0 become 0.
        pool_size: the window of a max pool that follows and steps by its own size, at most 256 pixels; None for none.

    Returns:
        (batch, out height, out width, filters).

    Raises:
        ValueError: an argument is out of range or the shapes do not fit; the message holds the value.
    """
    x, kernel = as_tensor(x, like=kernel), as_tensor(kernel, like=x)
    bias = None if bias is None else as_tensor(bias, like=kernel)
    check_images(x.shape, "conv2d")
    _check_kernel(kernel, "(height, width, channels / groups, filters)")
    channels, filters = x.shape[3], kernel.shape[-1]
    if not isinstance(groups, int) or groups < 1 or channels % groups or filters % groups:
        raise ValueError(f"groups must divide {channels} channels and {filters} filters, got {groups}")
    if kernel.shape[2] * groups != channels:
        raise ValueError(
            f"kernel must have shape (height, width, {channels // groups}, filters) for images of shape {x.shape} "
            f"and groups={groups}, got {kernel.shape}"
        )
    _check_bias(bias, filters)
    window, out_size = slide(
        (x.shape[1], x.shape[2]), (kernel.shape[0], kernel.shape[1]), pair(strides, "strides"), check_padding(padding),
        pair(dilation_rate, "dilation_rate"),
    )  # fmt: skip
    pool = (0, 0) if pool_size is None else pair(pool_size, "pool_size")
    if pool[0] * pool[1] > 256 or pool[0] > out_size[0] or pool[1] > out_size[1]:
        raise ValueError(f"pool_size must fit sums of {out_size[0]}x{out_size[1]} pixels, at most 256, got {pool_size}")
    fused = conv.Fused(relu, pool)
    images, weights, offset = _common(x, kernel, bias)
    wanted = is_recording(x, kernel, bias)
    prepared = conv.prepare(weights, offset, window, out_size, groups, pool)
    y, winner = conv.convolve(images, prepared, window, out_size, groups, fused, wanted and pool[0] > 0)
    behind = None if fused == conv.LINEAR else conv.Behind(fused, y, winner, out_size)

    def backward(dy: FloatArray) -> tuple[FloatArray | None, ...]:
        dy = np.ascontiguousarray(dy)
        by_x = by_kernel = by_bias = None
        if kernel.requires_grad or (bias is not None and bias.requires_grad):
            by_bias = np.empty(filters, dy.dtype)
            by_kernel = conv.conv2d_kernel_gradient(images, dy, kernel.shape, window, groups, behind, by_bias)
        if x.requires_grad:
            by_x = conv.conv2d_input_gradient(dy, weights, x.shape, window, groups, behind)
        return (by_x, by_kernel) if bias is None else (by_x, by_kernel, by_bias)

    return record(y, "conv2d", (x, kernel) if bias is None else (x, kernel, bias), backward)


def depthwise_conv2d(
    x: Any,
    kernel: Any,
    bias: Any = None,
    strides: Pair = 1,
    padding: str = "valid",
    dilation_rate: Pair = 1,
) -> Tensor:
    """Convolve each channel with filters of its own.

    Args:
        x: (batch, height, width, channels).
        kernel: (kernel height, kernel width, channels, depth multiplier).
        bias: (channels * depth multiplier,), or None.
        strides: as in `conv2d`; here the two axes may differ too.
        padding: as in `conv2d`.
        dilation_rate: as in `conv2d`.

    Returns:
        (batch, out height, out width, channels * depth multiplier).

    Raises:
        ValueError: an argument is out of range or the shapes do not fit.
    """
    x, kernel = as_tensor(x, like=kernel), as_tensor(kernel, like=x)
    bias = None if bias is None else as_tensor(bias, like=kernel)
    check_images(x.shape, "depthwise_conv2d")
    _check_kernel(kernel, "(height, width, channels, depth_multiplier)")
    if kernel.shape[2] != x.shape[3]:
        raise ValueError(
            f"kernel must have shape (height, width, {x.shape[3]}, depth_multiplier) for images of shape {x.shape}, "
            f"got {kernel.shape}"
        )
    _check_bias(bias, kernel.shape[2] * kernel.shape[3])
    window, out_size = slide(
        (x.shape[1], x.shape[2]), (kernel.shape[0], kernel.shape[1]), pair(strides, "strides"), check_padding(padding),
        pair(dilation_rate, "dilation_rate"),
    )  # fmt: skip
    images, weights, offset = _common(x, kernel, bias)
    y = depthwise.depthwise_forward(images, weights, offset, window, out_size)

    def backward(dy: FloatArray) -> tuple[FloatArray | None, ...]:
        dy = np.ascontiguousarray(dy)
        by_x = by_kernel = None
        if x.requires_grad:
            by_x = depthwise.depthwise_input_gradient(dy, weights, x.shape, window)
        if kernel.requires_grad:
            by_kernel = depthwise.depthwise_kernel_gradient(images, dy, kernel.shape, window)
        return (by_x, by_kernel) if bias is None else (by_x, by_kernel, column_sums(dy.reshape(-1, dy.shape[3])))

    return record(y, "depthwise_conv2d", (x, kernel) if bias is None else (x, kernel, bias), backward)
