"""How far our numbers are from the twin's: the results of each layer, and the gradient of each weight."""

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

import scratchnet as sn
from scratchnet.arrays import AnyArray
from scratchnet.formats.keras_description import every_layer
from scratchnet.models.building import build_layer, custom_layers
from scratchnet.models.flat import INPUTS, Place, flatten
from scratchnet.models.model import describe
from scratchnet.parameter import Parameter
from scratchnet.tensor import Tensor

# a gradient that should be zero, such as that of a bias before batch normalisation, is nothing but rounding; it is
# measured by this share of the model's largest gradient
SMALLEST_SHARE = 1e-6
NUDGE = 4e-6  # moves results about as far as two libraries' ways of adding up thousands of float32 numbers


class Difference(NamedTuple):
    """Two arrays that should be one.

    Attributes:
        name: of the layer or the weight.
        kind: the layer's class, or the weight's shape.
        largest: the largest absolute difference of two elements; infinite where only one is a number.
        relative: the same as a share of the largest absolute element of the twin's.
    """

    name: str
    kind: str
    largest: float
    relative: float


def difference(name: str, kind: str, ours: Any, theirs: Any, least: float = 0.0) -> Difference:
    """Compare two arrays.

    Args:
        name: of the layer or the weight.
        kind: of it.
        ours: an array.
        theirs: the twin's.
        least: what the difference is measured by at least.
    """
    mine, other = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if mine.shape != other.shape or not np.array_equal(np.isfinite(mine), np.isfinite(other)):
        return Difference(name, kind, np.inf, np.inf)
    finite = np.isfinite(other)
    largest = float(np.abs(mine[finite] - other[finite]).max(initial=0.0))
    size = max(float(np.abs(other[finite]).max(initial=0.0)), least)
    return Difference(name, kind, largest, largest / size if size else largest)


def nudge(model: sn.Model, seed: int) -> sn.Model:
    """A copy whose weights are all moved by a few millionths, up or down, each by lot.

    What this changes in a result is what rounding changes: little where the result is smooth, more where a maximum or
    a ReLU at its kink falls on the other side.
    """
    copy, rng = deepcopy(model), np.random.default_rng(seed)
    for weight in copy.weights:
        weight.assign(weight.data * (1 + NUDGE * rng.choice([-1, 1], weight.shape)).astype(weight.dtype))
    return copy


def compare_activations(model: sn.Model, twin: Any, x: list[AnyArray]) -> list[Difference]:
    """The results of each call of each layer on some images, then those of the whole models.

    Each layer takes what the layers of its own side gave. The last entries are the outputs as `predict` computes them,
    by a plan of fused kernels, and those of the twin's own graph.

    Args:
        model: ours.
        twin: of `pipelines.twin.to_keras`.
        x: the inputs.
    """
    found: list[Difference] = []
    graph = flatten(model)
    values: dict[Place, tuple[Tensor, Any]] = {
        Place(INPUTS, number): (Tensor(array), array) for number, array in enumerate(x)
    }
    with sn.no_grad():
        for number, call in enumerate(graph.calls):
            ours, theirs = (list(side) for side in zip(*(values[place] for place in call.inputs), strict=True))
            mine = call.node.run(ours, training=False)
            other = reduce(lambda part, name: part.get_layer(name), call.path, twin)
            result = _listed(other(theirs if call.node.as_list else theirs[0], training=False))
            pairs = list(zip(mine, result, strict=True))
            found += [difference(call.name, type(call.layer).__name__, *pair) for pair in pairs]
            values.update({Place(number, index): pair for index, pair in enumerate(pairs)})
        predicted = model.predict(x if len(x) > 1 else x[0], batch_size=len(x[0]))
    expected = twin(x if len(x) > 1 else x[0], training=False)
    results = zip(_listed(predicted), _listed(expected), strict=True)
    for number, (one, another) in enumerate(results, 1):
        found.append(difference(f"output {number}", "predict", one, another))
    return found


def compare_gradients(model: sn.Model, twin: Any, x: list[AnyArray], y: AnyArray | None) -> list[Difference]:
    """The gradient by each weight in training, penalties included; neither model is changed.

    Copies of both compute in float64: in float32, rounding would decide which side of a ReLU's kink and which of two
    nearly equal maxima counts, and gradients that should be zero would be nothing but rounding.

    Args:
        model: ours.
        twin: of `pipelines.twin.to_keras`.
        x: the inputs.
        y: the targets of the loss that both are compiled with; None to weight the outputs with random numbers instead.
    """
    ours = _our_gradients(ours_in_float64(model, y is not None), x, y)
    theirs = _their_gradients(model, _theirs_in_float64(twin), None if y is None else _loss_in_float64(twin), x, y)
    least = SMALLEST_SHARE * max(float(np.abs(gradient).max(initial=0.0)) for gradient in theirs.values())
    return [
        difference(name, "x".join(map(str, gradient.shape)), gradient, theirs[name], least)
        for name, gradient in ours.items()
    ]


def ours_in_float64(model: sn.Model, compiled: bool = False) -> sn.Model:
    """A copy that computes in float64, compiled with the same loss on request."""
    description = json.loads(json.dumps(describe(model)), object_hook=_in_float64)
    with custom_layers({type(layer).__name__: type(layer) for layer in every_layer(model)}):
        copy = build_layer(description)
    assert isinstance(copy, sn.Model)
    for mine, weight in zip(copy.weights, model.weights, strict=True):
        mine.assign(weight.data)
    if compiled:
        copy.compile("sgd", model.loss)
    return copy


def _in_float64(config: dict[str, Any]) -> dict[str, Any]:
    return {**config, "dtype": "float64"} if "dtype" in config else config


def _theirs_in_float64(twin: Any) -> Any:
    import keras

    def clone(layer: Any) -> Any:
        return type(layer).from_config({**layer.get_config(), "dtype": "float64"})

    copy = keras.models.clone_model(twin, clone_function=clone, recursive=True)
    copy.set_weights(twin.get_weights())
    return copy


def _loss_in_float64(twin: Any) -> Any:
    # in float32, Keras's losses would compute from rounded and clipped probabilities instead of logits
    import keras

    loss = keras.losses.get(twin.loss)
    return type(loss).from_config({**loss.get_config(), "dtype": "float64"})


def _our_gradients(model: sn.Model, x: list[AnyArray], y: AnyArray | None) -> dict[str, AnyArray]:
    """The gradients by the name of the weight."""
    for weight in model.weights:
        weight.grad = None
    result = model(x if len(x) > 1 else x[0], training=True)
    if y is None:
        outputs = _listed(result)
        parts = [(output * Tensor(factor)).sum() for output, factor in zip(outputs, _factors(outputs), strict=True)]
        sum(parts[1:], parts[0]).backward()
    else:
        model.loss(y, result).backward()
    return {name: _with_penalty(weight) for name, weight in _named_weights(model) if weight.trainable}


def _their_gradients(
    model: sn.Model, twin: Any, loss: Any, x: list[AnyArray], y: AnyArray | None
) -> dict[str, AnyArray]:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        result = twin(x if len(x) > 1 else x[0], training=True)
        if y is None:
            outputs = _listed(result)
            parts = [tf.reduce_sum(out * factor) for out, factor in zip(outputs, _factors(outputs), strict=True)]
        else:
            parts = [loss(y, result)]
        total = tf.add_n([*parts, *twin.losses])
    variables = dict(_named_variables(model, twin))
    named = {name: variables[name] for name, weight in _named_weights(model) if weight.trainable}
    found = tape.gradient(total, [variable.value for variable in named.values()])
    return {
        name: np.zeros(variable.shape) if gradient is None else np.asarray(gradient)
        for (name, variable), gradient in zip(named.items(), found, strict=True)
    }


def _with_penalty(weight: Parameter) -> AnyArray:
    gradient = np.zeros_like(weight.data) if weight.grad is None else weight.grad
    return gradient if weight.regularizer is None else gradient + weight.regularizer.gradient(weight.data)


def _named_weights(model: sn.Model, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
    for layer in model.layers:
        if isinstance(layer, sn.Model):
            yield from _named_weights(layer, f"{prefix}{layer.name}/")
        else:
            yield from ((f"{prefix}{layer.name}/{weight.name}", weight) for weight in layer.weights)


def _named_variables(model: sn.Model, twin: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The twin's variables by our names of the weights."""
    for layer in model.layers:
        other = twin.get_layer(layer.name)
        if isinstance(layer, sn.Model):
            yield from _named_variables(layer, other, f"{prefix}{layer.name}/")
        else:
            pairs = zip(layer.weights, other.weights, strict=True)
            yield from ((f"{prefix}{layer.name}/{weight.name}", variable) for weight, variable in pairs)


def _factors(outputs: list[Any]) -> list[AnyArray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(output.shape).astype(output.dtype.name) for output in outputs]


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
