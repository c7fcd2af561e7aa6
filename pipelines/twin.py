"""The Keras twin: the same network in Keras, with the same weights and the same training; and the way back."""

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import scratchnet as sn
from pipelines.errors import UserError
from scratchnet.formats.keras_description import model_to_keras, optimizer_variables, training_to_keras
from scratchnet.formats.keras_files import load_keras
from scratchnet.tensor import reading


def import_keras() -> Any:
    """Keras on TensorFlow.

    Raises:
        UserError: TensorFlow is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    # by itself, TensorFlow on Linux uses oneDNN only on processors with instructions for neural networks; it is faster
    # on others too
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    try:
        with nullcontext() if "tensorflow" in sys.modules else _silence():
            import keras
            import tensorflow  # noqa: F401  # Keras alone can be installed without it
    except ImportError as error:
        raise UserError(
            'this needs TensorFlow, which is not installed: pip install -e ".[keras]" in the checkout'
        ) from error
    return keras


@contextmanager
def _silence() -> Iterator[None]:
    """Swallow what compiled code writes to standard error; TensorFlow tells of missing GPUs, whatever its log level."""
    try:
        kept = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    with tempfile.TemporaryFile() as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def to_keras(model: sn.Model) -> Any:
    """Build the Keras model of a scratchnet model, with the same names and weights.

    Args:
        model: its layers may be shared, branch and join, and be models themselves.

    Returns:
        A `keras.Model` with the same layers frozen; compiled with the same optimiser, loss and metrics if `model` is
        compiled, the optimiser being where `model`'s is, so that both go on alike. (A loss that is the caller's own
        function stays behind.)

    Raises:
        UserError: TensorFlow is not installed, or Keras does not have a layer or an option.
    """
    keras = import_keras()
    try:
        config, training = model_to_keras(model), training_to_keras(model)
    except ValueError as error:
        raise UserError(f"{model.name} has no Keras twin: {error}") from error
    twin = keras.saving.deserialize_keras_object(config)
    with reading():
        for own, layer in _weighted_layers(twin, model):
            own.set_weights([weight.data for weight in layer.weights])
        if training is not None:
            twin.compile_from_config(training)
            twin.optimizer.build(twin.trainable_variables)
            for variable, value in zip(twin.optimizer.variables, optimizer_variables(model), strict=True):
                variable.assign(value)
    return twin


def from_keras(model: Any) -> sn.Model:
    """Build the scratchnet model of a Keras model, with the same names and weights; the inverse of `to_keras`.

    Args:
        model: of layers that scratchnet has. It may have been trained; its optimiser's state comes along.

    Returns:
        A model compiled alike. Where scratchnet lacks the loss, the optimiser or a metric, a warning says so.

    Raises:
        UserError: TensorFlow is not installed.
        ModelFileError: the model uses layers or options that scratchnet lacks; all of them are named.
    """
    import_keras()
    with tempfile.TemporaryDirectory() as folder:
        path, what = Path(folder) / "model.keras", f"the Keras model {model.name}"
        model.save(path)
        try:
            ours, missing = load_keras(path)
        except sn.ModelFileError as error:  # nobody else knows of this file
            raise sn.ModelFileError(str(error).replace(str(path), what)) from error
    if missing is not None:
        warnings.warn(f"{what}: the model is there, but not {missing}", stacklevel=2)
    return ours


def copy_weights_back(twin: Any, model: sn.Model) -> None:
    """Give a model the weights of its twin from `to_keras`."""
    for own, layer in _weighted_layers(twin, model):
        layer.set_weights(own.get_weights())


def _weighted_layers(twin: Any, model: sn.Model) -> Iterator[tuple[Any, sn.layers.Layer]]:
    """The layers that have weights, each beside Keras's, those of models within models too."""
    for layer in model.layers:
        own = twin.get_layer(layer.name)
        if isinstance(layer, sn.Model):
            yield from _weighted_layers(own, layer)
        elif layer.weights:
            yield own, layer
