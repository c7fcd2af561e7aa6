"""Models and weights from Keras's files, without Keras: `.keras`, whole-model `.h5`, and `.weights.h5`."""

import io
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

from scratchnet.formats import native
from scratchnet.formats.errors import MISFITS, ModelFileError, cut
from scratchnet.formats.hdf5 import Group, open_hdf5
from scratchnet.formats.keras_archive import keras_version, read_archive, read_archive_weights
from scratchnet.formats.keras_entries import Entry, entries_of
from scratchnet.formats.keras_graph import ModelReader
from scratchnet.formats.keras_training import restore_training
from scratchnet.formats.keras_weights import count_elements, load, weights_group
from scratchnet.formats.limits import check_shapes
from scratchnet.formats.parsing import parse_json
from scratchnet.layers.base import Layer
from scratchnet.layers.reserve import weights_to_come
from scratchnet.models.model import Model

REMEDY = "save the model again in Keras, or use another copy of the file"
REPLACE = "Replace them in Keras and save the model again, or pass classes of your own as custom_objects={name: class}"

T = TypeVar("T")


class Loaded(NamedTuple):
    """A model, and what of its training is missing; None if nothing is."""

    model: Model
    missing: str | None


def load_keras(path: Path, custom: Mapping[str, type[Layer]] | None = None) -> Loaded:
    """Read a `.keras` file of Keras 3, or of Keras 2 from 2.12 on.

    Args:
        path: of the file.
        custom: the caller's own layer classes by name.

    Raises:
        ModelFileError: it is damaged, unsafe, or uses what scratchnet does not have.
    """

    def read() -> Loaded:
        archive = read_archive(path)
        config = archive.config
        weights = io.BytesIO(archive.weights)
        loaded = _model(config, config.get("compile_config"), weights, archive.version, custom or {})
        native.restore_extras(loaded.model, archive.extras, path)
        return loaded

    return _guarded(path, read)


def load_hdf5(path: Path, custom: Mapping[str, type[Layer]] | None = None) -> Loaded:
    """Read a whole-model `.h5` file of Keras 2 or 3; arguments and errors as in `load_keras`."""

    def read() -> Loaded:
        with path.open("rb") as file:
            root = open_hdf5(file, path.stat().st_size)
            described = root.attributes.get("model_config")
            if not isinstance(described, str):
                raise ValueError(
                    "it holds weights without a model; build the model and call load_weights, or save the whole model"
                )
            training = root.attributes.get("training_config")
            compiled = parse_json(training, "training_config") if isinstance(training, str) else None
            version = keras_version(root.attributes.get("keras_version"))
            config = parse_json(described, "model_config")
            return _model(config, compiled, file, version, custom or {}, root)

    return _guarded(path, read)


def load_keras_weights(model: Model, path: Path) -> None:
    """Take the weights of a `.weights.h5`, `.h5` or `.keras` file into a model.

    Raises:
        ModelFileError: the file cannot be read, or its weights are not this model's; the model is as it was then.
        ValueError: the model has no weights yet.
    """
    if not model.built:
        raise ValueError(f"{model.name} has no weights yet: begin with an Input, or call build(input_shape) first")

    def read() -> None:
        with path.open("rb") as start:
            zipped = start.read(2) == b"PK"
        with io.BytesIO(read_archive_weights(path)) if zipped else path.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            root = open_hdf5(file, size)
            group = weights_group(root)
            if group is not None:
                count_elements(group, size)
            load(entries_of(model), root, "this model", one_by_one=False)

    _guarded(path, read)


def _model(
    config: Mapping[str, Any],
    compiled: Any,
    file: BinaryIO,
    version: int,
    custom: Mapping[str, type[Layer]],
    root: Group | None = None,
) -> Loaded:
    size = file.seek(0, io.SEEK_END)
    root = open_hdf5(file, size) if root is None else root
    entry = _build(config, root, size, ModelReader(version, custom))
    load(entry, root, "the model that it describes", one_by_one=True)
    assert isinstance(entry.layer, Model)
    return Loaded(entry.layer, restore_training(entry, compiled, root, version))


def _build(config: Mapping[str, Any], root: Group, size: int, reader: ModelReader) -> Entry:
    group = weights_group(root)
    with weights_to_come(0 if group is None else count_elements(group, size)):
        entry = reader.read(config)
    if reader.gaps:
        raise ModelFileError(
            f"its model uses what scratchnet does not have: {cut('; '.join(reader.gaps), 900)}. {REPLACE}"
        )
    if entry is None or not isinstance(entry.layer, Model):
        raise ValueError("it describes a layer, not a model")
    if not entry.layer.built:
        raise ValueError("its model has no input shape; call it once in Keras and save it again")
    check_shapes(entry.layer)
    return entry


def _guarded(path: Path, read: Callable[[], T]) -> T:
    """The result; whatever a file can provoke becomes an error that names the file."""
    try:
        return read()
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error
    except (*MISFITS, OSError, struct.error) as error:
        raise ModelFileError(f"{path} cannot be read: {cut(error)}; {REMEDY}") from error
