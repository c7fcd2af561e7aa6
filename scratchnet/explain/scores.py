"""Which of a model's scores is explained, and the checks before anything is computed."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np

from scratchnet.arrays import FloatArray, IntArray
from scratchnet.layers.base import cast_to
from scratchnet.models.model import Model
from scratchnet.parameter import values_of
from scratchnet.tensor import Tensor, no_grad, reading

BATCH_SIZE = 16  # images at once: besides the feature maps of each, their gradients are kept

Classes: TypeAlias = int | Sequence[int] | IntArray | None


def checked_images(model: Model, images: object) -> FloatArray:
    """Images as the model takes them, (batch, height, width, channels), in its dtype.

    Raises:
        ValueError: the model has no graph yet or takes something else, or there is no image.
        TypeError: they are no numbers.
    """
    model._require_graph()
    if len(model.inputs) > 1:
        raise ValueError(f"{model.name} has {len(model.inputs)} inputs; only models of one can be explained")
    expected = model.input_shape
    array = cast_to(images, model.inputs[0].dtype).data
    fits = array.ndim == len(expected) == 4 and all(
        wanted in {None, size} for size, wanted in zip(array.shape[1:], expected[1:], strict=True)
    )
    if not fits or not len(array):
        wanted = ", ".join("any" if size is None else str(size) for size in expected[1:])
        raise ValueError(
            f"images must be those that {model.name} takes, at least one, of shape (batch, {wanted}) and four axes, "
            f"got {array.shape}"
        )
    return array


def checked_classes(model: Model, class_index: Classes, count: int) -> IntArray | None:
    """The number of the class to explain for each image; None for the one that the model gives.

    A model of one unit has two classes.

    Raises:
        ValueError: the model does not give one row of scores per image, or it has no such class.
    """
    shape = model.output_shape
    if isinstance(shape, list) or len(shape) != 2 or shape[1] is None:
        raise ValueError(f"{model.name} gives {shape}, but only one result of shape (batch, classes) can be explained")
    if class_index is None:
        return None
    numbers = np.asarray(class_index)
    classes = max(shape[1], 2)
    whole = numbers.dtype.kind in "iu" and numbers.shape in {(), (count,)}
    if not whole or numbers.min() < 0 or numbers.max() >= classes:
        raise ValueError(
            f"class_index must be a class from 0 to {classes - 1}, or one for each of {count} images, "
            f"got {class_index!r}"
        )
    return np.broadcast_to(numbers, (count,)).astype(np.int64)


def before_probabilities(output: Tensor) -> Tensor:
    """The class scores that a softmax or sigmoid at the end was made of; without one, the output itself."""
    return output.logits[1] if output.logits else output


def given_classes(scores: FloatArray) -> IntArray:
    """The class that the model gives each image: of several scores the largest, of a single one its sign.

    Args:
        scores: (batch, units), before softmax or sigmoid.
    """
    if scores.shape[1] == 1:
        return (scores[:, 0] > 0).astype(np.int64)
    largest: IntArray = scores.argmax(axis=1)
    return largest


def chosen(scores: Tensor, classes: IntArray | None) -> Tensor:
    """The sum of one score of each image; of a single unit, class 1 has its score and class 0 minus that.

    Args:
        scores: (batch, units), before softmax or sigmoid.
        classes: of each image; None for the one that the model gives.
    """
    wanted = given_classes(scores.data) if classes is None else classes
    units = scores.shape[1]
    factors = np.eye(units)[wanted] if units > 1 else np.where(wanted == 1, 1.0, -1.0)[:, None]
    return (scores * Tensor(factors.astype(scores.dtype))).sum()


def predicted_classes(model: Model, images: FloatArray) -> IntArray:
    """The class that the model gives each of some images."""
    with no_grad():
        return given_classes(before_probabilities(model(images, training=False)).data)


def in_batches(
    model: Model,
    compute: Callable[[FloatArray, IntArray | None], FloatArray],
    images: FloatArray,
    classes: IntArray | None,
    batch_size: int,
) -> FloatArray:
    """The results for all images, some at a time, by the model's weights as they are now."""
    with reading(values_of(model.weights)):
        parts = [
            compute(images[chunk], None if classes is None else classes[chunk])
            for chunk in _chunks(len(images), batch_size)
        ]
    return np.concatenate(parts)


def _chunks(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, start + size)
