"""Dense, and the layers that only reshape or pad."""

import math
from collections.abc import Sequence
from typing import Any

from scratchnet import activations, initializers, ops, regularizers
from scratchnet.layers.base import Layer, check_positive, check_width, checked, known_channels
from scratchnet.layers.symbolic import BatchShape
from scratchnet.tensor import Tensor


class Dense(Layer):
    """`activation(x @ kernel + bias)` over the last axis.

    Args:
        units: the size of the result's last axis.
        activation: a name such as `relu`, or a function on tensors.
        use_bias: whether a number per unit is added.
        kernel_initializer: by name, object or config; so are the other initialisers and regularisers.
        bias_initializer: of the bias.
        kernel_regularizer: a penalty on the kernel.
        bias_regularizer: a penalty on the bias.
        **kwargs: `name`, `trainable`, `dtype`.
    """

    activation = checked(lambda value, _: activations.get(value))

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = check_positive(units, "units")
        self.activation = activation
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)

    def build(self, input_shape: BatchShape) -> None:
        if len(input_shape) < 2 or input_shape[-1] is None:
            raise ValueError(f"{self.name} needs inputs of shape (batch, ..., features), got {input_shape}")
        self.kernel = self.add_weight(
            "kernel", (input_shape[-1], self.units), self.kernel_initializer, self.kernel_regularizer
        )
        self.bias = (
            self.add_weight("bias", (self.units,), self.bias_initializer, self.bias_regularizer)
            if self.use_bias
            else None
        )

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if inputs.shape[-1] != self.kernel.shape[0]:
            raise ValueError(f"{self.name} was built for {self.kernel.shape[0]} features, got shape {inputs.shape}")
        fused = self.activation is ops.relu
        y = ops.dense(inputs, self.kernel, self.bias, relu=fused)
        return y if fused else self.activation(y)

    def compute_output_shape(self, input_shape: BatchShape) -> BatchShape:
        check_width(input_shape, self)
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.name_of(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
        }


class Flatten(Layer):
    """All axes but the batch in one: (batch, height, width, channels) -> (batch, height * width * channels)."""

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return ops.reshape(inputs, (inputs.shape[0], math.prod(inputs.shape[1:])))

    def compute_output_shape(self, input_shape: BatchShape) -> BatchShape:
        inner = [size for size in input_shape[1:] if size is not None]
        return (input_shape[0], math.prod(inner) if len(inner) == len(input_shape) - 1 else None)


class Reshape(Layer):
    """Each sample in another shape.

    Args:
        target_shape: without the batch; one of its numbers may be -1.
        **kwargs: `name`, `trainable`, `dtype`.
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)
        valid = all(isinstance(size, int) and (size > 0 or size == -1) for size in self.target_shape)
        if not valid or self.target_shape.count(-1) > 1:
            raise ValueError(f"target_shape must hold positive ints and at most one -1, got {target_shape!r}")

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return ops.reshape(inputs, self.compute_output_shape(inputs.shape))  # type: ignore[arg-type]  # all are known

    def compute_output_shape(self, input_shape: BatchShape) -> BatchShape:
        inner = [size for size in input_shape[1:] if size is not None]
        if len(inner) < len(input_shape) - 1:
            return (input_shape[0], *(None if size == -1 else size for size in self.target_shape))
        total, given = math.prod(inner), math.prod(size for size in self.target_shape if size != -1)
        if total % given or (-1 not in self.target_shape and total != given):
            raise ValueError(f"{self.name}: samples of shape {tuple(inner)} do not fit into {self.target_shape}")
        return (input_shape[0], *(total // given if size == -1 else size for size in self.target_shape))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "target_shape": list(self.target_shape)}


class ZeroPadding2D(Layer):
    """Zeros around images.

    Args:
        padding: one int for all sides, (vertical, horizontal), or ((top, bottom), (left, right)).
        **kwargs: `name`, `trainable`, `dtype`.
    """

    def __init__(self, padding: Any = (1, 1), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        sides = list(padding) if isinstance(padding, Sequence) else [padding, padding]
        pairs = [tuple(side) if isinstance(side, Sequence) else (side, side) for side in sides]
        if len(pairs) != 2 or any(
            len(pair) != 2 or any(not isinstance(n, int) or n < 0 for n in pair) for pair in pairs
        ):
            raise ValueError(f"padding must be an int, two ints or two pairs of ints, none negative, got {padding!r}")
        self.padding = (pairs[0], pairs[1])

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        known_channels(inputs.shape, self)
        return ops.pad(inputs, ((0, 0), *self.padding, (0, 0)))

    def compute_output_shape(self, input_shape: BatchShape) -> BatchShape:
        channels = known_channels(input_shape, self)
        height, width = (
            None if size is None else size + sum(pair)
            for size, pair in zip(input_shape[1:3], self.padding, strict=True)
        )
        return (input_shape[0], height, width, channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "padding": [list(pair) for pair in self.padding]}
