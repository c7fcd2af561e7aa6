"""Convolutions. NHWC images, HWIO kernels; Keras's and TensorFlow's semantics."""

from collections.abc import Callable
from typing import Any

import numpy as np

from scratchnet.arrays import FloatArray
from scratchnet.kernels import conv, depthwise
from scratchnet.ops.geometry import Pair, check_images, check_padding, pair, slide
from scratchnet.tensor import Tensor, as_tensor, record


def _check_kernel(kernel: Tensor, axes: str) -> None:
    if kernel.ndim != 4 or 0 in kernel.shape:
        raise ValueError(f"kernel must have shape {axes}, none of them 0, got {kernel.shape}")


def _check_bias(bias: Tensor | None, filters: int) -> None:
    if bias is not None and bias.shape != (filters,):
        raise ValueError(f"bias must have shape ({filters},), got {bias.shape}")


def _common(tensors: list[Tensor]) -> list[FloatArray]:
    """The arrays as the kernels want them: of one dtype, C-contiguous."""
    dtype = np.result_type(*(tensor.data for tensor in tensors))
    return [np.ascontiguousarray(tensor.data, dtype) for tensor in tensors]


def conv2d(
    x: Any,
    kernel: Any,
    bias: Any = None,
    strides: Pair = 1,
    padding: str = "valid",
    dilation_rate: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Two-dimensional convolution (cross-correlation, as everywhere in the field).

    Args:
        x: (batch, height, width, channels).
        kernel: (kernel height, kernel width, channels / groups, filters).
        bias: (filters,), or None.
        strides: steps of the window, one for both axes or (vertical, horizontal).
        padding: `valid`, or `same`: zeros around the image, so that the output has ceil(size / stride) pixels.
        dilation_rate: distance between neighbouring taps of the kernel.
        groups: into how many independent convolutions the channels and filters are divided.

    Returns:
        (batch, out height, out width, filters).

    Raises:
        ValueError: an argument is out of range or the shapes do not fit; the message holds the value.
    """
    x, kernel = as_tensor(x), as_tensor(kernel)
    bias = None if bias is None else as_tensor(bias)
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
    return _convolve(
        "conv2d",
        x,
        kernel,
        bias,
        forward=lambda x, kernel, bias: conv.conv2d_forward(x, kernel, bias, window, out_size, groups),
        by_input=lambda dy, kernel: conv.conv2d_input_gradient(dy, kernel, x.shape, window, groups),
        by_kernel=lambda x, dy: conv.conv2d_kernel_gradient(x, dy, kernel.shape, window, groups),
    )


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
    x, kernel = as_tensor(x), as_tensor(kernel)
    bias = None if bias is None else as_tensor(bias)
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
    return _convolve(
        "depthwise_conv2d",
        x,
        kernel,
        bias,
        forward=lambda x, kernel, bias: depthwise.depthwise_forward(x, kernel, bias, window, out_size),
        by_input=lambda dy, kernel: depthwise.depthwise_input_gradient(dy, kernel, x.shape, window),
        by_kernel=lambda x, dy: depthwise.depthwise_kernel_gradient(x, dy, kernel.shape, window),
    )


def _convolve(
    operation: str,
    x: Tensor,
    kernel: Tensor,
    bias: Tensor | None,
    forward: Callable[[FloatArray, FloatArray, FloatArray | None], FloatArray],
    by_input: Callable[[FloatArray, FloatArray], FloatArray],
    by_kernel: Callable[[FloatArray, FloatArray], FloatArray],
) -> Tensor:
    """What both kinds of convolution share: y = x * kernel + bias, and the gradients that are wanted."""
    parents = (x, kernel) if bias is None else (x, kernel, bias)
    images, weights, *offset = _common(list(parents))

    def backward(dy: FloatArray) -> list[FloatArray | None]:
        dy = np.ascontiguousarray(dy)
        gradients = [
            by_input(dy, weights) if x.requires_grad else None,
            by_kernel(images, dy) if kernel.requires_grad else None,
        ]
        if bias is not None:
            gradients.append(dy.sum(axis=(0, 1, 2)) if bias.requires_grad else None)
        return gradients

    return record(forward(images, weights, offset[0] if offset else None), operation, parents, backward)
