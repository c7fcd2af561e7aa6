"""Hypothesis strategies for whole models: convolutions, pools, merges, residuals, shared and nested parts."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

import scratchnet as sn
from scratchnet import layers

ACTIVATIONS = [
    "elu", "exponential", "gelu", "hard_sigmoid", "hard_silu", "leaky_relu", "linear", "log_softmax", "mish", "relu",
    "relu6", "selu", "sigmoid", "silu", "softmax", "softplus", "softsign", "tanh",
]  # fmt: skip
# what computes with one input as Keras does also where it is not differentiable
SMOOTH = ["linear", "relu", "sigmoid", "silu", "softplus", "tanh"]


@st.composite
def image_layers(draw: Any, smooth: bool = False) -> layers.Layer:
    """A layer from images to images that keeps height and width, or halves them.

    Args:
        draw: Hypothesis's.
        smooth: only what TensorFlow can differentiate on a CPU.
    """
    bounded = [name for name in ACTIVATIONS if name != "exponential"]  # a chain of them overflows
    activation = draw(st.sampled_from(SMOOTH if smooth else bounded))
    size = draw(st.sampled_from([1, 2, 3, (3, 2)]))
    strides = draw(st.sampled_from([1, 1, 2]))
    dilation = 1 if smooth or strides == 2 else draw(st.sampled_from([1, 2]))
    options = {
        "padding": "same", "strides": strides, "dilation_rate": dilation, "activation": activation,
        "use_bias": draw(st.booleans()),
    }  # fmt: skip
    kind = draw(st.integers(0, 9))
    if kind <= 2:
        return layers.Conv2D(draw(st.sampled_from([2, 3, 4])), size, kernel_regularizer=draw(_REGULARIZERS), **options)
    if kind == 3:
        return layers.DepthwiseConv2D(size, depth_multiplier=draw(st.integers(1, 2)), **options)
    if kind == 4:
        return layers.SeparableConv2D(3, size, depth_multiplier=draw(st.integers(1, 2)), **options)
    if kind == 5:
        center, scale = draw(st.booleans()), draw(st.booleans())
        return layers.BatchNormalization(center=center, scale=scale, momentum=0.8, epsilon=1e-2)
    if kind == 6:
        pool = draw(st.sampled_from([layers.MaxPooling2D, layers.AveragePooling2D]))
        return pool(draw(st.sampled_from([2, 3])), strides=draw(st.sampled_from([1, 2])), padding="same")
    if kind == 7:
        return draw(
            st.sampled_from(
                [
                    lambda: layers.ReLU(max_value=4.0, negative_slope=0.1, threshold=0.2),
                    lambda: layers.LeakyReLU(0.1),
                    lambda: layers.ELU(0.7),
                    lambda: layers.Normalization(mean=0.5, variance=2.0),
                    lambda: layers.Softmax(axis=1),
                    lambda: layers.Rescaling(0.5, offset=-1),
                    lambda: layers.Activation(activation),
                ]
            )
        )()
    if kind == 8:
        return layers.ZeroPadding2D(((1, 0), (0, 2)))
    return layers.Dropout(0.3)


_REGULARIZERS = st.sampled_from([None, None, "l2", sn.regularizers.L1L2(0.01, 0.02)])


@st.composite
def models(draw: Any, smooth: bool = False, inputs: int = 2) -> sn.Model:
    """A model of one or two inputs and outputs; every weight is drawn too, so that none is 0 or 1.

    Args:
        draw: Hypothesis's.
        smooth: as in `image_layers`; only one output then, so that it can be trained.
        inputs: at most.
    """
    sn.set_random_seed(draw(st.integers(0, 99)))
    size, channels = draw(st.integers(5, 8)), draw(st.integers(1, 4))
    images = layers.Input((size, size, channels), name="image")
    value = images
    for _ in range(draw(st.integers(1, 3))):
        value = _block(draw, value, smooth)
    ending = draw(st.sampled_from(["flatten", "average", "maximum", "reshape"]))
    vector = {
        "flatten": lambda: layers.Flatten()(value),
        "average": lambda: layers.GlobalAveragePooling2D()(value),
        "maximum": lambda: layers.Flatten()(layers.GlobalMaxPooling2D(keepdims=True)(value)),
        "reshape": lambda: layers.Flatten()(layers.Dense(3)(layers.Reshape((-1, value.shape[-1]))(value))),
    }[ending]()
    given: list[Any] = [images]
    if inputs > 1 and draw(st.booleans()):
        other = layers.Input((3,))
        given.append(other)
        vector = layers.Concatenate()([other, vector])
    if draw(st.booleans()):
        vector = layers.BatchNormalization()(layers.Dropout(0.2)(vector))
    result = layers.Dense(3, activation=draw(st.sampled_from([None, "softmax", "sigmoid"])))(vector)
    outputs = [result, value] if not smooth and draw(st.booleans()) else result
    return _with_weights(sn.Model(given if len(given) > 1 else images, outputs), draw(st.integers(0, 99)))


def _block(draw: Any, value: Any, smooth: bool) -> Any:
    kind = draw(st.sampled_from(["plain", "plain", "residual", "branches", "shared", "nested", "nested graph"]))
    channels = value.shape[-1]
    if kind == "residual":
        merge = draw(st.sampled_from(["Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"]))
        return getattr(layers, merge)()([value, layers.Conv2D(channels, 3, padding="same")(value)])
    if kind == "branches":
        parts = [layers.Conv2D(2, 3, padding="same", activation="relu")(value), value]
        return layers.Concatenate(axis=draw(st.sampled_from([-1, 3])))(parts if draw(st.booleans()) else parts[::-1])
    if kind == "shared":
        shared = layers.Conv2D(channels, 3, padding="same", activation="tanh")
        return shared(shared(value))
    if kind == "nested":
        stack = [layers.Conv2D(channels, 1), layers.BatchNormalization(), draw(image_layers(smooth))]
        return sn.Sequential([layers.Input(value.shape[1:]), *stack])(value)
    if kind == "nested graph":
        inner = layers.Input(value.shape[1:])
        graph = sn.Model(inner, layers.Add()([layers.Conv2D(channels, 3, padding="same")(inner), inner]))
        return graph(graph(value))
    return draw(image_layers(smooth))(value)


def _with_weights(model: sn.Model, seed: int) -> sn.Model:
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.name in {"gamma", "moving_variance"}:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        else:
            weight.assign(rng.standard_normal(weight.shape) * 0.5)
    return model
