"""A model in Keras's words: the configuration and the optimiser's state as Keras 3 describes them.

Needs no Keras. The layers' names, options and weights are Keras's already; what is added here is how Keras writes a
graph down.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from scratchnet import layers as layer_classes
from scratchnet.arrays import AnyArray
from scratchnet.formats.keras_slots import slots_of
from scratchnet.layers.base import Layer
from scratchnet.layers.symbolic import BatchShape, SymbolicTensor
from scratchnet.models.model import Model
from scratchnet.models.sequential import Sequential
from scratchnet.tensor import reading

# the layers that Keras has too, under one name and with one meaning
_SHARED = {getattr(layer_classes, name) for name in layer_classes.__all__ if name not in {"Input", "Layer"}}

# Keras's module of what a configuration may hold, by the end of the option's name
_MODULES = {"_initializer": "keras.initializers", "_regularizer": "keras.regularizers"}


def model_to_keras(model: Model) -> dict[str, Any]:
    """The model without its weights and its training, as `keras.saving.deserialize_keras_object` takes it.

    Raises:
        ValueError: Keras lacks a layer, or a layer belongs to several of the models within the model.
    """
    check_layers(model, "Keras does not have", _SHARED)
    _check_owners(model)
    return _describe_model(model)


def every_layer(model: Model) -> Iterator[Layer]:
    """All layers of a model and of the models within it, these included; a shared one comes once per model."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, Model):
            yield from every_layer(layer)


def check_layers(model: Model, lack: str, known: set[type[Layer]]) -> None:
    """Raise a ValueError that names all layers of unknown classes at once.

    Args:
        model: the models within it are looked into.
        lack: such as `Keras does not have`.
        known: the classes that are not named, besides `Model` and `Sequential` themselves.
    """
    if not model.built:
        raise ValueError(f"{model.name} has no weights yet: begin with an Input, call build(input_shape) or fit first")
    known = known | {Model, Sequential}
    unknown = {layer.name: type(layer).__name__ for layer in (model, *every_layer(model)) if type(layer) not in known}
    if unknown:
        named = ", ".join(f"{name} is a {kind}" for name, kind in unknown.items())
        raise ValueError(f"{named}, which {lack}")


def _check_owners(model: Model) -> None:
    owners: dict[int, Model] = {}
    for owner in (model, *(layer for layer in every_layer(model) if isinstance(layer, Model))):
        for layer in owner.layers:
            if owners.setdefault(id(layer), owner) is not owner:
                raise ValueError(
                    f"layer {layer.name} belongs to {owners[id(layer)].name} and to {owner.name}; Keras's description "
                    "of a model would make two layers of it"
                )


def _describe_model(model: Model) -> dict[str, Any]:
    if isinstance(model, Sequential):
        config = {
            "name": model.name,
            "trainable": model.trainable,
            "dtype": model.dtype,
            "layers": [
                _describe_input(model.inputs[0], input_names(model)[0]),
                *map(_describe_layer, model.layers),
            ],
            "build_input_shape": _shape(model.inputs[0].shape),
        }
        return _described("keras", "Sequential", config)
    return {
        **_described("keras.src.models.functional", "Functional", _functional_config(model)),
        "registered_name": "Functional",
    }


def _functional_config(model: Model) -> dict[str, Any]:
    """Layers with their calls; a tensor is named by its layer, the number of the call, and which of its results.

    `trainable` stays out: Keras would set it on every layer, and so thaw those that are frozen on their own.
    """
    history: dict[int, list[Any]] = {}
    described: dict[str, dict[str, Any]] = {}
    for tensor, name in zip(model.inputs, input_names(model), strict=True):
        described[name] = {**_describe_input(tensor, name), "name": name, "inbound_nodes": []}
        history[id(tensor)] = [name, 0, 0]
    for layer in model.layers:
        described[layer.name] = {**_describe_layer(layer), "name": layer.name, "inbound_nodes": []}
    for node in model.nodes:
        calls = described[node.layer.name]["inbound_nodes"]
        history.update({id(tensor): [node.layer.name, len(calls), i] for i, tensor in enumerate(node.outputs)})
        arguments = [_describe_tensor(tensor, history[id(tensor)]) for tensor in node.inputs]
        calls.append({"args": [arguments] if node.as_list else arguments, "kwargs": {}})
    return {
        "name": model.name,
        "layers": list(described.values()),
        "input_layers": _places(model.inputs, history, single=len(model.inputs) == 1),
        "output_layers": _places(model.outputs, history, single=not isinstance(model.output_shape, list)),
    }


def _places(tensors: Sequence[SymbolicTensor], history: Mapping[int, list[Any]], single: bool) -> list[Any]:
    places = [history[id(tensor)] for tensor in tensors]
    return places[0] if single else places


def input_names(model: Model) -> list[str]:
    """A name for each input that no layer and no other input of the model has."""
    taken = {layer.name for layer in model.layers}
    names = []
    for tensor in model.inputs:
        base, counts = tensor.name or "input_layer", Counter[str]()
        name = base
        while name in taken:
            counts[base] += 1
            name = f"{base}_{counts[base]}"
        taken.add(name)
        names.append(name)
    return names


def _describe_input(tensor: SymbolicTensor, name: str) -> dict[str, Any]:
    config = {
        "batch_shape": _shape(tensor.shape), "dtype": tensor.dtype, "sparse": False, "ragged": False, "name": name,
    }  # fmt: skip
    return _described("keras.layers", "InputLayer", config)


def _describe_tensor(tensor: SymbolicTensor, history: list[Any]) -> dict[str, Any]:
    config = {"shape": _shape(tensor.shape), "dtype": tensor.dtype, "keras_history": history}
    return {"class_name": "__keras_tensor__", "config": config}


def _describe_layer(layer: Layer) -> dict[str, Any]:
    if isinstance(layer, Model):
        return _describe_model(layer)
    config = layer.get_config()
    for option, value in config.items():
        for ending, module in _MODULES.items():
            if option.endswith(ending) and value is not None:
                config[option] = _described(module, value["class_name"], value["config"])
    return _described("keras.layers", type(layer).__name__, config)


def _described(module: str, class_name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    return {"module": module, "class_name": class_name, "config": dict(config), "registered_name": None}


def _shape(shape: BatchShape) -> list[int | None]:
    return list(shape)


def training_to_keras(model: Model) -> dict[str, Any] | None:
    """How the model is trained, as Keras's `compile_from_config` takes it.

    None for a model that is not compiled. A loss that is the caller's own function stays behind, and with it the rest;
    so does the choice of `exclude_from_weight_decay`, which a configuration does not hold.

    Raises:
        ValueError: Keras has no such loss.
    """
    training = model.get_compile_config()
    if training is None:
        return None
    loss = training["loss"]
    if loss["class_name"] == "SparseCategoricalCrossentropy" and loss["config"].pop("label_smoothing", 0):
        raise ValueError("Keras's sparse categorical cross-entropy has no label smoothing; use the one-hot one")
    optimizer = training["optimizer"]
    settings = dict(optimizer["config"])
    if isinstance(settings["learning_rate"], Mapping):
        schedule = settings["learning_rate"]
        settings["learning_rate"] = _described("keras.optimizers.schedules", schedule["class_name"], schedule["config"])
    return {
        "optimizer": _described("keras.optimizers", optimizer["class_name"], settings),
        "loss": _described("keras.losses", loss["class_name"], loss["config"]),
        "metrics": _describe_metrics(training["metrics"]),
        "weighted_metrics": _describe_metrics(training["weighted_metrics"]),
    }


def _describe_metrics(metrics: Sequence[Any]) -> list[Any] | None:
    described = [
        metric
        if isinstance(metric, str)
        else _described("keras.metrics", metric["class_name"], metric.get("config", {}))
        for metric in metrics
    ]
    return described or None


def optimizer_variables(model: Model) -> list[AnyArray]:
    """The optimiser's state in the order of `variables` of Keras's optimiser.

    That is the number of steps, the learning rate unless a schedule decides it, then the slots. Keras has slots for
    the weights in training only; those of frozen weights are left out.

    Returns:
        Arrays; zeros in the slots of an optimiser that has taken no step.
    """
    optimizer = model.optimizer
    learned = [weight for weight in model.weights if weight.learned]
    training = [number for number, weight in enumerate(learned) if weight.trainable]
    state, prefix = optimizer.variables(), type(optimizer).__name__.lower()
    result: list[AnyArray] = [state[f"{prefix}/iterations"]]
    if f"{prefix}/learning_rate" in state:
        result.append(state[f"{prefix}/learning_rate"].astype(np.float32))
    with reading():
        for group in slots_of(optimizer):
            for number in training:
                empty = np.zeros(learned[number].shape, learned[number].dtype)
                result += [state.get(f"{prefix}/{slot}/{number}", empty) for slot in group]
    return result
