"""The confusions that cost most, in words."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

WORST = 3


@dataclass(frozen=True)
class Confusion:
    """Images of one class that were taken for another.

    Attributes:
        true: the class they have.
        predicted: the class they were given.
        count: how many.
        images: how many of the true class there are.
    """

    true: str
    predicted: str
    count: int
    images: int

    def __str__(self) -> str:
        """As in `fear taken for sad: 123 of 512, 24%`."""
        share = self.count / self.images
        return (
            f"{self.true} taken for {self.predicted}: {self.count:,} of {self.images:,}, "
            f"{f'{share:.0%}' if share >= 0.005 else 'under 1%'}"
        )

    def to_json(self) -> dict[str, Any]:
        """Everything, and the sentence, as JSON can hold it."""
        return {**asdict(self), "words": str(self)}


def worst_confusions(matrix: NDArray[np.int64], class_names: Sequence[str], most: int = WORST) -> list[Confusion]:
    """The pairs of classes with the most confused images, the worst first; of equal ones, the larger share first.

    Args:
        matrix: (classes, classes); rows are true classes, columns predictions.
        class_names: in label order.
        most: how many pairs at most; those that never occur are left out.
    """
    images = matrix.sum(axis=1).tolist()
    found = [
        Confusion(class_names[row], class_names[column], int(matrix[row, column]), images[row])
        for row, column in zip(*np.nonzero(matrix), strict=True)
        if row != column
    ]
    return sorted(found, key=lambda one: (-one.count, one.images))[:most]
