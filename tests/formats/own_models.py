"""Models to be written and read."""

from collections.abc import Callable

import numpy as np

import scratchnet as sn
from scratchnet import layers


def sequential() -> sn.Model:
    return sn.Sequential(
        [
            layers.Input((8, 8, 2)),
            layers.Conv2D(4, 3, activation="relu", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(3, activation="softmax", kernel_initializer=sn.initializers.HeNormal(seed=3)),
        ]
    )


def every_layer() -> sn.Model:
    return sn.Sequential(
        [
            layers.Input((9, 9, 2)),
            layers.Rescaling(0.5, offset=-1),
            layers.ZeroPadding2D(((1, 0), (0, 1))),
            layers.SeparableConv2D(6, 3, depth_multiplier=2),
            layers.LeakyReLU(0.2),
            layers.DepthwiseConv2D((3, 2), padding="same", use_bias=False),
            layers.ReLU(6.0),
            layers.AveragePooling2D(2, padding="same"),
            layers.Activation("tanh"),
            layers.Conv2D(4, 2, dilation_rate=2, groups=2),
            layers.GlobalAveragePooling2D(keepdims=True),
            layers.Reshape((2, 2)),
            layers.Flatten(),
            layers.Dense(3),
            layers.Softmax(),
        ]
    )


def functional() -> sn.Model:
    x = layers.Input((8, 8, 2), name="image")
    shared = layers.Conv2D(2, 3, padding="same", name="shared")
    y = layers.Add()([shared(shared(x)), x])
    both = layers.Concatenate()([layers.GlobalMaxPooling2D()(y), layers.GlobalAveragePooling2D()(x)])
    return sn.Model(x, layers.Dense(3, activation="softmax")(both))


def nested() -> sn.Model:
    inner = sn.Sequential([layers.Input((8, 8, 2)), layers.Conv2D(2, 3, padding="same")], name="inner")
    x = layers.Input((8, 8, 2))
    return sn.Model(x, layers.Dense(3)(layers.Flatten()(inner(inner(x)))), name="outer")


def double() -> sn.Model:
    x = layers.Input((8, 8, 2), dtype="float64")
    y = layers.Conv2D(2, 3, dtype="float64")(x)
    return sn.Model(x, layers.Dense(3, dtype="float64")(layers.Flatten(dtype="float64")(y)))


def frozen() -> sn.Model:
    model = sequential()
    model.layers[0].trainable = False
    return model


MODELS: dict[str, Callable[[], sn.Model]] = {
    "sequential": sequential,
    "every layer": every_layer,
    "functional": functional,
    "nested": nested,
    "float64": double,
    "frozen": frozen,
}


def inputs_of(model: sn.Model, samples: int = 5) -> np.ndarray:
    shape = (samples, *model.input_shape[1:])
    return np.random.default_rng(0).standard_normal(shape).astype(model.dtype)
