"""scratchnet's own model file: safetensors, with the architecture and everything else as JSON in its header."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scratchnet.arrays import AnyArray
from scratchnet.formats.container import read_container, write_container
from scratchnet.formats.errors import MISFITS, ModelFileError, cut
from scratchnet.formats.limits import check_description, check_shapes
from scratchnet.formats.parsing import in_order, shown
from scratchnet.layers.base import Layer
from scratchnet.layers.reserve import weights_to_come
from scratchnet.models.building import build_layer, custom_layers
from scratchnet.models.model import Model, describe
from scratchnet.parameter import assign_all, values_of

FORMAT = "scratchnet model"
VERSION = 1
REMEDY = "save the model again, or use another copy of the file"


def _weights(model: Model) -> dict[str, AnyArray]:
    named = model.named_weights()
    values = values_of(named.values())
    return {f"weights/{name}": values[id(weight)] for name, weight in named.items()}


def check_model(model: Model) -> None:
    """Raise a ValueError if a layer cannot be described, or if no reader would take the model; nothing is written."""
    check_description(describe(model))
    check_shapes(model)


def save_model(model: Model, path: Path) -> None:
    """Write a model; see `Model.save`."""
    check_model(model)
    arrays = _weights(model)
    training = model.get_compile_config()
    if training is not None and model.optimizer.built:
        arrays |= {f"optimizer/{name}": value for name, value in model.optimizer.variables().items()}
    meta = {
        "format": FORMAT,
        "version": VERSION,
        "model": describe(model),
        "class_names": model.class_names,
        "preprocessing": in_order(model.preprocessing),
        "training": training,
    }
    write_container(path, arrays, meta)


def save_weights(model: Model, path: Path) -> None:
    """Write the weights alone; see `Model.save_weights`."""
    write_container(path, _weights(model), {"format": FORMAT, "version": VERSION})


def load_model(path: str | Path, custom_objects: Mapping[str, type[Layer]] | None = None) -> Model:
    """Read a model that `Model.save` wrote: ready to predict, and compiled as it was when it was saved.

    Nothing in the file is executed: it can only name layers that scratchnet has, or that are handed in.

    Args:
        path: of the file.
        custom_objects: the caller's own layer classes by name.

    Raises:
        ModelFileError: the file is missing, damaged, not a model, or uses an unknown layer.
    """
    source = Path(path)
    arrays, meta = _read(source)
    if not isinstance(meta.get("model"), dict):
        raise ModelFileError(f"{source} holds weights without a model; build the model and call load_weights")
    elements = sum(array.size for name, array in arrays.items() if name.startswith("weights/"))
    try:
        with custom_layers(custom_objects), weights_to_come(elements):
            check_description(meta["model"], custom_objects or ())
            model = build_layer(meta["model"])
            if isinstance(model, Model):
                check_shapes(model)
    except MISFITS as error:
        raise ModelFileError(f"{source} describes a model that cannot be built: {cut(error)}") from error
    if not isinstance(model, Model):
        raise ModelFileError(f"{source} describes a {type(model).__name__}, not a model; {REMEDY}")
    _assign(model, arrays, source)
    restore_extras(model, meta, source)
    if meta.get("training"):
        _compile(model, meta["training"], arrays, source)
    return model


def load_weights(model: Model, path: str | Path) -> None:
    """Take over weights; see `Model.load_weights`."""
    arrays, _ = _read(Path(path))
    _assign(model, arrays, Path(path))


def _read(path: Path) -> tuple[dict[str, AnyArray], dict[str, Any]]:
    arrays, meta = read_container(path, REMEDY)
    if meta.get("format") != FORMAT:
        raise ModelFileError(f"{path} is not a scratchnet model; {REMEDY}")
    if meta.get("version") != VERSION:
        version = shown(meta.get("version"))
        raise ModelFileError(f"{path} has version {version}, this scratchnet reads {VERSION}; update it")
    return arrays, meta


def _assign(model: Model, arrays: Mapping[str, AnyArray], path: Path) -> None:
    own = {f"weights/{name}": weight for name, weight in model.named_weights().items()}
    given = {name for name in arrays if name.startswith("weights/")}
    for problem, names in {"lacks": own.keys() - given, "has surplus": given - own.keys()}.items():
        if names:
            raise ModelFileError(f"{path} {problem} weights {cut(', '.join(sorted(names)))}; is it of another model?")
    for name, weight in own.items():
        if arrays[name].shape != weight.shape or arrays[name].dtype.kind != "f":
            raise ModelFileError(
                f"{path}: {cut(name)} must hold floats of shape {weight.shape}, "
                f"got {arrays[name].dtype} of shape {arrays[name].shape}"
            )
    assign_all(list(own.values()), [arrays[name] for name in own])


def restore_extras(model: Model, meta: Mapping[str, Any], path: Path) -> None:
    """Take over class names and preprocessing from a description.

    Raises:
        ModelFileError: they are of another kind.
    """
    model.class_names = _checked_class_names(meta.get("class_names"), path)
    model.preprocessing = meta.get("preprocessing")
    if not isinstance(model.preprocessing, dict | None):
        raise ModelFileError(f"{path}: preprocessing must be an object, got {model.preprocessing!r:.80}")


def _checked_class_names(value: Any, path: Path) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ModelFileError(f"{path}: class_names must be a list of names, got {value!r:.80}")
    return tuple(value) or None


def _compile(model: Model, training: Mapping[str, Any], arrays: Mapping[str, AnyArray], path: Path) -> None:
    try:
        model.compile(
            training["optimizer"],
            training["loss"],
            metrics=training["metrics"],
            weighted_metrics=training["weighted_metrics"],
        )
        slots = {name.removeprefix("optimizer/"): a for name, a in arrays.items() if name.startswith("optimizer/")}
        if slots:
            model.optimizer.build([weight for weight in model.weights if weight.learned])
            model.optimizer.load_variables(slots)
    except MISFITS as error:
        raise ModelFileError(f"{path} describes a training that cannot be restored: {cut(error)}") from error
