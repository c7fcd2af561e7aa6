"""Convolutions. NHWC images, HWIO kernels; Keras's and TensorFlow's semantics."""

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
    parents = (x, kernel) if bias is None else (x, kernel, bias)
    images, weights, *offset = _common(list(parents))
    y = conv.conv2d_forward(images, weights, offset[0] if offset else None, window, out_size, groups)

    def backward(dy: FloatArray) -> list[FloatArray | None]:
        dy = np.ascontiguousarray(dy)
        by_x = conv.conv2d_input_gradient(dy, weights, x.shape, window, groups) if x.requires_grad else None
        by_kernel = (
            conv.conv2d_kernel_gradient(images, dy, kernel.shape, window, groups) if kernel.requires_grad else None
        )
        return _as_parents([by_x, by_kernel, dy.sum(axis=(0, 1, 2))], parents)

    return record(y, "conv2d", parents, backward)


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
    parents = (x, kernel) if bias is None else (x, kernel, bias)
    images, weights, *offset = _common(list(parents))
    y = depthwise.depthwise_forward(images, weights, window, out_size)
    if offset:
        y += offset[0]

    def backward(dy: FloatArray) -> list[FloatArray | None]:
        dy = np.ascontiguousarray(dy)
        by_x = depthwise.depthwise_input_gradient(dy, weights, x.shape, window) if x.requires_grad else None
        by_kernel = (
            depthwise.depthwise_kernel_gradient(images, dy, kernel.shape, window) if kernel.requires_grad else None
        )
        return _as_parents([by_x, by_kernel, dy.sum(axis=(0, 1, 2))], parents)

    return record(y, "depthwise_conv2d", parents, backward)


def _as_parents(gradients: list[FloatArray | None], parents: tuple[Tensor, ...]) -> list[FloatArray | None]:
    """As many gradients as there are parents, each of its parent's dtype."""
    return [
        None if gradient is None else gradient.astype(parent.dtype, copy=False)
        for gradient, parent in zip(gradients, parents, strict=False)
    ]
