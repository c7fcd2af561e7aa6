"""Networks of Keras to be read: the students' five, larger ones, and graphs whose names and order mislead."""

from collections.abc import Callable
from typing import Any

import numpy as np
from oracle import keras

layers = keras.layers
Builder = Callable[[], Any]


def randomise(model: Any, seed: int = 0) -> Any:
    """Give every weight a value as after a training, statistics of batch normalisation too."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.name in {"moving_variance", "variance", "gamma"}:
            weight.assign(rng.random(weight.shape, np.float32) + 0.5)
        elif weight.name in {"bias", "beta", "moving_mean", "mean"}:
            weight.assign(0.2 * rng.standard_normal(weight.shape, np.float32))
    for layer in model.layers:
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()
    return model


def fer_small() -> Any:
    blocks = []
    for filters in (32, 64, 128):
        blocks += [layers.Conv2D(filters, 3, padding="same"), layers.BatchNormalization()]
        blocks += [layers.ReLU(), layers.MaxPooling2D(2)]
    head = [layers.Flatten(), layers.Dense(128, "relu"), layers.Dropout(0.5), layers.Dense(7, "softmax")]
    return keras.Sequential([keras.Input((48, 48, 1)), *blocks, *head])


def fer_deep() -> Any:
    stack = [keras.Input((48, 48, 1)), layers.Conv2D(32, 3, padding="same", activation="relu")]
    stack.append(layers.BatchNormalization())
    for filters in (64, 128, 256):
        stack += [layers.Conv2D(filters, 3, padding="same", activation="relu"), layers.BatchNormalization()]
        stack.append(layers.MaxPooling2D())
    for units in (256, 128):
        stack += [layers.Dense(units, "relu"), layers.BatchNormalization(), layers.Dropout(0.25)]
    stack.insert(-6, layers.Flatten())
    return keras.Sequential([*stack, layers.Dense(7, "softmax")])


def movie_frames() -> Any:
    penalty = keras.regularizers.L2(1e-4)
    stack = [keras.Input((64, 64, 3))]
    for filters in (16, 32, 32, 64, 64):
        stack.append(layers.Conv2D(filters, 3, padding="same", activation="relu", kernel_regularizer=penalty))
        stack += [layers.MaxPooling2D(), layers.BatchNormalization()]
    stack += [layers.Dropout(0.3), layers.Flatten(), layers.Dense(64, "sigmoid", kernel_regularizer="l2")]
    return keras.Sequential([*stack, layers.Dense(4, "softmax")])


def movie_frames_brief() -> Any:
    stack = [keras.Input((64, 64, 3))]
    for filters, size in ((32, 3), (64, 5), (32, 7)):
        stack += [layers.Conv2D(filters, size, activation="relu"), layers.MaxPooling2D()]
    return keras.Sequential([*stack, layers.Flatten(), layers.Dense(16, "sigmoid"), layers.Dense(5, "softmax")])


def happy_sad() -> Any:
    stack = [keras.Input((64, 64, 3))]
    for filters in (32, 64, 128):
        stack += [layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D()]
    stack += [layers.Flatten(), layers.Dense(512, "relu"), layers.Dropout(0.5)]
    return keras.Sequential([*stack, layers.Dense(1, "sigmoid")])


def mini_xception() -> Any:
    image = x = keras.Input((64, 64, 1))
    for filters in (8, 8):
        x = layers.Conv2D(filters, 3, use_bias=False, kernel_regularizer="l2")(x)
        x = layers.Activation("relu")(layers.BatchNormalization()(x))
    for filters in (16, 32, 64, 128):
        short = layers.BatchNormalization()(layers.Conv2D(filters, 1, strides=2, padding="same", use_bias=False)(x))
        for number in range(2):
            x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization()(x)
            x = x if number else layers.Activation("relu")(x)
        x = layers.add([layers.MaxPooling2D(3, strides=2, padding="same")(x), short])
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(7, 3, padding="same")(x))
    return keras.Model(image, layers.Activation("softmax", name="predictions")(x))


def misleading_names() -> Any:
    """Names that sort and read otherwise than the classes and the order that weights are keyed by."""
    image = keras.Input((8, 8, 4), name="dense")
    a = layers.Conv2D(4, 3, padding="same", name="conv2d_1")(image)
    b = layers.Conv2D(4, 3, padding="same", name="conv2d")(a)
    c = layers.BatchNormalization(name="conv2d_2")(layers.Add(name="batch_normalization")([a, b]))
    d = layers.Conv2D(4, 3, padding="same", name="batch_normalization_1")(c)
    e = layers.Flatten(name="dense_2")(layers.Multiply(name="a_b")([d, b]))
    first = layers.Dense(5, name="dense_1")(e)
    return keras.Model(image, layers.Dense(5, "tanh", name="conv2d_3")(first))


def twice_used() -> Any:
    """A shared layer at several depths, a shared model that is called twice, inputs and outputs in lists."""
    left, right = keras.Input((6, 6, 3), name="left"), keras.Input((6, 6, 3), name="right")
    shared = layers.Conv2D(3, 3, padding="same", name="shared")
    inner_in = keras.Input((6, 6, 3))
    inner_out = layers.Conv2D(3, 3, padding="same", activation="swish")(inner_in)
    inner = keras.Model(inner_in, layers.Add()([inner_in, layers.BatchNormalization()(inner_out)]), name="inner")
    stack = keras.Sequential(
        [keras.Input((6, 6, 3)), layers.Conv2D(3, 2), layers.LeakyReLU(0.1), layers.ZeroPadding2D(((0, 1), (1, 0)))],
        name="stack",
    )
    deep = inner(shared(stack(inner(left))))
    both = layers.Concatenate()([deep, shared(right), layers.Subtract()([left, right])])
    return keras.Model([right, left], [layers.Dense(2, name="head")(layers.GlobalMaxPooling2D()(both)), deep])


def all_kinds() -> Any:
    """Every layer and option that can be read and that no other network here has."""
    image = keras.Input((9, 9, 3))
    x = layers.Normalization(axis=-1)(layers.Rescaling([0.5, 1.0, 2.0], offset=-0.1)(image))
    x = layers.ZeroPadding2D(((1, 0), (0, 1)))(x)
    y = layers.SeparableConv2D(6, (3, 2), depth_multiplier=2, padding="same", activation="gelu")(x)
    z = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", activation="hard_sigmoid")(x)
    x = layers.Average()([layers.Maximum()([y, z]), layers.Minimum()([y, z])])
    x = layers.Dropout(0.3, noise_shape=(None, 1, 1, 1))(layers.ReLU(6.0, 0.1, 0.05)(x))
    x = layers.Conv2D(8, 3, groups=2, dilation_rate=2, activation="selu", kernel_initializer="he_normal")(x)
    x = layers.AveragePooling2D(2, strides=1, padding="same")(layers.ELU(0.7)(x))
    x = layers.BatchNormalization(scale=False, center=False)(x)
    gate = layers.Reshape((1, 1, 8))(layers.Dense(8, "mish")(layers.GlobalAveragePooling2D(keepdims=True)(x)))
    x = layers.Multiply()([x, gate])
    fixed = layers.Normalization(mean=[0.5] * 8, variance=[2.0] * 8, invert=True)(x)
    return keras.Model(image, layers.Softmax()(layers.Dense(4, use_bias=False)(layers.Flatten()(fixed))))


def frozen_parts() -> Any:
    """Frozen layers, in a model within a model too: whole-model .h5 files list their weights last."""
    inner = keras.Sequential(
        [keras.Input((6, 6, 2)), layers.Conv2D(2, 3), layers.BatchNormalization(), layers.Conv2D(2, 3)], name="body"
    )
    inner.layers[0].trainable = False
    frozen = layers.BatchNormalization()
    frozen.trainable = False
    return keras.Sequential([keras.Input((6, 6, 2)), inner, frozen, layers.Flatten(), layers.Dense(3)])


def result_within() -> Any:
    """A model called twice within another: its first call is taken there, its second is the result."""
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(3, "tanh")], name="inner")
    graph_in = keras.Input((3,))
    graph = keras.Model(graph_in, layers.Dense(3, "elu")(graph_in), name="graph")
    vector = keras.Input((3,))
    return keras.Model(vector, [inner(graph(inner(vector))), graph(layers.Dense(3)(vector))])


SMALL: dict[str, Builder] = {
    builder.__name__: builder
    for builder in (
        fer_small, fer_deep, movie_frames, movie_frames_brief, happy_sad, mini_xception, misleading_names, twice_used,
        all_kinds, frozen_parts, result_within,
    )
}  # fmt: skip


def _application(name: str, size: int) -> Builder:
    make = getattr(keras.applications, name)
    return lambda: make(weights=None, include_top=False, pooling="avg", input_shape=(size, size, 3))


APPLICATIONS: dict[str, Builder] = {
    name: _application(name, size)
    for name, size in {"VGG16": 32, "ResNet50": 64, "ResNet50V2": 64, "MobileNetV2": 64, "EfficientNetB0": 64}.items()
}


def inputs_of(model: Any, samples: int = 3, seed: int = 1) -> Any:
    """Random inputs for a model; a list where it has several."""
    rng = np.random.default_rng(seed)
    arrays = [rng.random((samples, *tensor.shape[1:]), np.float32) for tensor in model.inputs]
    return arrays if len(arrays) > 1 else arrays[0]


def outputs_of(model: Any, inputs: Any) -> list[np.ndarray]:
    """What a model of Keras or of ours predicts, always as a list."""
    result = model.predict(inputs, verbose=0) if isinstance(model, keras.Model) else model.predict(inputs)
    return list(result) if isinstance(result, list | tuple) else [result]
