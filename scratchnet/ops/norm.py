"""Batch normalisation (Ioffe & Szegedy, 2015, https://arxiv.org/abs/1502.03167), alone or with its neighbours.

ReLUs before and after it and a max pool at the end may be had in the same passes over memory: what lies between them
is never stored. Backward keeps `x`, and of a pool which pixels won, and their values.
"""

from typing import Any, NamedTuple

import numpy as np

from scratchnet.arrays import AnyArray, FloatArray
from scratchnet.kernels import norm, pool
from scratchnet.kernels.norm import ChannelMap, InputGradient
from scratchnet.kernels.window import Window
from scratchnet.ops.geometry import Pair, check_images
from scratchnet.ops.pool import pool_window
from scratchnet.tensor import Tensor, as_tensor, is_recording, record

Sums = tuple[FloatArray, FloatArray]


class _Pooled(NamedTuple):
    """What backward keeps of a pool."""

    window: Window
    winner: AnyArray
    winning_x: FloatArray


class _Passes(NamedTuple):
    """The passes back from ReLU, normalisation, ReLU and pool."""

    x: FloatArray
    channels: ChannelMap
    pooled: _Pooled | None

    def sums(self, dy: FloatArray, mean: FloatArray) -> Sums:
        x = self.x if self.pooled is None else self.pooled.winning_x
        return norm.gradient_sums(x, np.ascontiguousarray(dy), self.channels, mean)

    def input_gradient(self, dy: FloatArray, gradient: InputGradient) -> FloatArray:
        dy = np.ascontiguousarray(dy)
        if self.pooled is None:
            return norm.input_gradient(self.x, dy, self.channels, gradient)
        window, winner, _ = self.pooled
        return pool.mapped_max_pool_backward(dy, winner, self.x.shape, window, gradient, self.x, self.channels.pre_relu)


def _forward(
    x: FloatArray, channels: ChannelMap, over: tuple[Window, tuple[int, int]] | None, keep: bool
) -> tuple[FloatArray, _Passes]:
    if over is None:
        return norm.map_channels(x, channels), _Passes(x, channels, None)
    y, winner, winning_x = pool.mapped_max_pool_forward(x, channels, *over, keep_x=keep)
    return y, _Passes(x, channels, _Pooled(over[0], winner, winning_x))


def _check(x: Tensor, axis: int, **by_channel: Tensor) -> None:
    if x.ndim < 2 or axis not in {-1, x.ndim - 1}:
        raise ValueError(f"axis must be the last one of (batch, ..., channels), got axis {axis} for shape {x.shape}")
    for name, value in by_channel.items():
        if value.shape != x.shape[-1:]:
            raise ValueError(f"{name} must have shape {x.shape[-1:]}, got {value.shape}")


def _pooling(
    x: Tensor, pool_size: Pair | None, strides: Pair | None, padding: str
) -> tuple[Window, tuple[int, int]] | None:
    if pool_size is None:
        return None
    check_images(x.shape, "normalisation with a pool")
    return pool_window(x, pool_size, strides, padding)


def _channels_or(value: Any, default: float, x: Tensor) -> Tensor:
    return Tensor(np.full(x.shape[-1], default, x.dtype)) if value is None else as_tensor(value, like=x)


def batch_normalization(
    x: Any,
    mean: Any,
    variance: Any,
    axis: int = -1,
    offset: Any = None,
    scale: Any = None,
    epsilon: float = 1e-3,
    *,
    pre_relu: bool = False,
    post_relu: bool = False,
    pool_size: Pair | None = None,
    strides: Pair | None = None,
    padding: str = "valid",
) -> Tensor:
    """Normalise with given statistics: `(x - mean) / sqrt(variance + epsilon) * scale + offset`.

    The options join it with its neighbours: `max_pool2d(relu(normalise(relu(x))))`, in one pass over memory.

    Args:
        x: (batch, ..., channels).
        mean: (channels,), like `variance`, `offset` (0 by default) and `scale` (1 by default).
        variance: of each channel.
        axis: of the channels; the last is the only one supported.
        offset: added at the end; often called beta.
        scale: of the normalised values; often called gamma.
        epsilon: keeps the root away from zero.
        pre_relu: whether the ReLU of `x` is normalised.
        post_relu: whether the ReLU of the normalised values is taken.
        pool_size: the window of a max pool at the end, one size for both axes or (height, width); None for no pool.
            It needs images, (batch, height, width, channels).
        strides: steps of that window; its size by default.
        padding: of that pool, `valid` or `same`.

    Raises:
        ValueError: the shapes do not fit, or `axis` is not the last.
    """
    x = as_tensor(x, like=mean)
    mean, variance = as_tensor(mean, like=x), as_tensor(variance, like=x)
    beta, gamma = _channels_or(offset, 0, x), _channels_or(scale, 1, x)
    _check(x, axis, mean=mean, variance=variance, offset=beta, scale=gamma)
    over = _pooling(x, pool_size, strides, padding)
    inverse_deviation = 1 / np.sqrt(variance.data + x.dtype.type(epsilon))
    factor = (gamma.data * inverse_deviation).astype(x.dtype)
    shift = (beta.data - mean.data * factor).astype(x.dtype)
    parents = (x, mean, variance, beta, gamma)
    channels = ChannelMap(factor, shift, pre_relu, post_relu)
    by_channel = is_recording(*parents[1:])  # a frozen layer needs the gradient by x alone
    y, passes = _forward(np.ascontiguousarray(x.data), channels, over, by_channel)

    def backward(dy: FloatArray) -> tuple[FloatArray | None, ...]:
        by_x = passes.input_gradient(dy, norm.fixed_gradient(factor)) if x.requires_grad else None
        if not by_channel:
            return by_x, None, None, None, None
        of_dy, of_products = passes.sums(dy, mean.data.astype(x.dtype, copy=False))
        by_variance = -gamma.data * inverse_deviation**3 / 2 * of_products  # d(v^-1/2)/dv = -v^-3/2 / 2
        return by_x, -factor * of_dy, by_variance, of_dy, of_products * inverse_deviation

    return record(y, "batch_normalization", parents, backward)


def batch_normalization_training(
    x: Any,
    offset: Any = None,
    scale: Any = None,
    epsilon: float = 1e-3,
    *,
    pre_relu: bool = False,
    post_relu: bool = False,
    pool_size: Pair | None = None,
    strides: Pair | None = None,
    padding: str = "valid",
) -> tuple[Tensor, FloatArray, FloatArray]:
    """Normalise each channel with the mean and the (biased) variance of this batch.

    The options join it with its neighbours: `max_pool2d(relu(normalise(relu(x))))`, in two passes over memory, of which
    the first is for the statistics.

    Args:
        x: (batch, ..., channels).
        offset: (channels,), 0 by default.
        scale: (channels,), 1 by default.
        epsilon: keeps the root away from zero.
        pre_relu: as for `batch_normalization`, like all that follow; the statistics are those of the ReLU then.
        post_relu: whether the ReLU of the normalised values is taken.
        pool_size: the window of a max pool at the end.
        strides: steps of that window.
        padding: of that pool.

    Returns:
        The result, the mean and the variance. Gradients flow through both statistics.

    Raises:
        ValueError: the shapes do not fit.
    """
    x = as_tensor(x)
    beta, gamma = _channels_or(offset, 0, x), _channels_or(scale, 1, x)
    _check(x, -1, offset=beta, scale=gamma)
    over = _pooling(x, pool_size, strides, padding)
    values = np.ascontiguousarray(x.data)
    mean, variance = norm.moments(values, pre_relu)
    inverse_deviation = 1 / np.sqrt(variance + x.dtype.type(epsilon))
    factor = (gamma.data * inverse_deviation).astype(x.dtype)
    shift = (beta.data - mean * factor).astype(x.dtype)
    parents = (x, beta, gamma)
    channels = ChannelMap(factor, shift, pre_relu, post_relu)
    y, passes = _forward(values, channels, over, is_recording(*parents))

    def backward(dy: FloatArray) -> tuple[FloatArray | None, ...]:
        sums = passes.sums(dy, mean)
        by_x = None
        if x.requires_grad:
            count = values.size // values.shape[-1]
            gradient = norm.training_gradient(mean, inverse_deviation, gamma.data, sums, count)
            by_x = passes.input_gradient(dy, gradient)
        return by_x, sums[0], sums[1] * inverse_deviation

    return record(y, "batch_normalization_training", parents, backward), mean, variance
