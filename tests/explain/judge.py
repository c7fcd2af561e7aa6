"""Grad-CAM and saliency by TensorFlow's tape and plain NumPy, for any graph that has a Keras twin."""

from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from oracle import assert_close, keras, tf

import scratchnet as sn
from pipelines.twin import to_keras
from scratchnet.models.flat import INPUTS, Place, flatten


class Judged(NamedTuple):
    """What TensorFlow says of some images and classes."""

    maps: np.ndarray
    by_maps: np.ndarray
    by_images: np.ndarray
    scores: np.ndarray


def judge(model: sn.Model, x: np.ndarray, classes: Any, layer: str) -> Judged:
    """The maps of a layer, and the gradients by them and by the images of the classes' scores before softmax."""
    twin, graph = to_keras(model), flatten(model)
    ours, theirs = model.predict(x), twin(x, training=False).numpy()
    assert_close(ours, theirs.astype(ours.dtype), "the twin is another function")
    twin.layers[-1].activation = keras.activations.linear
    images = tf.constant(x)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(images)
        values: dict[Place, Any] = {Place(INPUTS, 0): images}
        for number, call in enumerate(graph.calls):
            given = [values[place] for place in call.inputs]
            other = reduce(lambda part, name: part.get_layer(name), call.path, twin)
            values[Place(number, 0)] = other(given if call.node.as_list else given[0], training=False)
        scores, maps = values[graph.outputs[0]], values[graph.named[layer]]
        if scores.shape[1] == 1:
            picked = scores[:, 0] * tf.constant(2.0 * np.asarray(classes) - 1, scores.dtype)
        else:
            picked = tf.gather(scores, classes, batch_dims=1)
        total = tf.reduce_sum(picked)
    by_maps, by_images = (tf.convert_to_tensor(tape.gradient(total, value)).numpy() for value in (maps, images))
    return Judged(maps.numpy(), by_maps, by_images, scores.numpy())


def raw_class_map(judged: Judged, size: tuple[int, int]) -> np.ndarray:
    """Grad-CAM at image size, not yet divided by its largest value."""
    found = []
    for maps, gradient in zip(judged.maps, judged.by_maps, strict=True):
        total = sum(maps[:, :, k] * gradient[:, :, k].mean() for k in range(maps.shape[2]))
        found.append(enlarge(np.maximum(total, 0), size))
    return np.stack(found)


def enlarge(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Linear interpolation between the centres of pixels, first down and then across."""
    for axis in (0, 1):
        old, new = image.shape[axis], size[axis]
        old_centres, new_centres = (np.arange(n) * 2 + 1 for n in (old, new))
        image = np.apply_along_axis(
            lambda line, at=new_centres / new, known=old_centres / old: np.interp(at, known, line), axis, image
        )
    return image
