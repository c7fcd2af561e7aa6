"""Which reader a file needs, by what it contains."""

import warnings
from collections.abc import Mapping
from pathlib import Path

from scratchnet.formats import keras_files, native
from scratchnet.formats.errors import ModelFileError
from scratchnet.formats.hdf5 import SIGNATURE
from scratchnet.layers.base import Layer
from scratchnet.models.model import Model

ZIP = b"PK\x03\x04"
HEADER = b"{"  # of a safetensors file, behind eight bytes for its length


def _kind_of(path: Path) -> str:
    """`zip`, `hdf5` or `safetensors`."""
    if not path.is_file():
        raise ModelFileError(f"{path} is not a file; check the path")
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read ({error.strerror}); check its permissions") from error
    if start.startswith(ZIP):
        return "zip"
    if start.startswith(SIGNATURE):
        return "hdf5"
    if start[8:] == HEADER:
        return "safetensors"
    raise ModelFileError(
        f"{path} is damaged or not a safetensors file, and not a .keras or .h5 file either; {native.REMEDY}"
    )


def load_model(path: str | Path, custom_objects: Mapping[str, type[Layer]] | None = None) -> Model:
    """Read a model: ready to predict, and compiled as it was when it was saved.

    What kind of file it is is told from its contents: one that `Model.save` wrote, a `.keras` file, or a whole-model
    `.h5` file of Keras 2 or 3. Neither Keras nor TensorFlow is needed. Nothing in the file is executed: it can only
    name layers and options that scratchnet has, or that are handed in. Where scratchnet lacks the optimiser, the loss
    or a metric of a Keras file, a warning says so, and the model is not compiled, or without its optimiser's state.

    Args:
        path: of the file.
        custom_objects: the caller's own layer classes by name.

    Raises:
        ModelFileError: the file is missing, damaged, not a model, or uses layers or options that scratchnet lacks; all
            of them are named at once.
    """
    source = Path(path)
    kind = _kind_of(source)
    if kind == "safetensors":
        return native.load_model(source, custom_objects)
    load = keras_files.load_keras if kind == "zip" else keras_files.load_hdf5
    model, missing = load(source, custom_objects)
    if missing is not None:
        warnings.warn(f"{source}: the model is there, but not {missing}", stacklevel=2)
    return model


def load_weights(model: Model, path: str | Path) -> None:
    """Take over weights from any of these files, or from Keras's `.weights.h5`; see `Model.load_weights`."""
    source = Path(path)
    if _kind_of(source) == "safetensors":
        native.load_weights(model, source)
    else:
        keras_files.load_keras_weights(model, source)
