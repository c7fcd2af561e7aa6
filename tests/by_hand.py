"""A model's layers run one by one, none of them together with another."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

import scratchnet as sn
from scratchnet import layers
from scratchnet.tensor import Tensor

TOLERANCE = {"float32": 3e-5, "float64": 1e-11}


def run(model: sn.Model, inputs: Any, training: bool = False) -> Any:
    """What the model returns, by its layers' own calls; models within it are run in the same way."""
    given = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
    values = {id(s): tensor for s, tensor in zip(model.inputs, model._cast(given), strict=True)}
    for node in model.nodes:
        tensors = [values[id(symbol)] for symbol in node.inputs]
        if isinstance(node.layer, sn.Model):
            result = run(node.layer, tensors, training)
            results = result if isinstance(result, list) else [result]
        else:
            results = node.run(tensors, training)
        values.update({id(symbol): result for symbol, result in zip(node.outputs, results, strict=True)})
    outputs = [values[id(symbol)] for symbol in model.outputs]
    return outputs if len(outputs) > 1 else outputs[0]


def disturb(model: sn.Model, seed: int = 0) -> sn.Model:
    """Give all weights random values, as training would: scales of either sign, variances that differ."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.name == "moving_variance":
            weight.assign(rng.uniform(0.5, 2, weight.shape))
        elif weight.name == "gamma":
            weight.assign(rng.uniform(0.5, 1.5, weight.shape) * rng.choice([-1, 1], weight.shape))
        elif weight.name in {"beta", "moving_mean", "bias"}:
            weight.assign(rng.normal(0, 0.5, weight.shape))
        else:
            fan_in = max(1, weight.size // weight.shape[-1])
            weight.assign(rng.normal(0, fan_in**-0.5, weight.shape))
    return model


def noise(*shape: int, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    """Normally distributed numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def assert_close(ours: Any, expected: Any, what: str = "") -> None:
    """Equal up to rounding, relative to the largest number; for outputs and gradients of whole nets."""
    ours, expected = np.asarray(ours), np.asarray(expected)
    assert ours.shape == expected.shape, what
    assert ours.dtype == expected.dtype, what
    atol = TOLERANCE[ours.dtype.name] * max(1.0, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(ours, expected, rtol=0, atol=atol, err_msg=what)


def loss_gradients(model: sn.Model, output: Tensor, seed: int = 0) -> list[np.ndarray | None]:
    """The gradients by the trainable weights of a randomly weighted sum of an output."""
    weights = model.trainable_weights
    for weight in weights:
        weight.grad = None
    output.backward(noise(*output.shape, seed=seed, dtype=output.dtype.name))
    return [weight.grad for weight in weights]


MAKERS = {
    "conv": lambda draw: layers.Conv2D(
        draw(st.sampled_from([1, 4, 17])),
        draw(st.sampled_from([1, 2, 3])),
        strides=draw(st.sampled_from([1, 1, 2])),
        padding=draw(st.sampled_from(["same", "same", "valid"])),
        activation=draw(st.sampled_from([None, None, "relu", "tanh"])),
        use_bias=draw(st.booleans()),
    ),
    "norm": lambda draw: layers.BatchNormalization(scale=draw(st.booleans()), center=draw(st.booleans()), momentum=0.7),
    "relu": lambda draw: draw(st.sampled_from([layers.ReLU, lambda: layers.Activation("relu")]))(),
    "pool": lambda draw: layers.MaxPooling2D(
        draw(st.sampled_from([1, 2, 3, (1, 2), (2, 1)])),
        strides=draw(st.sampled_from([None, None, None, 1, 2])),
        padding=draw(st.sampled_from(["valid", "valid", "same"])),
    ),
    "depthwise": lambda draw: layers.DepthwiseConv2D(
        3, padding="same", activation=draw(st.sampled_from([None, "relu"]))
    ),
    "separable": lambda draw: layers.SeparableConv2D(5, 3, padding="same"),
    "leaky": lambda draw: layers.LeakyReLU(0.1),
    "relu of another kind": lambda draw: draw(
        st.sampled_from([lambda: layers.ReLU(max_value=1.0), lambda: layers.ReLU(negative_slope=0.2)])
    )(),
    "linear": lambda draw: layers.Activation("linear"),
    "dropout": lambda draw: layers.Dropout(0.4, seed=5),
    "average": lambda draw: layers.AveragePooling2D(2, padding="same"),
}


@st.composite
def stacks(draw: Any, largest: int = 8) -> list[tuple[str, dict[str, Any]]]:
    """Layers for images, as (class, configuration), which can be built any number of times.

    Those that can be joined are drawn more often.
    """
    names = ["conv"] * 4 + ["norm"] * 4 + ["relu"] * 4 + ["pool"] * 3 + sorted(MAKERS)
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=largest))
    made = [MAKERS[name](draw) for name in chosen]
    return [(type(layer).__name__, {**layer.get_config(), "name": f"{n}_{name.replace(' ', '_')}"})
            for n, (name, layer) in enumerate(zip(chosen, made, strict=True))]  # fmt: skip


def build(
    stack: list[tuple[str, dict[str, Any]]], shape: tuple[int | None, ...], dtype: str, head: Any = (), seed: int = 0
) -> sn.Sequential:
    """A model of such layers; those for which the images have become too small are left out."""
    model = sn.Sequential([layers.Input(shape, dtype=dtype)])
    for kind, config in stack:
        layer = getattr(layers, kind).from_config({**config, "dtype": dtype})
        try:
            model.add(layer)
        except ValueError as error:
            assert "does not fit" in str(error)  # noqa: PT017  # an error is not what is tested
    for layer in head:
        model.add(layer)
    return disturb(model, seed)
