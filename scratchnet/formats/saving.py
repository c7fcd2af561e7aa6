"""Writing models: the extension chooses the format."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from scratchnet.formats import keras_writing, native, onnx_writing
from scratchnet.models.model import Model


class _Format(NamedTuple):
    """How to write a file, and how to find out beforehand whether that will do."""

    save: Callable[[Model, Path], None]
    check: Callable[[Model, Path], None]


_MODELS = {
    ".safetensors": _Format(native.save_model, lambda model, path: native.check_model(model)),
    ".keras": _Format(keras_writing.save_keras, keras_writing.check_keras),
    ".onnx": _Format(onnx_writing.save_onnx, onnx_writing.check_onnx),
}
_WEIGHTS = {
    ".safetensors": _Format(native.save_weights, lambda model, path: None),
    ".weights.h5": _Format(
        keras_writing.save_weights_h5, lambda model, path: keras_writing.check_keras(model, path, weights_only=True)
    ),
}


def save_model(model: Model, path: str | Path) -> None:
    """Write a model; see `Model.save`."""
    _format_of(path, weights_only=False).save(model, Path(path))


def save_weights(model: Model, path: str | Path) -> None:
    """Write the weights alone; see `Model.save_weights`."""
    _format_of(path, weights_only=True).save(model, Path(path))


def check_saveable(model: Model, path: str | Path, weights_only: bool = False) -> None:
    """Raise what saving would raise, as far as that can be known before; nothing is written."""
    _format_of(path, weights_only).check(model, Path(path))


def _format_of(path: str | Path, weights_only: bool) -> _Format:
    formats = _WEIGHTS if weights_only else _MODELS
    for extension, chosen in formats.items():
        if Path(path).name.lower().endswith(extension):
            return chosen
    hint = "; Keras's older .h5 is not written, .keras has taken its place" if Path(path).suffix == ".h5" else ""
    what = "weights" if weights_only else "a model"
    raise ValueError(f"path of {what} must end in {' or '.join(formats)}, got {str(path)!r}{hint}")
