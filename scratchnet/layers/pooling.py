"""Pooling layers."""

from typing import Any

from scratchnet import ops
from scratchnet.layers.base import Layer, checked, known_channels
from scratchnet.layers.symbolic import BatchShape
from scratchnet.ops.geometry import Pair, check_padding, pair, slid_size
from scratchnet.tensor import Tensor


class _Pooling(Layer):
    """A window that slides."""

    pool_size = checked(pair)
    strides = checked(pair)
    padding = checked(check_padding)

    def __init__(
        self, pool_size: Pair = (2, 2), strides: Pair | None = None, padding: str = "valid", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = pool_size
        self.strides = self.pool_size if strides is None else strides
        self.padding = padding

    def compute_output_shape(self, input_shape: BatchShape) -> BatchShape:
        channels = known_channels(input_shape, self)
        size = slid_size(input_shape[1:3], self.pool_size, self.strides, self.padding)
        return (input_shape[0], *size, channels)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "pool_size": list(self.pool_size),
            "strides": list(self.strides),
            "padding": self.padding,
        }


class MaxPooling2D(_Pooling):
    """The maximum of each window; see `scratchnet.ops.max_pool2d`.

    Args:
        pool_size: height and width of the window, as one int or a pair; 2 by default.
        strides: steps of the window; its size by default.
        padding: `valid` or `same`.
        **kwargs: `name`, `trainable`, `dtype`.
    """

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return ops.max_pool2d(inputs, self.pool_size, self.strides, self.padding)


class AveragePooling2D(_Pooling):
    """The mean of each window, padding left out; arguments as in `MaxPooling2D`."""

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return ops.average_pool2d(inputs, self.pool_size, self.strides, self.padding)


class _GlobalPooling(Layer):
    def __init__(self, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keepdims = bool(keepdims)

    def compute_output_shape(self, input_shape: BatchShape) -> BatchShape:
        channels = known_channels(input_shape, self)
        return (input_shape[0], 1, 1, channels) if self.keepdims else (input_shape[0], channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "keepdims": self.keepdims}


class GlobalAveragePooling2D(_GlobalPooling):
    """The mean of each channel over the image.

    Args:
        keepdims: whether the result keeps the axes of height and width, with one pixel.
        **kwargs: `name`, `trainable`, `dtype`.
    """

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return ops.global_average_pool2d(inputs, self.keepdims)


class GlobalMaxPooling2D(_GlobalPooling):
    """The maximum of each channel over the image; arguments as in `GlobalAveragePooling2D`."""

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return ops.global_max_pool2d(inputs, self.keepdims)
