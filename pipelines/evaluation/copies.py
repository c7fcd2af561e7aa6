"""Test images that the model has learned by heart, because the training images hold a copy of them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.hashes import content_hash
from pipelines.curation.scan import examine_all
from pipelines.data.sample import Sample, Source
from pipelines.evaluation.predictions import Predictions


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


def find_copies(
    source: Source,
    samples: Sequence[Sample],
    trained: Collection[str],
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.bool_]:
    """Which samples have exactly the decoded pixels of a training image.

    Args:
        source: of both.
        samples: that are evaluated.
        trained: the names of the training images; those that cannot be read were not trained on.
        progress: called with (done, total).

    Returns:
        bool (samples,); False for a sample that cannot be read.
    """
    training = [sample for sample in source.samples if sample.name in trained]
    seen = examine_all([*training, *samples], lambda sample: bytes.fromhex(content_hash(source.read(sample))), progress)
    known = {pixels for pixels in seen[: len(training)] if isinstance(pixels, bytes)}
    return np.array([pixels in known for pixels in seen[len(training) :]], bool)


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
