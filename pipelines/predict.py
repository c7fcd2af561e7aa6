"""Class probabilities of single images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import scratchnet as sn
from pipelines.data.decode import decode_image
from pipelines.data.errors import DataError
from pipelines.data.preprocessing import Preprocessing


@dataclass(frozen=True)
class Prediction:
    """What a model says of an image, or why it could not be asked.

    Attributes:
        image: the path.
        probabilities: by class, in label order; None if the image could not be read.
        error: the reason then.
    """

    image: str
    probabilities: dict[str, float] | None = None
    error: str | None = None

    @property
    def best(self) -> str | None:
        """The most probable class."""
        return max(self.probabilities, key=self.probabilities.__getitem__) if self.probabilities else None

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON can hold it."""
        if self.probabilities is None:
            return {"image": self.image, "error": self.error}
        return {"image": self.image, "class": self.best, "probabilities": self.probabilities}


def predict_images(model: sn.Model, paths: list[Path]) -> list[Prediction]:
    """Ask a model about images; one that cannot be read does not stop the others.

    Args:
        model: with `class_names` and `preprocessing`.
        paths: of image files in any format, size and colour.
    """
    preprocessing = Preprocessing.from_config(model.preprocessing or {})
    results: dict[int, Prediction] = {}
    readable: list[int] = []
    images = []
    for position, path in enumerate(paths):
        try:
            images.append(preprocessing(decode_image(path.read_bytes(), str(path))))
            readable.append(position)
        except OSError as error:
            results[position] = Prediction(str(path), error=error.strerror or str(error))
        except DataError as error:
            results[position] = Prediction(str(path), error=str(error).removeprefix(f"{path}: "))
    if images:
        probabilities = model.predict(preprocessing.scaled(np.stack(images)))
        for position, row in zip(readable, probabilities, strict=True):
            by_class = {name: float(value) for name, value in zip(model.class_names or (), row, strict=True)}
            results[position] = Prediction(str(paths[position]), by_class)
    return [results[position] for position in range(len(paths))]
