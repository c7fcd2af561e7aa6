"""The networks that are timed, described once for all libraries."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import scratchnet as sn

Array = NDArray[Any]
Shape = tuple[int, ...]


class LayerSpec(NamedTuple):
    """A layer by the class name and the arguments that scratchnet and Keras share."""

    kind: str
    options: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Net:
    """A sequential network and the batches it is timed on.

    Attributes:
        name: one letter.
        input_shape: (height, width, channels).
        batch: images per training step, and per call of batch inference.
        layers: from the input on. The last one is `Dense` with its activation.
        loss: by Keras's name.
        learning_rate: of Adam.
    """

    name: str
    input_shape: Shape
    batch: int
    layers: tuple[LayerSpec, ...]
    loss: str = "sparse_categorical_crossentropy"
    learning_rate: float = 1e-3

    @property
    def outputs(self) -> int:
        """The number of units of the last layer."""
        return int(self.layers[-1].options["units"])

    def shapes(self) -> list[Shape]:
        """The shape of one sample before each layer, and after the last."""
        shapes = [self.input_shape]
        for layer in self.layers:
            shapes.append(_shape_after(layer, shapes[-1]))
        return shapes

    def draw_batch(self, size: int, seed: int = 0) -> tuple[Array, Array]:
        """Images with values in [0, 1), and targets as the loss wants them."""
        rng = np.random.default_rng(seed)
        x = rng.random((size, *self.input_shape), dtype=np.float32)
        if self.loss == "binary_crossentropy":
            return x, rng.integers(0, 2, (size, 1)).astype(np.float32)
        return x, rng.integers(0, self.outputs, size)

    def build(self) -> "sn.Sequential":
        """The network in scratchnet, with fresh weights, compiled for training."""
        import scratchnet as sn

        layers = [getattr(sn.layers, kind)(**options) for kind, options in self.layers]
        model = sn.Sequential([sn.Input(self.input_shape, name="x"), *layers])
        model.compile(sn.optimizers.Adam(self.learning_rate), self.loss)
        return model

    def draw_weights(self, seed: int = 0) -> list[Array]:
        """Weights for every library, in Keras's order.

        Biases and the parameters of batch normalisation are drawn too: in a fresh network they are zeros and ones,
        which would hide that a library has mixed them up.
        """
        import scratchnet as sn

        with sn.random.random_scope(seed):
            network = self.build()
        rng = np.random.default_rng(seed)
        weights = []
        for weight in network.weights:
            if weight.name in {"gamma", "moving_variance"}:
                weights.append(rng.uniform(0.5, 1.5, weight.shape).astype(np.float32))
            elif weight.ndim == 1:
                weights.append(rng.uniform(-0.1, 0.1, weight.shape).astype(np.float32))
            else:
                weights.append(weight.numpy())
        return weights


def _shape_after(layer: LayerSpec, shape: Shape) -> Shape:
    kind, options = layer
    if kind == "Conv2D":
        lost = 0 if options["padding"] == "same" else options["kernel_size"] - 1
        return (shape[0] - lost, shape[1] - lost, options["filters"])
    if kind == "MaxPooling2D":
        return (shape[0] // options["pool_size"], shape[1] // options["pool_size"], shape[2])
    if kind == "Flatten":
        return (prod(shape),)
    return (options["units"],) if kind == "Dense" else shape


def _conv(filters: int, padding: str = "same", activation: str | None = None) -> LayerSpec:
    return LayerSpec("Conv2D", {"filters": filters, "kernel_size": 3, "padding": padding, "activation": activation})


def _dense(units: int, activation: str) -> LayerSpec:
    return LayerSpec("Dense", {"units": units, "activation": activation})


def _dropout(rate: float) -> LayerSpec:
    return LayerSpec("Dropout", {"rate": rate})


_BATCH_NORM = LayerSpec("BatchNormalization", {"momentum": 0.99, "epsilon": 1e-3})
_RELU = LayerSpec("ReLU")
_POOL = LayerSpec("MaxPooling2D", {"pool_size": 2})
_FLATTEN = LayerSpec("Flatten")

TINY = Net(
    "tiny",
    (8, 8, 1),
    4,
    (_conv(4), _BATCH_NORM, _RELU, _POOL, _FLATTEN, _dense(4, "relu"), _dropout(0.5), _dense(2, "softmax")),
)
NETS = {
    net.name: net
    for net in (
        Net(
            "A",
            (48, 48, 1),
            64,
            (
                *(layer for filters in (32, 64, 128) for layer in (_conv(filters), _BATCH_NORM, _RELU, _POOL)),
                _FLATTEN, _dense(128, "relu"), _dropout(0.5), _dense(7, "softmax"),
            ),
        ),
        Net(
            "B",
            (48, 48, 1),
            32,
            (
                _conv(32, activation="relu"), _BATCH_NORM,
                *(
                    layer
                    for filters in (64, 128, 256)
                    for layer in (_conv(filters, activation="relu"), _BATCH_NORM, _POOL)
                ),
                _FLATTEN,
                *(layer for units in (256, 128) for layer in (_dense(units, "relu"), _BATCH_NORM, _dropout(0.25))),
                _dense(7, "softmax"),
            ),
        ),
        Net(
            "C",
            (256, 256, 3),
            16,
            (
                *(layer for filters in (32, 64, 128) for layer in (_conv(filters, "valid", "relu"), _POOL)),
                _FLATTEN, _dense(512, "relu"), _dropout(0.5), _dense(1, "sigmoid"),
            ),
            loss="binary_crossentropy",
            learning_rate=1e-5,
        ),
        Net(
            "D",
            (224, 224, 3),
            8,
            (
                *(
                    layer
                    for filters in (32, 64, 128, 128, 64)
                    for layer in (_conv(filters, activation="relu"), _POOL, _BATCH_NORM)
                ),
                _FLATTEN, _dropout(0.3), _dense(64, "sigmoid"), _dense(4, "softmax"),
            ),
        ),
    )
}  # fmt: skip
