"""Test images that the model has learned by heart, because the training images hold a copy of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.evaluation.predictions import Predictions
from pipelines.run import Run


@dataclass(frozen=True)
class Copies:
    """The accuracy with and without images that have the pixels of a training image, whatever the label there.

    Attributes:
        images: how many of the evaluated images have such a copy.
        of: how many were evaluated.
        accuracy: on all of them.
        accuracy_without_copies: on those without a copy; None if all have one.
        accuracy_of_copies: on those with a copy; None if there are none.
    """

    images: int
    of: int
    accuracy: float
    accuracy_without_copies: float | None
    accuracy_of_copies: float | None

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON can hold it."""
        return asdict(self)

    def __str__(self) -> str:
        """How many, and what they are worth."""
        found = f"{self.images:,} of {self.of:,} images are, pixel by pixel, copies of training images"
        if not self.images:
            return found
        without = "" if self.accuracy_without_copies is None else f", {self.accuracy_without_copies:.4f} without them"
        return f"{found}; accuracy {self.accuracy:.4f} with them{without}, {self.accuracy_of_copies:.4f} on them alone"


def find_copies(contents: Sequence[str], run: Run | None, part: str = "train") -> NDArray[np.bool_] | None:
    """Which images have exactly the pixels, as the network sees them, of an image of a run's training.

    Args:
        contents: the images, as `Dataset.contents` has them.
        run: that trained the model; None where that is not known.
        part: `train` or `validation`.

    Returns:
        bool (images,); None where it is not known what the model was trained on.
    """
    known = None if run is None else run.contents_of(part)
    return None if known is None else np.array([content in known for content in contents], bool)


def judge_copies(predictions: Predictions, copied: NDArray[np.bool_]) -> Copies:
    """The accuracy with and without copies.

    Args:
        predictions: of the samples.
        copied: bool (images,), from `find_copies`.
    """
    right = predictions.predicted == predictions.labels
    return Copies(int(copied.sum()), len(right), float(right.mean()), _share(right[~copied]), _share(right[copied]))


def _share(right: NDArray[np.bool_]) -> float | None:
    return float(right.mean()) if len(right) else None
