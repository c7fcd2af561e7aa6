"""Models that judge nothing but how bright an image is, so that every answer can be computed by hand."""

from pathlib import Path

import cv2
import numpy as np

import scratchnet as sn
from scratchnet import layers

SIZE = 4
NAMES = ("dark", "bright")


def brightness_model(*, sigmoid: bool = False, names: tuple[str, ...] = NAMES) -> sn.Model:
    """Says `bright` with probability `sigmoid(8 * mean - 4)` of an image whose mean is between 0 and 1.

    Args:
        sigmoid: One unit, the probability of the second class, in place of two.
        names: Of the classes.
    """
    model = sn.Sequential([layers.Input((SIZE, SIZE, 1)), layers.GlobalAveragePooling2D(),
                           layers.Dense(1 if sigmoid else 2, "sigmoid" if sigmoid else "softmax")])  # fmt: skip
    if sigmoid:
        model.layers[-1].set_weights([np.array([[8.0]], np.float32), np.array([-4.0], np.float32)])
    else:
        model.layers[-1].set_weights([np.array([[0.0, 8.0]], np.float32), np.array([0.0, -4.0], np.float32)])
    model.class_names = names
    model.preprocessing = {"height": SIZE, "width": SIZE, "channels": 1}
    return model


def bright_probability(level: int) -> float:
    """What the models say of an image whose pixels are all at this level, 0 to 255."""
    return float(1 / (1 + np.exp(4 - 8 * level / 255)))


def write_grey(path: Path, level: int, size: tuple[int, int] = (6, 5)) -> Path:
    """Write an image of one level: (height, width)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = cv2.imencode(path.suffix, np.full(size, level, np.uint8))[1]
    path.write_bytes(data.tobytes())  # OpenCV itself cannot write to every name
    return path
