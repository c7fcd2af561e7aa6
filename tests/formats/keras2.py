"""Whole-model .h5 files as Keras 2 wrote them, made from models of Keras 3.

Keras 2 described layers without their modules, inputs by `batch_input_shape`, the axis of a normalisation as a list,
calls as nested lists in which a model's own making counts as its first call, and called weights `conv2d/kernel:0`.
"""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from oracle import keras

RENAMED = {"LeakyReLU": {"negative_slope": "alpha"}}
LEFT_OUT = {"module", "registered_name", "build_config", "optional", "quantization_config", "renorm", "lora_rank"}


def _old(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get("class_name") == "DTypePolicy":
            return value["config"]["name"]
        return {key: _old(item) for key, item in value.items() if key not in LEFT_OUT}
    return [_old(item) for item in value] if isinstance(value, list) else value


def _old_layer(layer: dict[str, Any], models: set[str]) -> dict[str, Any]:
    config = layer["config"]
    kind = layer["class_name"]
    if kind in {"Functional", "Sequential"}:
        config = _old_model(layer)["config"]
    else:
        config = _old({RENAMED.get(kind, {}).get(key, key): value for key, value in config.items()})
    if kind == "InputLayer":
        config["batch_input_shape"] = config.pop("batch_shape")
    if kind == "BatchNormalization":
        config = {key: value for key, value in config.items() if not key.startswith(("renorm", "synchronized"))}
        config["axis"] = [config["axis"]]
    if kind == "SeparableConv2D":
        config |= {"groups": 1, "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}}}
        config |= {"kernel_regularizer": None, "kernel_constraint": None}
    old = {"class_name": kind, "config": config}
    if "inbound_nodes" in layer:
        old["name"] = layer["name"]
        old["inbound_nodes"] = [_old_call(node, models) for node in layer["inbound_nodes"]]
    return old


def _old_call(node: dict[str, Any], models: set[str]) -> list[Any]:
    first = node["args"][0]
    places = [tensor["config"]["keras_history"] for tensor in (first if isinstance(first, list) else [first])]
    return [[name, call + (name in models), index, {}] for name, call, index in places]


def _old_model(model: dict[str, Any]) -> dict[str, Any]:
    config = model["config"]
    models = {layer["config"]["name"] for layer in config["layers"] if "layers" in layer["config"]}
    old = {"name": config["name"], "layers": [_old_layer(layer, models) for layer in config["layers"]]}
    for ends in ("input_layers", "output_layers"):
        if ends in config:
            places = config[ends]
            places = places if isinstance(places[0], list) else [places]
            sequential = {
                layer["config"]["name"] for layer in config["layers"] if layer["class_name"] == "Sequential"
            }  # here Keras 3 counts a graph's own making, but not a stack's
            old[ends] = [[name, call + (name in sequential), index] for name, call, index in places]
    return {"class_name": model["class_name"], "config": old}


def as_keras_2(model: Any) -> dict[str, Any]:
    """The description of a model of Keras 3 as Keras 2 would have given it."""
    return _old_model(json.loads(model.to_json()))


def save_as_keras_2(model: Any, path: Path, version: str = "2.10.0", inputs_in_layers: bool = False) -> None:
    """Write a whole-model .h5 file in the manner of Keras 2.

    Args:
        model: of Keras 3.
        path: of the file.
        version: that the file shall name.
        inputs_in_layers: whether a stack's input is told by its first layer's `batch_input_shape`, as before 2.4.
    """
    described = as_keras_2(model)
    if inputs_in_layers:
        shape = described["config"]["layers"].pop(0)["config"]["batch_input_shape"]
        described["config"]["layers"][0]["config"]["batch_input_shape"] = shape
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(described).encode()
        file.attrs["keras_version"] = version.encode()
        file.attrs["backend"] = b"tensorflow"
        weights = file.create_group("model_weights")
        stacks = isinstance(model, keras.Sequential)
        layers = [layer for layer in model.layers if not (stacks and isinstance(layer, keras.layers.InputLayer))]
        weights.attrs["layer_names"] = [layer.name.encode() for layer in layers]
        weights.attrs["keras_version"] = version.encode()
        for layer in layers:
            group = weights.create_group(layer.name)
            own = [*layer.trainable_weights, *layer.non_trainable_weights]
            names = [f"{layer.name}/{weight.path.split('/', 1)[-1]}_{i}:0" for i, weight in enumerate(own)]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, own, strict=True):
                group[name] = np.array(weight.numpy())
