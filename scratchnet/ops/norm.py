"""Batch normalisation (Ioffe & Szegedy, 2015, https://arxiv.org/abs/1502.03167)."""

from typing import Any

import numpy as np

from scratchnet.arrays import FloatArray
from scratchnet.kernels import norm
from scratchnet.tensor import Tensor, as_tensor, record


def _rows(x: FloatArray) -> FloatArray:
    return np.ascontiguousarray(x).reshape(-1, x.shape[-1])


def _check(x: Tensor, axis: int, **by_channel: Tensor) -> None:
    if x.ndim < 2 or axis not in {-1, x.ndim - 1}:
        raise ValueError(f"axis must be the last one of (batch, ..., channels), got axis {axis} for shape {x.shape}")
    for name, value in by_channel.items():
        if value.shape != x.shape[-1:]:
            raise ValueError(f"{name} must have shape {x.shape[-1:]}, got {value.shape}")


def _channels_or(value: Any, default: float, x: Tensor) -> Tensor:
    return Tensor(np.full(x.shape[-1], default, x.dtype)) if value is None else as_tensor(value)


def batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int = -1, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> Tensor:
    """Normalise with given statistics: `(x - mean) / sqrt(variance + epsilon) * scale + offset`.

    Args:
        x: (batch, ..., channels).
        mean: (channels,), like `variance`, `offset` (0 by default) and `scale` (1 by default).
        variance: of each channel.
        axis: of the channels; the last is the only one supported.
        offset: added at the end; often called beta.
        scale: of the normalised values; often called gamma.
        epsilon: keeps the root away from zero.

    Raises:
        ValueError: the shapes do not fit, or `axis` is not the last.
    """
    x, mean, variance = as_tensor(x), as_tensor(mean), as_tensor(variance)
    beta, gamma = _channels_or(offset, 0, x), _channels_or(scale, 1, x)
    _check(x, axis, mean=mean, variance=variance, offset=beta, scale=gamma)
    inverse_deviation = 1 / np.sqrt(variance.data + x.dtype.type(epsilon))
    factor = (gamma.data * inverse_deviation).astype(x.dtype)
    rows = _rows(x.data)
    y = norm.scale_and_shift(rows, factor, (beta.data - mean.data * factor).astype(x.dtype))

    def backward(dy: FloatArray) -> tuple[FloatArray | None, ...]:
        dy_rows = _rows(dy)
        of_dy, of_products = norm.gradient_sums(rows, dy_rows, mean.data.astype(x.dtype, copy=False))
        by_x = None
        if x.requires_grad:
            by_x = norm.scale_and_shift(dy_rows, factor, np.zeros_like(factor)).reshape(x.shape)
        by_variance = -gamma.data * inverse_deviation**3 / 2 * of_products  # d(v^-1/2)/dv = -v^-3/2 / 2
        return by_x, -factor * of_dy, by_variance, of_dy, of_products * inverse_deviation

    return record(y.reshape(x.shape), "batch_normalization", (x, mean, variance, beta, gamma), backward)


def batch_normalization_training(
    x: Any, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> tuple[Tensor, FloatArray, FloatArray]:
    """Normalise each channel with the mean and the (biased) variance of this batch.

    Args:
        x: (batch, ..., channels).
        offset: (channels,), 0 by default.
        scale: (channels,), 1 by default.
        epsilon: keeps the root away from zero.

    Returns:
        The result, the mean and the variance. Gradients flow through both statistics.

    Raises:
        ValueError: the shapes do not fit.
    """
    x = as_tensor(x)
    beta, gamma = _channels_or(offset, 0, x), _channels_or(scale, 1, x)
    _check(x, -1, offset=beta, scale=gamma)
    rows = _rows(x.data)
    mean, variance = norm.moments(rows)
    inverse_deviation = 1 / np.sqrt(variance + x.dtype.type(epsilon))
    factor = (gamma.data * inverse_deviation).astype(x.dtype)
    y = norm.scale_and_shift(rows, factor, (beta.data - mean * factor).astype(x.dtype))

    def backward(dy: FloatArray) -> tuple[FloatArray | None, ...]:
        dy_rows = _rows(dy)
        sums = norm.gradient_sums(rows, dy_rows, mean)
        by_x = None
        if x.requires_grad:
            scales = gamma.data.astype(x.dtype, copy=False)
            by_x = norm.training_input_gradient(rows, dy_rows, mean, inverse_deviation, scales, sums).reshape(x.shape)
        return by_x, sums[0], sums[1] * inverse_deviation

    result = record(y.reshape(x.shape), "batch_normalization_training", (x, beta, gamma), backward)
    return result, mean, variance
