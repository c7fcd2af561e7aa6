"""Grad-CAM: where in the image a class was seen."""

from typing import Any

import numpy as np

from scratchnet import layers
from scratchnet.activations import linear
from scratchnet.arrays import FloatArray, IntArray
from scratchnet.explain.enlarging import enlarged
from scratchnet.explain.layer_maps import is_spatial, spatial_place
from scratchnet.explain.scores import (
    BATCH_SIZE,
    Classes,
    before_probabilities,
    checked_classes,
    checked_images,
    chosen,
    in_batches,
)
from scratchnet.models.batches import checked_batch_size
from scratchnet.models.flat import INPUTS, FlatGraph, Place, flatten, run_calls
from scratchnet.models.model import Model
from scratchnet.parameter import gradient_at
from scratchnet.tensor import Tensor, no_grad, reading

CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)
# what belongs to the convolution before it: each pixel of the result is made of the same pixel of what comes in
ACTIVATIONS = (layers.Activation, layers.ELU, layers.LeakyReLU, layers.ReLU)
KEEPING = (
    layers.Add, layers.Average, layers.Concatenate, layers.Dropout, layers.Maximum, layers.Minimum, layers.Multiply,
    layers.Subtract,
)  # fmt: skip
SHIFTING = (layers.BatchNormalization, layers.Normalization, layers.Rescaling)


def grad_cam(
    model: Model, images: Any, class_index: Classes = None, layer: str | None = None, *, batch_size: int = BATCH_SIZE
) -> FloatArray:
    """How much each place of an image speaks for a class: (batch, height, width) at image size, from 0 to 1.

    With `A_k` the maps of a layer and `s` the score of the class before softmax or sigmoid, it is
    `relu(sum_k mean_over_pixels(ds / dA_k) A_k)`, enlarged bilinearly and divided by its largest value in the image. It
    is 0 throughout where nothing in the maps speaks for the class. Selvaraju et al., 2017,
    https://arxiv.org/abs/1610.02391.

    Args:
        model: of one image as input and one row of scores as output; built.
        images: (batch, height, width, channels) in the range that the model takes.
        class_index: the class, or one for each image; the one that the model gives by default. A model of a single unit
            has the classes 0 and 1; class 1 has the unit's score, class 0 minus that.
        layer: whose maps; by default `grad_cam_layer(model)`.
        batch_size: so many images are computed at once.

    Raises:
        ValueError: the images do not fit the model; it has no such class or layer; the layer has no maps, or the scores
            do not depend on it.
    """
    array = checked_images(model, images)
    classes = checked_classes(model, class_index, len(array))
    graph = flatten(model)
    place = _default_place(model, graph) if layer is None else spatial_place(model, graph, layer)

    def compute(part: FloatArray, wanted: IntArray | None) -> FloatArray:
        maps, gradient = _maps_and_gradient(graph, place, part, wanted)
        if gradient is None:
            raise ValueError(
                f"the scores of {model.name} do not depend on layer {graph.calls[place.call].name!r}; choose another"
            )
        return _class_map(maps, gradient, (part.shape[1], part.shape[2]))

    return in_batches(model, compute, array, classes, checked_batch_size(batch_size))


def grad_cam_layer(model: Model) -> str:
    """The layer that `grad_cam` looks at unless told otherwise: the last of `convolution_layers`.

    Raises:
        ValueError: the model has no convolution with maps, has no graph yet, or computes by a `call` of its own.
    """
    graph = flatten(model)
    return graph.calls[_default_place(model, graph).call].name


def convolution_layers(model: Model) -> list[str]:
    """For each convolution, the layer whose result are its maps, in order and each once.

    What belongs to a convolution are the normalisation, activation and merges behind it, as long as they keep its
    height and width and nothing else takes what they are given; pooling no longer does. Of these it is the last whose
    results are activated, because there a pixel is zero where a feature is absent, which normalisation shifts; where
    nothing is activated, it is the last.

    Raises:
        ValueError: the model has no graph yet, or computes by a `call` of its own.
    """
    graph = flatten(model)
    return list(dict.fromkeys(graph.calls[place.call].name for place in _convolutions(graph)))


def _default_place(model: Model, graph: FlatGraph) -> Place:
    found = _convolutions(graph)
    if not found:
        raise ValueError(f"{model.name} has no convolution whose maps Grad-CAM could look at; name another layer")
    return found[-1]


def _convolutions(graph: FlatGraph) -> list[Place]:
    """Where the maps of each convolution are."""
    found: list[Place] = []
    for number, call in enumerate(graph.calls):
        if not isinstance(call.layer, CONVOLUTIONS) or not is_spatial(call.shapes[0]):
            continue
        found.append(_activated(graph, Place(number, 0)))
    return found


def _activated(graph: FlatGraph, convolution: Place) -> Place:
    """The last activated result of what belongs to a convolution, or just the last."""
    best, activated, place = None, False, convolution
    while True:
        layer = graph.calls[place.call].layer
        if isinstance(layer, CONVOLUTIONS + ACTIVATIONS):
            activated = getattr(layer, "activation", None) is not linear
        elif isinstance(layer, SHIFTING):
            activated = False
        best = place if activated else best
        follower = _follower(graph, place)
        if follower is None:
            return best or place
        place = follower


def _follower(graph: FlatGraph, place: Place) -> Place | None:
    """The result of the only call that takes this one, if it is pointwise and has maps of the same size."""
    takers = graph.takers(place)
    if len(takers) != 1 or place in graph.outputs:
        return None
    before, after = graph.calls[place.call], graph.calls[takers[0]]
    same_size = after.shapes[0][1:3] == before.shapes[place.result][1:3]
    return Place(takers[0], 0) if isinstance(after.layer, ACTIVATIONS + KEEPING + SHIFTING) and same_size else None


def _maps_and_gradient(
    graph: FlatGraph, place: Place, images: FloatArray, classes: IntArray | None
) -> tuple[FloatArray, FloatArray | None]:
    """The maps of a layer, and the gradient by them of the classes' scores; only what comes after them is recorded."""
    with no_grad(), reading():
        values = {Place(INPUTS, 0): Tensor(images)}
        run_calls(graph, values, 0, place.call + 1)
    maps = values[place].data

    def score(leaf: Tensor) -> Tensor:
        later = {**values, place: leaf}
        run_calls(graph, later, place.call + 1, len(graph.calls))
        return chosen(before_probabilities(later[graph.outputs[0]]), classes)

    return maps, gradient_at(maps, score)


def _class_map(maps: FloatArray, gradient: FloatArray, size: tuple[int, int]) -> FloatArray:
    weights = gradient.mean(axis=(1, 2))
    seen = np.maximum(np.einsum("nhwc,nc->nhw", maps, weights), 0)
    large = enlarged(seen, size)
    most = large.max(axis=(1, 2), keepdims=True)
    result: FloatArray = np.divide(large, most, out=np.zeros_like(large), where=most != 0)  # what is no number stays so
    return result
