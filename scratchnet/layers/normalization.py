"""Batch normalisation."""

from typing import Any

from scratchnet import initializers, ops, regularizers
from scratchnet.layers.base import Layer, check_number, check_width, checked
from scratchnet.layers.pooling import MaxPooling2D
from scratchnet.layers.symbolic import BatchShape
from scratchnet.parameter import assign_all
from scratchnet.tensor import Tensor


def _share(value: Any, name: str) -> float:
    number = check_number(value, name)
    if not 0 <= number <= 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {value!r}")
    return number


def _positive_number(value: Any, name: str) -> float:
    number = check_number(value, name)
    if not number > 0:
        raise ValueError(f"{name} must be positive, got {value!r}")
    return number


class BatchNormalization(Layer):
    """Normalise each channel: in training by the batch's statistics, otherwise by their moving averages.

    A layer with `trainable=False` uses the moving averages in training too, as in Keras.
    Ioffe & Szegedy, 2015, https://arxiv.org/abs/1502.03167.

    Args:
        axis: of the channels; the last is the only one supported.
        momentum: of the moving averages: `moving = moving * momentum + batch * (1 - momentum)`.
        epsilon: added to the variance under the root.
        center: whether beta is added.
        scale: whether gamma is multiplied.
        beta_initializer: by name, object or config; so are the other initialisers and regularisers.
        gamma_initializer: of gamma.
        moving_mean_initializer: of the mean's moving average.
        moving_variance_initializer: of the variance's moving average.
        beta_regularizer: a penalty on beta.
        gamma_regularizer: a penalty on gamma.
        **kwargs: `name`, `trainable`, `dtype`.
    """

    momentum = checked(_share)
    epsilon = checked(_positive_number)

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.momentum = momentum
        self.epsilon = epsilon
        self.center = bool(center)
        self.scale = bool(scale)
        self.initializers = {
            "gamma": initializers.get(gamma_initializer),
            "beta": initializers.get(beta_initializer),
            "moving_mean": initializers.get(moving_mean_initializer),
            "moving_variance": initializers.get(moving_variance_initializer),
        }
        self.regularizers = {
            "gamma": regularizers.get(gamma_regularizer),
            "beta": regularizers.get(beta_regularizer),
        }

    def build(self, input_shape: BatchShape) -> None:
        channels = input_shape[-1]
        if len(input_shape) < 2 or channels is None or self.axis not in {-1, len(input_shape) - 1}:
            raise ValueError(
                f"{self.name} normalises the last axis of (batch, ..., channels), got axis {self.axis} "
                f"for shape {input_shape}"
            )
        self.gamma, self.beta = (
            self.add_weight(name, (channels,), self.initializers[name], self.regularizers[name]) if wanted else None
            for name, wanted in (("gamma", self.scale), ("beta", self.center))
        )
        self.moving_mean, self.moving_variance = (
            self.add_weight(name, (channels,), self.initializers[name], trainable=False)
            for name in ("moving_mean", "moving_variance")
        )

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return self.call_with(inputs, training, relu=False, pool=None)

    def call_with(self, inputs: Tensor, training: bool, relu: bool, pool: MaxPooling2D | None) -> Tensor:
        """The layer with what follows it, a ReLU and a max pool, in the same passes over memory."""
        behind: dict[str, Any] = {"post_relu": relu}
        if pool is not None:
            behind |= {"pool_size": pool.pool_size, "strides": pool.strides, "padding": pool.padding}
        if not (training and self.trainable):
            return ops.batch_normalization(
                inputs, self.moving_mean, self.moving_variance, -1, self.beta, self.gamma, self.epsilon, **behind
            )
        y, mean, variance = ops.batch_normalization_training(inputs, self.beta, self.gamma, self.epsilon, **behind)
        statistics = (self.moving_mean, mean), (self.moving_variance, variance)
        assign_all(
            [moving for moving, _ in statistics],
            [moving.data * self.momentum + batch * (1 - self.momentum) for moving, batch in statistics],
        )
        return y

    def compute_output_shape(self, input_shape: BatchShape) -> BatchShape:
        check_width(input_shape, self)
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            **{
                f"{name}_initializer": initializers.serialize(value)
                for name, value in self.initializers.items()
                if value
            },
            **{f"{name}_regularizer": regularizers.serialize(value) for name, value in self.regularizers.items()},
        }
