"""Convolution layers."""

from typing import Any

from scratchnet import activations, initializers, ops, regularizers
from scratchnet.layers.base import Layer, check_positive, check_width, checked, known_channels
from scratchnet.layers.symbolic import BatchShape
from scratchnet.ops.geometry import Pair, check_padding, pair, slid_size
from scratchnet.tensor import Tensor


class _Convolution(Layer):
    """What the three kinds of convolution share: the window, the bias and the activation."""

    kernel_size = checked(pair)
    strides = checked(pair)
    padding = checked(check_padding)
    dilation_rate = checked(pair)
    activation = checked(lambda value, _: activations.get(value))

    def __init__(
        self,
        kernel_size: Pair,
        strides: Pair,
        padding: str,
        dilation_rate: Pair,
        activation: Any,
        use_bias: bool,
        bias_initializer: Any,
        bias_regularizer: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.dilation_rate = dilation_rate
        self.activation = activation
        self.use_bias = bool(use_bias)
        self.bias_initializer = initializers.get(bias_initializer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.bias: Tensor | None = None

    def _add_bias(self, filters: int) -> None:
        if self.use_bias:
            self.bias = self.add_weight("bias", (filters,), self.bias_initializer, self.bias_regularizer)

    def _output_filters(self, channels: int) -> int:
        raise NotImplementedError

    def compute_output_shape(self, input_shape: BatchShape) -> BatchShape:
        channels = known_channels(input_shape, self)
        check_width(input_shape, self)
        size = slid_size(input_shape[1:3], self.kernel_size, self.strides, self.padding, self.dilation_rate)
        return (input_shape[0], *size, self._output_filters(channels))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "kernel_size": list(self.kernel_size),
            "strides": list(self.strides),
            "padding": self.padding,
            "dilation_rate": list(self.dilation_rate),
            "activation": activations.name_of(self.activation),
            "use_bias": self.use_bias,
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
        }


class Conv2D(_Convolution):
    """Two-dimensional convolution; see `scratchnet.ops.conv2d`.

    Args:
        filters: the number of output channels.
        kernel_size: height and width of the window, as one int or a pair.
        strides: steps of the window.
        padding: `valid` or `same`.
        dilation_rate: distance between the kernel's taps.
        groups: into how many independent convolutions channels and filters are divided.
        activation: a name such as `relu`, or a function on tensors.
        use_bias: whether a number per filter is added.
        kernel_initializer: by name, object or config; so are the other initialisers and regularisers.
        bias_initializer: of the bias.
        kernel_regularizer: a penalty on the kernel.
        bias_regularizer: a penalty on the bias.
        **kwargs: `name`, `trainable`, `dtype`.
    """

    groups = checked(check_positive)

    def __init__(
        self,
        filters: int,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: str = "valid",
        *,
        dilation_rate: Pair = (1, 1),
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size, strides, padding, dilation_rate, activation, use_bias, bias_initializer, bias_regularizer,
            **kwargs,
        )  # fmt: skip
        self.filters = check_positive(filters, "filters")
        self.groups = groups
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)

    def build(self, input_shape: BatchShape) -> None:
        channels = known_channels(input_shape, self)
        if channels % self.groups or self.filters % self.groups:
            raise ValueError(
                f"{self.name}: groups must divide {channels} channels and {self.filters} filters, got {self.groups}"
            )
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        self.kernel = self.add_weight("kernel", shape, self.kernel_initializer, self.kernel_regularizer)
        self._add_bias(self.filters)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return self.call_with(inputs, relu=False, pool_size=None)

    def call_with(self, inputs: Tensor, relu: bool, pool_size: tuple[int, int] | None) -> Tensor:
        """The layer with what follows it: a ReLU, and a max pool that steps by its own window.

        A pool can follow only where the layer's own activation is `relu` or `linear`.
        """
        fused = self.activation is ops.relu
        y = ops.conv2d(
            inputs, self.kernel, self.bias, self.strides, self.padding, self.dilation_rate, self.groups,
            relu=relu or fused, pool_size=pool_size,
        )  # fmt: skip
        return y if fused else self.activation(y)

    def _output_filters(self, channels: int) -> int:
        return self.filters

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "groups": self.groups,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
        }


class _WithDepthwiseKernel(_Convolution):
    """What depthwise and separable convolutions share: filters of each channel's own."""

    def __init__(
        self, depth_multiplier: int, depthwise_initializer: Any, depthwise_regularizer: Any, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.depth_multiplier = check_positive(depth_multiplier, "depth_multiplier")
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)

    def _add_depthwise_kernel(self, name: str, channels: int) -> None:
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.depthwise_kernel = self.add_weight(name, shape, self.depthwise_initializer, self.depthwise_regularizer)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "depth_multiplier": self.depth_multiplier,
            "depthwise_initializer": initializers.serialize(self.depthwise_initializer),
            "depthwise_regularizer": regularizers.serialize(self.depthwise_regularizer),
        }


class DepthwiseConv2D(_WithDepthwiseKernel):
    """Convolve each channel with `depth_multiplier` filters of its own; other arguments as in `Conv2D`."""

    def __init__(
        self,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: str = "valid",
        depth_multiplier: int = 1,
        *,
        dilation_rate: Pair = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            depth_multiplier, depthwise_initializer, depthwise_regularizer,
            kernel_size, strides, padding, dilation_rate, activation, use_bias, bias_initializer, bias_regularizer,
            **kwargs,
        )  # fmt: skip

    def build(self, input_shape: BatchShape) -> None:
        channels = known_channels(input_shape, self)
        self._add_depthwise_kernel("kernel", channels)
        self._add_bias(channels * self.depth_multiplier)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        y = ops.depthwise_conv2d(
            inputs, self.depthwise_kernel, self.bias, self.strides, self.padding, self.dilation_rate
        )
        result: Tensor = self.activation(y)
        return result

    def _output_filters(self, channels: int) -> int:
        return channels * self.depth_multiplier


class SeparableConv2D(_WithDepthwiseKernel):
    """A depthwise convolution, then a 1x1 convolution that mixes the channels; other arguments as in `Conv2D`."""

    def __init__(
        self,
        filters: int,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: str = "valid",
        *,
        dilation_rate: Pair = (1, 1),
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            depth_multiplier, depthwise_initializer, depthwise_regularizer,
            kernel_size, strides, padding, dilation_rate, activation, use_bias, bias_initializer, bias_regularizer,
            **kwargs,
        )  # fmt: skip
        self.filters = check_positive(filters, "filters")
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)

    def build(self, input_shape: BatchShape) -> None:
        channels = known_channels(input_shape, self)
        self._add_depthwise_kernel("depthwise_kernel", channels)
        shape = (1, 1, channels * self.depth_multiplier, self.filters)
        self.pointwise_kernel = self.add_weight(
            "pointwise_kernel", shape, self.pointwise_initializer, self.pointwise_regularizer
        )
        self._add_bias(self.filters)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        mid = ops.depthwise_conv2d(inputs, self.depthwise_kernel, None, self.strides, self.padding, self.dilation_rate)
        y: Tensor = self.activation(ops.conv2d(mid, self.pointwise_kernel, self.bias))
        return y

    def _output_filters(self, channels: int) -> int:
        return self.filters

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "pointwise_initializer": initializers.serialize(self.pointwise_initializer),
            "pointwise_regularizer": regularizers.serialize(self.pointwise_regularizer),
        }
