"""Features from inside a trained network, ours or Keras's."""

import math
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from scratchnet.arrays import AnyArray, FloatArray, as_float_array
from scratchnet.formats.errors import ModelFileError
from scratchnet.formats.keras_files import load_keras
from scratchnet.layers.unit_normalization import LEAST_NORM
from scratchnet.models import Model
from scratchnet.models.batches import checked_batch_size
from scratchnet.models.flat import INPUTS, Place, flatten, run_calls
from scratchnet.tensor import Tensor, no_grad, reading

BATCH_SIZE = 64
MOST_NAMES = 20  # in a message


def layer_features(
    model: Any, images: Any, layer: str = "dense_1", normalize: bool = False, batch_size: int = BATCH_SIZE
) -> FloatArray:
    """What a layer makes of some images, one vector for each; maps over the image are averaged over it.

    Args:
        model: a built `scratchnet.Model` of one input, or a Keras model. The latter is read as its file would be; where
            it has layers that scratchnet lacks, Keras computes.
        images: (n, height, width, channels), in the range that the model takes; or whatever else its input is.
        layer: the layer's name. Of models within the model it is `model/layer`; a second call is `layer (call 2)`.
        normalize: whether vectors get the Euclidean length 1.
        batch_size: so many images are computed at once.

    Returns:
        float32 (n, features).

    Raises:
        ValueError: there is no such layer, or the images do not fit the model.
        TypeError: `model` is neither.

    >>> import scratchnet as sn
    >>> model = sn.Sequential([sn.Input((4, 4, 1)), sn.layers.Conv2D(5, 3, name="maps"), sn.layers.Flatten()])
    >>> layer_features(model, np.zeros((2, 4, 4, 1)), layer="maps").shape
    (2, 5)
    """
    ours = model if isinstance(model, Model) else _from_keras(model)
    array = as_float_array(images, "images", None if ours is None else np.dtype(ours.dtype))
    compute = _keras_layer(model, layer) if ours is None else _layer(ours, layer)
    shape = tuple(model.input_shape[1:] if isinstance(model.input_shape, tuple) else ())
    if array.ndim != len(shape) + 1 or any(n not in {None, m} for n, m in zip(shape, array.shape[1:], strict=True)):
        wanted = ", ".join("any" if n is None else str(n) for n in shape) or "of one input"
        raise ValueError(f"images must have the shape (n, {wanted}), got {array.shape}")
    size = checked_batch_size(batch_size)
    parts = [_as_vectors(compute(array[start : start + size])) for start in range(0, len(array), size)]
    if not parts:
        raise ValueError("there are no images")
    features = np.concatenate(parts)
    if normalize:
        features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), np.float32(LEAST_NORM))
    return features


def _as_vectors(result: AnyArray) -> FloatArray:
    if result.ndim == 4:
        result = result.mean(axis=(1, 2), dtype=np.float64)
    return result.reshape(len(result), math.prod(result.shape[1:])).astype(np.float32)


def _layer(model: Model, layer: str) -> Callable[[FloatArray], AnyArray]:
    """The computation of a layer's result: by the fast plan, where the layer is not inside of another model."""
    graph = flatten(model)
    place = graph.named.get(layer)
    if place is None:
        raise ValueError(f"{model.name} has no layer {layer!r}; it has {_listed(list(graph.named))}")
    call = graph.calls[place.call] if place.call != INPUTS else None
    if len(model.inputs) == 1 and call is not None and len(call.path) == 1:
        part = Model(model.inputs[0], call.node.outputs[place.result])
        return lambda images: np.asarray(part.predict(images, batch_size=len(images)))

    def run(images: FloatArray) -> AnyArray:
        with no_grad(), reading():
            values = {Place(INPUTS, 0): Tensor(images)}
            run_calls(graph, values, 0, place.call + 1)
        return values[place].data

    return run


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _from_keras(model: Any) -> Model | None:
    """A Keras model as ours, or None where scratchnet lacks one of its layers."""
    keras = sys.modules.get("keras")  # who has such a model has imported it
    if keras is None or not isinstance(model, keras.Model):
        raise TypeError(f"model must be a scratchnet or a Keras model, got {type(model).__name__}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what only training needs
            model.save(path)
        try:
            return load_keras(path)[0]
        except ModelFileError:
            return None


def _keras_layer(model: Any, layer: str) -> Callable[[FloatArray], AnyArray]:
    keras = sys.modules["keras"]
    names = [own.name for own in model.layers]
    if layer not in names:
        raise ValueError(f"{model.name} has no layer {layer!r}; it has {_listed(names)}")
    part = keras.Model(model.inputs[0], model.get_layer(layer).output)
    return lambda images: np.asarray(part.predict_on_batch(images))
