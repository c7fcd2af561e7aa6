"""From a description to layers and graphs. Only classes that are registered here, or handed in, are ever made."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from scratchnet import layers
from scratchnet.layers.base import Layer
from scratchnet.layers.symbolic import SymbolicTensor

_custom: ContextVar[Mapping[str, type[Layer]] | None] = ContextVar("custom", default=None)


@contextmanager
def custom_layers(classes: Mapping[str, type[Layer]] | None) -> Iterator[None]:
    """Within this context these classes may be built too."""
    token = _custom.set(classes)
    try:
        yield
    finally:
        _custom.reset(token)


def _known_classes() -> dict[str, type[Layer]]:
    from scratchnet.models.model import Model
    from scratchnet.models.sequential import Sequential

    built_in = {name: getattr(layers, name) for name in layers.__all__ if name not in {"Input", "Layer"}}
    return {**built_in, "Model": Model, "Sequential": Sequential, **(_custom.get() or {})}


def build_layer(description: Any) -> Layer:
    """The layer that `describe` described.

    Raises:
        ValueError: the class is unknown, or its configuration does not fit.
    """
    if not isinstance(description, Mapping) or not isinstance(description.get("config"), Mapping):
        raise ValueError(f'a layer must be described by "class_name" and "config", got {description!r:.200}')
    known = _known_classes()
    class_name = description.get("class_name")
    if not isinstance(class_name, str) or class_name not in known:
        raise ValueError(f"unknown layer class {class_name!r}; pass your own classes as custom_objects={{name: class}}")
    try:
        return known[class_name].from_config(description["config"])
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"the configuration of a {class_name} does not fit: {error}") from error


def functional_arguments(config: Mapping[str, Any]) -> tuple[list[SymbolicTensor], Any]:
    """Inputs and outputs of the graph that `Model.get_config` described.

    Raises:
        ValueError: the description contradicts itself.
    """
    by_name = {layer.name: layer for layer in map(build_layer, config["layers"])}
    inputs = [layers.Input(value["shape"], dtype=value["dtype"], name=value["name"]) for value in config["inputs"]]
    made: list[list[SymbolicTensor]] = []

    def at(place: Any) -> SymbolicTensor:
        source, index = place
        try:
            found: SymbolicTensor = inputs[index] if source == "input" else made[source][index]
        except (IndexError, TypeError):
            raise ValueError(f"the graph refers to {place!r}, which does not exist before it is used") from None
        return found

    for call in config["calls"]:
        if call["layer"] not in by_name:
            raise ValueError(f"the graph calls a layer {call['layer']!r} that it does not describe")
        arguments = [at(place) for place in call["inputs"]]
        result = by_name[call["layer"]](arguments if call["as_list"] else arguments[0])
        made.append(result if isinstance(result, list) else [result])
    outputs = config["outputs"]
    single = bool(outputs) and not isinstance(outputs[0], list)
    return inputs, at(outputs) if single else [at(place) for place in outputs]
