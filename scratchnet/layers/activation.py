"""Activations as layers."""

from typing import Any

from scratchnet import activations, ops
from scratchnet.layers.base import Layer, check_axis, check_number, checked
from scratchnet.layers.symbolic import BatchShape
from scratchnet.tensor import Tensor


class Activation(Layer):
    """An activation function by name.

    Args:
        activation: a name such as `relu`, or a function on tensors.
        **kwargs: `name`, `trainable`, `dtype`.
    """

    activation = checked(lambda value, _: activations.get(value))

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activation

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        y: Tensor = self.activation(inputs)
        return y

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": activations.name_of(self.activation)}


def _not_negative(value: Any, name: str) -> float:
    number = check_number(value, name)
    if not number >= 0:
        raise ValueError(f"{name} must not be negative, got {value!r}")
    return number


def _limit(value: Any, name: str) -> float | None:
    return None if value is None else _not_negative(value, name)


class ReLU(Layer):
    """`x` where it is above `threshold`, else `negative_slope * (x - threshold)`; at most `max_value`.

    Args:
        max_value: the upper limit, or None.
        negative_slope: of the part below the threshold.
        threshold: below which values are damped.
        **kwargs: `name`, `trainable`, `dtype`.
    """

    max_value = checked(_limit)
    negative_slope = checked(_not_negative)
    threshold = checked(_not_negative)

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.max_value = max_value
        self.negative_slope = negative_slope
        self.threshold = threshold

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if self.threshold:
            keep = Tensor((inputs.data > self.threshold).astype(inputs.dtype))
            below = ops.minimum(inputs - self.threshold, 0.0) * self.negative_slope
            y = inputs * keep + below
        else:
            y = ops.leaky_relu(inputs, self.negative_slope) if self.negative_slope else ops.relu(inputs)
        return y if self.max_value is None else ops.minimum(y, self.max_value)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }


class LeakyReLU(Layer):
    """`x` where it is positive, else `negative_slope * x`.

    Args:
        negative_slope: .3 by default.
        **kwargs: `name`, `trainable`, `dtype`.
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.negative_slope = check_number(negative_slope, "negative_slope")

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return ops.leaky_relu(inputs, self.negative_slope)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "negative_slope": self.negative_slope}


class ELU(Layer):
    """`x` where it is positive, else `alpha * (exp(x) - 1)`; see `scratchnet.ops.elu`.

    Args:
        alpha: 1 by default.
        **kwargs: `name`, `trainable`, `dtype`.
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = check_number(alpha, "alpha")

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return ops.elu(inputs, self.alpha)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha}


class Softmax(Layer):
    """Exponentials divided by their sum.

    Args:
        axis: along which they sum to one.
        **kwargs: `name`, `trainable`, `dtype`.
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def build(self, input_shape: BatchShape) -> None:
        check_axis(self.axis, len(input_shape), self)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return ops.softmax(inputs, self.axis)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}
