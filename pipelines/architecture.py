"""A model's layers as a table: what each does, what it gives, and how many parameters it has."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import scratchnet as sn
from scratchnet import layers
from scratchnet.layers.symbolic import BatchShape
from scratchnet.models.flat import INPUTS, Place, flatten

TIMES = "\N{MULTIPLICATION SIGN}"
MODEL_INPUT = "Input"  # the kind of a model's inputs, which are no layers
OPTIONS = {"dilation_rate": "dilation {}", "groups": "{} groups", "depth_multiplier": "depth multiplier {}"}


def by(sizes: Sequence[int | None]) -> str:
    """Sizes as text, such as `3×3`."""
    return TIMES.join("any" if size is None else f"{size}" for size in sizes)


@dataclass(frozen=True)
class LayerRow:
    """One call of a layer, or an input.

    Attributes:
        name: the layer's, that of the models around it before: `backbone/conv`.
        kind: its class.
        kernel: height and width of its window; None if it has none.
        strides: of the window.
        options: what else it was made with, in words.
        shape: of its first result, without the batch; None where a size is not known.
        parameters: how many numbers it has; 0 for later calls of a layer, which are counted with the first.
        sources: the rows it takes its inputs from.
        repeated: whether it is a later call of a layer.
    """

    name: str
    kind: str
    kernel: tuple[int, int] | None
    strides: tuple[int, int] | None
    options: str
    shape: BatchShape
    parameters: int
    sources: tuple[int, ...]
    repeated: bool = False

    @property
    def size(self) -> str:
        """The shape as text: `48×48×32`."""
        return by(self.shape) or "one number"


@dataclass(frozen=True)
class Architecture:
    """A model as a table.

    Attributes:
        name: the model's.
        rows: its inputs, then its calls in order, those of models within it spelled out.
        parameters: how many numbers it has, which is what Keras's `count_params` says.
        trainable: how many of them training changes.
    """

    name: str
    rows: tuple[LayerRow, ...]
    parameters: int
    trainable: int

    @property
    def is_chain(self) -> bool:
        """Whether each row takes what the row before it gives, and nothing else."""
        return all(row.sources == ((number - 1,) if number else ()) for number, row in enumerate(self.rows))


def describe_architecture(model: sn.Model) -> Architecture:
    """The table of a model.

    Raises:
        ValueError: the model has no graph yet, or computes by a `call` of its own.
    """
    graph = flatten(model)
    rows = [
        LayerRow(_input_name(model, number), MODEL_INPUT, None, None, "", tensor.shape[1:], 0, ())
        for number, tensor in enumerate(model.inputs)
    ]
    first = len(rows)
    seen: set[int] = set()
    for call in graph.calls:
        layer, repeated = call.layer, id(call.layer) in seen
        seen.add(id(layer))
        parameters = 0 if repeated else layer.count_params()
        sources = tuple(_row(place, first) for place in call.inputs)
        about = (*_window(layer), _options(layer), call.shapes[0][1:])
        rows.append(LayerRow(call.name, type(layer).__name__, *about, parameters, sources, repeated))
    trainable = sum(weight.size for weight in model.trainable_weights)
    return Architecture(model.name, tuple(rows), model.count_params(), trainable)


def _input_name(model: sn.Model, number: int) -> str:
    """Its name, unless that was made up, with a number that means nothing."""
    name = model.inputs[number].name
    if re.fullmatch(r"input_layer(_\d+)?", name) is None:
        return name
    return "input" if len(model.inputs) == 1 else f"input {number + 1}"


def _row(place: Place, first: int) -> int:
    return place.result if place.call == INPUTS else first + place.call


def _window(layer: layers.Layer) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    kernel = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    return kernel, getattr(layer, "strides", None) if kernel else None


def _options(layer: layers.Layer) -> str:
    """What a reader would want to know of a layer besides its window and its shape."""
    config = _config(layer)
    found: list[str] = []
    if getattr(layer, "strides", None) and "padding" in config:
        found.append(config["padding"])
    for option, text in OPTIONS.items():
        value = config.get(option)
        if value is not None and value not in (1, [1, 1]):
            found.append(text.format(by(value) if isinstance(value, list) else value))
    if config.get("activation", "linear") != "linear":
        found.append(str(config["activation"]))
    if config.get("use_bias") is False:
        found.append("no bias")
    if isinstance(layer, layers.Dropout):
        found.append(f"rate {layer.rate:g}")
    if isinstance(layer, layers.BatchNormalization):
        found.append(f"momentum {layer.momentum:g}")
    if isinstance(layer, layers.LeakyReLU):
        found.append(f"slope {layer.negative_slope:g}")
    if isinstance(layer, layers.ELU):
        found.append(f"alpha {layer.alpha:g}")
    if isinstance(layer, layers.ReLU) and layer.max_value is not None:
        found.append(f"at most {layer.max_value:g}")
    if isinstance(layer, layers.ZeroPadding2D):
        (top, bottom), (left, right) = layer.padding
        found.append(f"{top}+{bottom} rows, {left}+{right} columns")
    found += _penalty(config.get("kernel_regularizer"))
    if not layer.trainable and layer.weights:
        found.append("frozen")
    return ", ".join(found)


def _config(layer: layers.Layer) -> dict[str, Any]:
    try:
        return layer.get_config()
    except ValueError:  # an activation of the user's own, which has no name
        return {}


def _penalty(regularizer: Any) -> list[str]:
    """`L2 0.0001` and the like."""
    if not isinstance(regularizer, dict):
        return []
    strengths = regularizer.get("config", {})
    return [f"{kind.upper()} {strengths[kind]:g}" for kind in ("l1", "l2") if strengths.get(kind)]
