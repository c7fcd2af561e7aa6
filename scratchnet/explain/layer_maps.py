"""The results of layers, where they are maps over the image."""

from typing import Any

from scratchnet.arrays import FloatArray, IntArray
from scratchnet.explain.scores import BATCH_SIZE, checked_images, in_batches
from scratchnet.layers.symbolic import BatchShape
from scratchnet.models.batches import checked_batch_size
from scratchnet.models.flat import INPUTS, FlatGraph, Place, flatten, run_calls
from scratchnet.models.model import Model
from scratchnet.tensor import Tensor, no_grad, reading

MOST_NAMES = 20  # in a message


def spatial_layers(model: Model) -> list[str]:
    """The names of the layers whose result is maps over the image, (batch, height, width, channels), in order.

    Layers of models within the model are named `model/layer`; a layer's second call is `layer (call 2)`.

    Raises:
        ValueError: the model has no graph yet, or computes by a `call` of its own.
    """
    return [call.name for call in flatten(model).calls if is_spatial(call.shapes[0])]


def feature_maps(model: Model, images: Any, layer: str, *, batch_size: int = BATCH_SIZE) -> FloatArray:
    """What a layer makes of some images: (batch, height, width, channels).

    Args:
        model: of one input; built.
        images: (batch, height, width, channels) in the range that the model takes.
        layer: its name; see `spatial_layers`.
        batch_size: so many images are computed at once.

    Raises:
        ValueError: the images do not fit the model, or it has no such layer, or that gives no maps.
    """
    array = checked_images(model, images)
    graph = flatten(model)
    place = spatial_place(model, graph, layer)

    def compute(part: FloatArray, classes: IntArray | None) -> FloatArray:
        with no_grad(), reading():
            values = {Place(INPUTS, 0): Tensor(part)}
            run_calls(graph, values, 0, place.call + 1)
        return values[place].data

    return in_batches(model, compute, array, None, checked_batch_size(batch_size))


def spatial_place(model: Model, graph: FlatGraph, layer: str) -> Place:
    """Where the maps of a layer are.

    Raises:
        ValueError: there is no such layer, or its result is no maps.
    """
    maps = [call.name for call in graph.calls if is_spatial(call.shapes[0])]
    more = f" and {len(maps) - MOST_NAMES:,} more" if len(maps) > MOST_NAMES else ""
    told = f"layers with maps over the image are {', '.join(maps[:MOST_NAMES]) or 'none'}{more}"
    place = graph.named.get(layer)
    if place is None:
        raise ValueError(f"{model.name} has no layer {layer!r}; {told}")
    if place.call == INPUTS:
        raise ValueError(f"layer {layer!r} of {model.name} gives its input back; {told}")
    shape = graph.calls[place.call].shapes[place.result]
    if not is_spatial(shape):
        raise ValueError(f"layer {layer!r} of {model.name} has results of shape {shape}; {told}")
    return place


def is_spatial(shape: BatchShape) -> bool:
    """Whether a shape is that of maps with more than one pixel, or of unknown size."""
    return len(shape) == 4 and shape[1:3] != (1, 1)
