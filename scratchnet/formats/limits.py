"""How large a model may be that a file describes: far beyond any in use, and small enough to be built in seconds."""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from scratchnet.formats.parsing import shown
from scratchnet.models.model import Model

MAX_LAYERS = 2048
MAX_CALLS = 1 << 15
MAX_DEPTH = 32  # of models in models
MAX_COST = 1 << 16  # calls of layers that are no models, when a model is called: models within models multiply them
MAX_ELEMENTS = 1 << 30  # numbers that one layer makes of one sample


def check_size(layers: int, depth: int) -> None:
    """Raise a ValueError if so many layers, or models within models, are absurd."""
    if layers > MAX_LAYERS or depth > MAX_DEPTH:
        raise ValueError(f"the model has more than {MAX_LAYERS} layers, or more than {MAX_DEPTH} levels")


def checked_cost(costs: Iterable[int]) -> int:
    """The cost of a model from those of the calls it makes.

    Args:
        costs: of each call, which is that of the layer, and one for each input beyond the first.

    Raises:
        ValueError: it is absurd.
    """
    cost = sum(costs)
    if cost > MAX_COST:
        raise ValueError(f"one call of the model makes {cost} calls of layers; {MAX_COST} are allowed")
    return cost


def check_shapes(model: Model) -> None:
    """Raise a ValueError if a layer would make absurdly much of one sample, as far as its shape is known."""
    for layer in model.layers:
        if isinstance(layer, Model):
            check_shapes(layer)
    for node in model.nodes if model.built else ():
        for tensor in node.outputs:
            elements = math.prod(size for size in tensor.shape[1:] if size is not None)
            if elements > MAX_ELEMENTS:
                raise ValueError(
                    f"layer {shown(node.layer.name)} would make {elements} numbers of one sample; {MAX_ELEMENTS} are "
                    "allowed"
                )


def check_description(description: Any, custom: Collection[str] = ()) -> None:
    """Look through what `Model.get_config` made before anything is built of it.

    Args:
        description: with `class_name` and `config`. What does not fit is left to those who build it.
        custom: names of the caller's own classes, whose configurations are theirs to read.

    Raises:
        ValueError: it is absurdly large.
    """
    _Counter({"Model", "Sequential"} - set(custom)).cost(description, 0)


class _Counter:
    """Counts layers, and the calls that each model makes of them."""

    def __init__(self, models: Collection[str]) -> None:
        self._models = models
        self._layers = 0

    def cost(self, description: Any, depth: int) -> int:
        """How many calls of layers one call of this one makes."""
        self._layers += 1
        check_size(self._layers, depth)
        class_name, config = _parts_of(description)
        if class_name not in self._models:
            return 1
        layers = config.get("layers")
        if not isinstance(layers, list):
            return 1
        costs = [self.cost(layer, depth + 1) for layer in layers]
        calls = config.get("calls")
        if class_name == "Sequential" or not isinstance(calls, list):
            return checked_cost(costs)
        by_name = {name: cost for name, cost in zip(map(_name_of, layers), costs, strict=True) if name is not None}
        return checked_cost(_cost_of(call, by_name) for call in calls)


def _parts_of(description: Any) -> tuple[str, Mapping[str, Any]]:
    """The class and the configuration of a layer; nothing where they are none."""
    found = description if isinstance(description, Mapping) else {}
    class_name, config = found.get("class_name"), found.get("config")
    return class_name if isinstance(class_name, str) else "", config if isinstance(config, Mapping) else {}


def _name_of(description: Any) -> str | None:
    name = _parts_of(description)[1].get("name")
    return name if isinstance(name, str) else None


def _cost_of(call: Any, by_name: Mapping[str, int]) -> int:
    if not isinstance(call, Mapping) or not isinstance(call.get("layer"), str):
        return 1
    inputs = call.get("inputs")
    return by_name.get(call["layer"], 1) + (max(len(inputs) - 1, 0) if isinstance(inputs, list) else 0)
