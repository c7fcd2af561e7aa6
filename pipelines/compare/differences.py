"""How far our numbers are from the twin's: the results of each layer, and the gradient of each weight."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import scratchnet as sn
from scratchnet.arrays import AnyArray
from scratchnet.layers import Layer
from scratchnet.tensor import Parameter, Tensor

# a gradient that should be zero, such as that of a bias before batch normalisation, is nothing but rounding; it is
# measured by this share of the model's largest gradient
SMALLEST_SHARE = 1e-3


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
    with sn.no_grad():
        _walk(model, twin, [Tensor(array) for array in x], list(x), "", found)
        ours = model.predict(x if len(x) > 1 else x[0], batch_size=len(x[0]))
    theirs = twin(x if len(x) > 1 else x[0], training=False)
    results = zip(_listed(ours), _listed(theirs), strict=True)
    for number, (mine, other) in enumerate(results, 1):
        found.append(difference(f"output {number}", "predict", mine, other))
    return found


def _walk(
    model: sn.Model, twin: Any, ours: list[Tensor], theirs: list[Any], prefix: str, found: list[Difference]
) -> tuple[list[Tensor], list[Any]]:
    """Run both graphs call by call; their results."""
    values = {id(symbol): pair for symbol, *pair in zip(model.inputs, ours, theirs, strict=True)}
    calls: Counter[str] = Counter()
    for node in model.nodes:
        layer, other = node.layer, twin.get_layer(node.layer.name)
        mine_in, other_in = (list(side) for side in zip(*(values[id(tensor)] for tensor in node.inputs), strict=True))
        calls[layer.name] += 1
        name = f"{prefix}{layer.name}" + (f" (call {calls[layer.name]})" if calls[layer.name] > 1 else "")
        if isinstance(layer, sn.Model):
            mine, result = _walk(layer, other, mine_in, other_in, f"{name}/", found)
        else:
            mine = node.run(mine_in, training=False)
            result = _listed(other(other_in if node.as_list else other_in[0], training=False))
            found += [difference(name, type(layer).__name__, *pair) for pair in zip(mine, result, strict=True)]
        values.update({id(symbol): pair for symbol, *pair in zip(node.outputs, mine, result, strict=True)})
    mine, result = (list(side) for side in zip(*(values[id(tensor)] for tensor in model.outputs), strict=True))
    return mine, result


def compare_gradients(model: sn.Model, twin: Any, x: list[AnyArray], y: AnyArray | None) -> list[Difference]:
    """The gradient by each weight in training, penalties included; moving averages are updated on the way.

    Args:
        model: ours.
        twin: of `pipelines.twin.to_keras`.
        x: the inputs.
        y: the targets of the loss that both are compiled with; None to weight the outputs with random numbers instead.
    """
    import tensorflow as tf

    ours = model(x if len(x) > 1 else x[0], training=True)
    weights = [Tensor(weight) for weight in _random_like(_listed(ours))] if y is None else []
    for weight in model.weights:
        weight.grad = None
    if y is None:
        _sum([(output * weight).sum() for output, weight in zip(_listed(ours), weights, strict=True)]).backward()
    else:
        model.loss(y, ours).backward()
    with tf.GradientTape() as tape:
        theirs = twin(x if len(x) > 1 else x[0], training=True)
        if y is None:
            parts = [tf.reduce_sum(out * weight.data) for out, weight in zip(_listed(theirs), weights, strict=True)]
            loss = tf.add_n([*parts, *twin.losses])
        else:
            loss = twin.compute_loss(x=x, y=y, y_pred=theirs)
    found = tape.gradient(loss, [variable.value for variable in twin.trainable_variables])
    by_variable = {id(v): g for v, g in zip(twin.trainable_variables, found, strict=True)}
    pairs = [
        (name, _with_penalty(weight), _dense(by_variable[id(variable)], weight))
        for name, weight, variable in _paired_weights(model, twin)
        if weight.trainable
    ]
    most = max((float(np.abs(theirs).max(initial=0.0)) for _, _, theirs in pairs), default=0.0)
    return [
        difference(name, "x".join(map(str, ours.shape)), ours, theirs, least=SMALLEST_SHARE * most)
        for name, ours, theirs in pairs
    ]


def _with_penalty(weight: Parameter) -> AnyArray:
    gradient = np.zeros_like(weight.data) if weight.grad is None else weight.grad
    return gradient if weight.regularizer is None else gradient + weight.regularizer.gradient(weight.data)


def _dense(gradient: Any, weight: Parameter) -> AnyArray:
    return np.zeros_like(weight.data) if gradient is None else np.asarray(gradient)


def _paired_weights(model: sn.Model, twin: Any, prefix: str = "") -> Iterator[tuple[str, Parameter, Any]]:
    for layer in model.layers:
        other = twin.get_layer(layer.name)
        if isinstance(layer, sn.Model):
            yield from _paired_weights(layer, other, f"{prefix}{layer.name}/")
        else:
            yield from _paired_layer(layer, other, prefix)


def _paired_layer(layer: Layer, other: Any, prefix: str) -> Iterator[tuple[str, Parameter, Any]]:
    for weight, variable in zip(layer.weights, other.weights, strict=True):
        yield f"{prefix}{layer.name}/{weight.name}", weight, variable


def _random_like(outputs: list[Any]) -> list[AnyArray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(output.shape).astype(output.dtype) for output in outputs]


def _sum(parts: list[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
