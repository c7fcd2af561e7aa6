"""Keras's own files, written without Keras: `.keras` archives and `.weights.h5`.

A `.keras` file is a zip of `metadata.json`, `config.json` and `model.weights.h5`. In the last, weights lie at
`layers/CLASS/vars/NUMBER`, where CLASS is the layer's class in snake case, numbered from the second of its kind on in
the order of the model's layers; models within models repeat this below their own place. What Keras has no place for,
classes and preprocessing, is in a further entry, `scratchnet.json`, which Keras does not look at.
"""

import io
import json
import zipfile
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

from scratchnet.formats.errors import ModelFileError
from scratchnet.formats.keras_archive import CONFIG, EXTRAS, METADATA, WEIGHTS
from scratchnet.formats.keras_description import model_to_keras, optimizer_variables, training_to_keras
from scratchnet.formats.parsing import in_order
from scratchnet.formats.whole_file import write_bytes
from scratchnet.layers.base import numbered, snake_case
from scratchnet.models.model import Model
from scratchnet.models.sequential import Sequential
from scratchnet.tensor import reading

EXTRAS_FORMAT, EXTRAS_VERSION = "scratchnet extras", 1
KERAS_VERSION = "3.0.0"  # the first version of this format, which has not changed since


def save_keras(model: Model, path: Path) -> None:
    """Write a `.keras` archive that `keras.models.load_model` opens; see `Model.save`.

    Raises:
        ValueError: the model has something that Keras lacks.
        ModelFileError: h5py is not installed.
        OSError: the file cannot be written.
    """
    write_bytes(path, keras_archive(model, path))


def save_weights_h5(model: Model, path: Path) -> None:
    """Write a `.weights.h5` file that Keras's `load_weights` takes; see `Model.save_weights`.

    As Keras does, with the state of the optimiser where the model is compiled: a compiled Keras model wants it.

    Raises:
        ValueError: the model has something that Keras lacks.
        ModelFileError: h5py is not installed.
        OSError: the file cannot be written.
    """
    check_keras(model, path, weights_only=True)
    write_bytes(path, _weights_file(model, path))


def check_keras(model: Model, path: Path, weights_only: bool = False) -> None:
    """Raise what writing would raise; nothing is written."""
    _h5py(path)
    model_to_keras(model)
    if not weights_only:
        training_to_keras(model)


def keras_archive(model: Model, path: Path) -> bytes:
    """The content of the archive; `path` is named in errors."""
    config = model_to_keras(model)
    training = training_to_keras(model)
    if training is not None:
        config["compile_config"] = training
    extras = {
        "format": EXTRAS_FORMAT,
        "version": EXTRAS_VERSION,
        "class_names": model.class_names,
        "preprocessing": model.preprocessing,
    }
    members: dict[str, str | bytes] = {
        METADATA: json.dumps({"keras_version": KERAS_VERSION}),
        CONFIG: json.dumps(config),
        WEIGHTS: _weights_file(model, path),
        EXTRAS: json.dumps(in_order(extras)),
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)  # of no time: the same model is the same bytes
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
    return content.getvalue()


def _weights_file(model: Model, path: Path) -> bytes:
    content = io.BytesIO()
    with _h5py(path).File(content, "w") as file, reading():
        _write_model(file, model)
        if model.get_compile_config() is not None:
            _write_variables(file.create_group("optimizer"), model.optimizer.name, optimizer_variables(model))
    return content.getvalue()


def _write_model(group: Any, model: Model) -> None:
    counts: Counter[str] = Counter()
    for layer in model.layers:
        own = group.create_group(f"layers/{numbered(_keras_name(layer), counts)}")
        if isinstance(layer, Model):
            _write_model(own, layer)
        else:
            _write_variables(own, layer.name, [weight.data for weight in layer.weights])
    _write_variables(group, model.name, [])


def _keras_name(layer: Any) -> str:
    if isinstance(layer, Model):
        return "sequential" if isinstance(layer, Sequential) else "functional"
    return snake_case(type(layer).__name__)


def _write_variables(group: Any, name: str, arrays: list[Any]) -> None:
    variables = group.create_group("vars")
    variables.attrs["name"] = name
    for number, array in enumerate(arrays):
        variables.create_dataset(str(number), data=array)


def _h5py(path: Path) -> Any:
    try:
        return import_module("h5py")
    except ImportError as error:
        raise ModelFileError(
            f'{path} needs h5py, which is not installed: pip install -e ".[keras-files]" in the checkout'
        ) from error
