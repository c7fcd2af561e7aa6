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


def _beginning(path: Path) -> bytes:
    if not path.is_file():
        raise ModelFileError(f"{path} is not a file; check the path")
    try:
        with path.open("rb") as file:
            return file.read(len(SIGNATURE))
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read ({error.strerror}); check its permissions") from error


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
    start = _beginning(source)
    if start.startswith(ZIP) or start == SIGNATURE:
        load = keras_files.load_keras if start.startswith(ZIP) else keras_files.load_hdf5
        model, missing = load(source, custom_objects)
        if missing is not None:
            warnings.warn(f"{source}: the model is there, but not {missing}", stacklevel=2)
        return model
    return native.load_model(source, custom_objects)


def load_weights(model: Model, path: str | Path) -> None:
    """Take over weights from any of these files, or from Keras's `.weights.h5`; see `Model.load_weights`."""
    source = Path(path)
    start = _beginning(source)
    if start.startswith(ZIP) or start == SIGNATURE:
        keras_files.load_keras_weights(model, source)
    else:
        native.load_weights(model, source)
