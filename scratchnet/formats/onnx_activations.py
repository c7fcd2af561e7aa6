"""How each activation function is written as ONNX nodes (operations of opset 17)."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from scratchnet import activations
from scratchnet.formats.onnx_graph import Graph, Layout, Value


def write_activation(graph: Graph, activation: Any, value: Value, base: str) -> Value:
    """An activation function by scratchnet's name.

    Raises:
        ValueError: the function is the caller's own.
    """
    name = activations.name_of(activation)
    if name == "linear":
        return value
    if name in {"softmax", "log_softmax"}:
        if value.layout is Layout.FLAT_NCHW:
            value = graph.plain(value)
        operation = "Softmax" if name == "softmax" else "LogSoftmax"
        return value._replace(name=graph.add(operation, [value.name], base, axis=value.axis(-1)))
    return value._replace(name=_ACTIVATIONS[name](graph, value.name, base))


def _simple(operation: str, **attributes: Any) -> Callable[[Graph, str, str], str]:
    return lambda graph, x, base: graph.add(operation, [x], base, **attributes)


def _gelu(graph: Graph, x: str, base: str) -> str:
    # x * (1 + erf(x / sqrt(2))) / 2; opset 17 has no operation of its own for it
    root, one, half = (graph.constant(np.float32(n), f"{base}/constant") for n in (math.sqrt(2), 1, 0.5))
    error = graph.add("Erf", [graph.add("Div", [x, root], f"{base}/scaled")], f"{base}/erf")
    return graph.add("Mul", [graph.add("Mul", [x, graph.add("Add", [error, one], f"{base}/mass")], base), half], base)


def clip(graph: Graph, x: str, base: str, low: float | None, high: float | None) -> str:
    """Limit a value from below, from above, or both."""
    limits = ["" if n is None else graph.constant(np.float32(n), f"{base}/limit") for n in (low, high)]
    return graph.add("Clip", [x, *limits], base)


def _mish(graph: Graph, x: str, base: str) -> str:
    inner = graph.add("Softplus", [x], f"{base}/softplus")
    return graph.add("Mul", [x, graph.add("Tanh", [inner], f"{base}/tanh")], base)


_ACTIVATIONS: dict[str, Callable[[Graph, str, str], str]] = {
    "elu": _simple("Elu", alpha=1.0),
    "exponential": _simple("Exp"),
    "gelu": _gelu,
    "hard_sigmoid": _simple("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hard_silu": _simple("HardSwish"),
    "leaky_relu": _simple("LeakyRelu", alpha=0.2),
    "mish": _mish,
    "relu": _simple("Relu"),
    "relu6": lambda graph, x, base: clip(graph, x, base, 0, 6),
    "sigmoid": _simple("Sigmoid"),
    "selu": _simple("Selu", alpha=1.6732632423543772, gamma=1.0507009873554805),
    "silu": lambda graph, x, base: graph.add("Mul", [x, graph.add("Sigmoid", [x], f"{base}/sigmoid")], base),
    "softplus": _simple("Softplus"),
    "softsign": _simple("Softsign"),
    "tanh": _simple("Tanh"),
}
