"""Vectors from a layer of a trained model."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import scratchnet as sn
from pipelines.data.preprocessing import Preprocessing
from pipelines.engines import Engine
from pipelines.errors import UserError
from pipelines.features.vectors import FloatBatch, unit
from pipelines.run import open_model
from scratchnet.layers.regularization import Dropout
from scratchnet.layers.symbolic import SymbolicTensor
from scratchnet.models.flat import INPUTS, Place, flatten

MOST_NAMES = 20  # of layers in a message


class LayerMaker:
    """What a layer of a trained model says of an image; maps over the image are averaged over it.

    Args:
        path: of a run's folder or a model file, which says its preprocessing.
        layer: its name; of a model within the model, `model/layer`; by default the last one before the class scores.
        normalize: divide each vector by its length.
        engine: what computes: ours, or Keras on the twin.

    Raises:
        UserError: the model does not say its preprocessing, takes or gives more than one array, or has no such layer.
        ModelFileError: the file cannot be used.
    """

    def __init__(self, path: Path, layer: str | None, normalize: bool = False, engine: Engine = "scratch") -> None:
        model = open_model(path)
        if not model.preprocessing:
            raise UserError(
                f"{path} does not say its preprocessing; load it in Python, set preprocessing, and save it again"
            )
        if not model.built or len(model.inputs) > 1:
            raise UserError(f"{path} must take one image to make vectors of images")
        self.preprocessing = made = Preprocessing.from_config(model.preprocessing)
        try:
            model.compute_output_shape((None, made.height, made.width, made.channels))
            chosen = last_before_scores(model) if layer is None else _checked_layer(model, layer, engine)
        except ValueError as error:
            raise UserError(f"{path}: {error}") from error
        self._compute = _computer(model, chosen, engine)
        self._normalize = normalize
        self.dimension = self(np.zeros((1, made.height, made.width, made.channels), np.float32)).shape[1]
        self.name = f"{path} ({chosen}{', Keras' if engine == 'keras' else ''})"

    def fit(self, batches: Iterable[FloatBatch]) -> None:
        """The model is trained; the batches are left unread."""

    def __call__(self, images: FloatBatch) -> FloatBatch:
        """Float32 (n, dimension); see `VectorMaker`."""
        results = self._compute(images)
        if results.ndim == 4:
            results = results.mean(axis=(1, 2), dtype=np.float64)
        vectors = np.asarray(results.reshape(len(images), -1), np.float32)
        return unit(vectors) if self._normalize else vectors


def last_before_scores(model: sn.Model) -> str:
    """The name of the layer whose result the class scores are made of.

    That is what the last layer with weights takes. Dropout, which changes nothing in a trained model, is passed over.

    Raises:
        ValueError: there is none, or the model computes by a call of its own.
    """
    graph = flatten(model)
    place = graph.outputs[0]
    while place.call != INPUTS and not graph.calls[place.call].layer.weights:
        place = graph.calls[place.call].inputs[0]
    if place.call != INPUTS:
        place = graph.calls[place.call].inputs[0]
    while place.call != INPUTS and isinstance(graph.calls[place.call].layer, Dropout):
        place = graph.calls[place.call].inputs[0]
    if place.call == INPUTS:
        raise ValueError(f"{model.name} has no layer before its scores to take vectors from; name one with --layer")
    return _name_of(graph.named, place)


def _name_of(named: dict[str, Place], place: Place) -> str:
    # a result of a model within the model has the name of that model too
    return min((name for name, there in named.items() if there == place), key=lambda name: name.count("/"))


def _checked_layer(model: sn.Model, layer: str, engine: Engine) -> str:
    names = flatten(model).named
    if layer not in names:
        more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
        raise ValueError(f"{model.name} has no layer {layer!r}; it has {', '.join(list(names)[:MOST_NAMES])}{more}")
    if engine == "keras" and _result_of(model, layer) is None:
        raise ValueError(f"{layer!r} is no layer of its own that Keras can be asked for; name one around it")
    return layer


def _computer(model: sn.Model, layer: str, engine: Engine) -> Callable[[FloatBatch], NDArray[np.floating]]:
    """What computes a layer's result: the part of the model up to there, made once for all batches."""
    result = _result_of(model, layer)
    if result is None:  # a layer of a model within the model
        from scratchnet.features import layer_features  # needs scikit-learn

        return lambda images: layer_features(model, images, layer, batch_size=len(images))
    part = sn.Model(model.inputs, result)
    if engine == "keras":
        from pipelines.twin import to_keras

        twin = to_keras(part)
        # a compiled graph: called as it is, the twin takes several times as long
        return lambda images: np.asarray(twin.predict_on_batch(images))
    return lambda images: np.asarray(part.predict(images, batch_size=len(images)))


def _result_of(model: sn.Model, layer: str) -> SymbolicTensor | None:
    """The first result of one of the model's own layers, by the names that `flatten` gives; None for any other."""
    count: Counter[str] = Counter()
    for node in model.nodes:
        name = node.layer.name
        count[name] += 1
        if layer == name + (f" (call {count[name]})" if count[name] > 1 else ""):
            return node.outputs[0]
    return None
