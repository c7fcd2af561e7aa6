"""From Keras's description of a layer to the layer, through an allow-list: nothing else can be made of a file."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from scratchnet import activations, initializers, regularizers
from scratchnet.formats.errors import MISFITS
from scratchnet.formats.keras_options import ASK_FOR_NOTHING, REFUSED, SPECS, Spec
from scratchnet.formats.parsing import as_mapping, shown
from scratchnet.layers.base import Layer

PACKAGES = ("keras", "tf_keras")
FLOATS = ("float32", "float64")
OLD_HARD_SIGMOID = "hard_sigmoid of Keras 2, which is another function than that of Keras 3"


class GapError(ValueError):
    """A layer, or an option of one, that scratchnet does not have."""


def check_origin(description: Mapping[str, Any], part: str) -> None:
    """Refuse what does not come from the part of Keras that it should.

    Args:
        description: with `class_name`, and in Keras 3 `module` and `registered_name`.
        part: `layers`, `initializers` or the like; "" for models.

    Raises:
        GapError: it is a user's own class, or from somewhere else.
    """
    class_name = description.get("class_name")
    registered = description.get("registered_name")
    if registered is not None and registered not in {class_name, f"Keras>{class_name}"}:
        raise GapError(f"is a class of the file's author, {shown(registered)}")
    if "module" not in description:  # Keras 2, and whole-model .h5 files
        return
    module = description["module"]
    names = module.split(".") if isinstance(module, str) else [""]
    if names[0] not in PACKAGES or (part and part not in names[1:3]):
        raise GapError(f"comes from {shown(module)}, not from keras{'.' if part else ''}{part}")


def dtype_of(value: Any) -> str:
    """The dtype of a layer, from its name or from Keras's policy.

    Raises:
        GapError: it is another one than float32 and float64.
    """
    name = value
    if isinstance(value, dict):
        config = value.get("config")
        name = config.get("name") if isinstance(config, dict) else None
        if value.get("class_name") not in {"DTypePolicy", "Policy"}:
            name = value.get("class_name")
    if name is None:
        return "float32"
    if name not in FLOATS:
        raise GapError(f"computes in {shown(name)}; float32 and float64 can be read")
    return str(name)


def read_layer(description: Mapping[str, Any], name: str, custom: Mapping[str, type[Layer]], version: int) -> Layer:
    """The layer that Keras described, with weights yet to come.

    Args:
        description: with `class_name` and `config`.
        name: of the layer.
        custom: the caller's own layer classes by name.
        version: of Keras, 2 or 3.

    Raises:
        GapError: it is none that can be read, or asks for an option that scratchnet lacks.
        ValueError: its options contradict each other.
    """
    class_name = description.get("class_name")
    config = as_mapping(description.get("config"), "the configuration")
    if isinstance(class_name, str) and class_name in custom:
        own = {key: value for key, value in config.items() if not _asks_for_nothing(key, value)}
        own["dtype"] = dtype_of(config.get("dtype"))
        try:
            return custom[class_name].from_config(own)
        except MISFITS as error:
            raise GapError(f"cannot be made of the class that was handed in: {str(error)[:200]}") from error
    if isinstance(class_name, str) and class_name in REFUSED:
        raise GapError(REFUSED[class_name])
    check_origin(description, "layers")
    spec = SPECS.get(class_name) if isinstance(class_name, str) else None
    if spec is None:
        raise GapError("is a layer that scratchnet does not have")
    options = _options(config, spec, version)
    try:
        return spec.make(name=name, **options)
    except MISFITS as error:
        raise GapError(f"has options that cannot be used: {str(error)[:200]}") from error


def _options(config: Mapping[str, Any], spec: Spec, version: int) -> dict[str, Any]:
    """Our layer's arguments; all that it lacks is said at once."""
    options: dict[str, Any] = {}
    lacking: list[str] = []
    for key, value in config.items():
        if key == "name" or key in spec.unused:
            continue
        option = spec.renamed.get(key, key)
        try:
            if option == "dtype":
                options[option] = dtype_of(value)
            elif option == "trainable":
                options[option] = bool(value)
            elif option in spec.options:
                options[option] = _value(option, value, version)
            elif not _asks_for_nothing(key, value):
                lacking.append(f"{key}={shown(value)}")
        except MISFITS as error:
            lacking.append(str(error))
    if lacking:
        raise GapError(f"asks for {', '.join(lacking)}")
    return options


def _asks_for_nothing(key: str, value: Any) -> bool:
    if key not in ASK_FOR_NOTHING and not key.endswith("_constraint"):
        return False
    if key in {"batch_input_shape", "batch_shape"}:
        return True
    return value is None or value in ASK_FOR_NOTHING.get(key, ())


def _value(option: str, value: Any, version: int) -> Any:
    if option == "activation":
        return _activation(value, version)
    if option.endswith("_initializer"):
        return initializers.get(_named(value, "initializers"))
    if option.endswith("_regularizer"):
        return regularizers.get(_named(value, "regularizers"))
    if option == "axis" and isinstance(value, list) and len(value) == 1 and version == 2:
        return value[0]  # as its batch normalisation writes the axis
    return _plain(value, option)


def _activation(value: Any, version: int) -> Any:
    if isinstance(value, dict):  # a function by its place; only the name of one that we have is taken from it
        if value.get("class_name") != "function" or value.get("module") not in {"keras.activations", "builtins"}:
            raise GapError(f"activation={shown(value)}")
        value = value.get("config")
    if value == "hard_sigmoid" and version == 2:
        raise GapError(OLD_HARD_SIGMOID)
    if value is not None and not isinstance(value, str):
        raise GapError(f"activation={shown(value)}")
    return activations.get(value)


def _named(value: Any, part: str) -> Any:
    """The description of an initialiser or a regulariser as scratchnet has it."""
    if value is None or isinstance(value, str):
        return value
    description = as_mapping(value, part)
    check_origin(description, part)
    config = as_mapping(description.get("config") or {}, part)
    return {
        "class_name": description.get("class_name"),
        # as None these ask for nothing, and older versions of Keras do not write them
        "config": {k: _plain(v, k) for k, v in config.items() if k != "dtype" and v is not None},
    }


def _plain(value: Any, option: str) -> Any:
    """Numbers, words and lists of them; an array that Keras wrapped becomes a list."""
    if isinstance(value, dict):
        if value.get("class_name") not in {"__numpy__", "__tensor__"} or not isinstance(value.get("config"), dict):
            raise GapError(f"{option}={shown(value)}")
        return np.asarray(_plain(value["config"].get("value"), option), np.float64).tolist()
    if isinstance(value, list):
        return [_plain(item, option) for item in value]
    return value
