"""How many clusters there are: two curves that do not know the classes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from pipelines.clustering.knee import knee
from pipelines.clustering.methods import SAMPLE, STARTS
from pipelines.clustering.scores import Silhouette, sample_rows
from pipelines.errors import UserError

Rule = Literal["silhouette", "elbow"]
RULES: tuple[Rule, ...] = get_args(Rule)
LEAST_RANGE = 12  # the largest number that is tried, if the classes are few
MOST_NUMBERS = 20  # that are tried


@dataclass(frozen=True)
class Choice:
    """K-Means for several numbers of clusters.

    Attributes:
        numbers: of clusters, rising.
        inertia: the sum of squared distances to the nearest centre, for each.
        silhouette: for each; None where it is not known.
        images: that were looked at.
        silhouette_images: of these, those that the silhouette is of.
    """

    numbers: tuple[int, ...]
    inertia: tuple[float, ...]
    silhouette: tuple[float | None, ...]
    images: int
    silhouette_images: int

    @property
    def by_silhouette(self) -> int | None:
        """The number with the largest silhouette; None where none is known."""
        known = [
            (value, -number) for value, number in zip(self.silhouette, self.numbers, strict=True) if value is not None
        ]
        return -max(known)[1] if known else None

    @property
    def by_elbow(self) -> int:
        """The number at which the inertia bends; see `knee`."""
        return self.numbers[knee(self.inertia, self.numbers)]

    def best(self, rule: Rule) -> int:
        """The number that a rule chooses.

        Raises:
            UserError: the rule has nothing to choose by.
        """
        chosen = self.by_silhouette if rule == "silhouette" else self.by_elbow
        if chosen is None:
            raise UserError(
                f"{self.images:,} images are too few to know a silhouette; give --clusters for --choose, or more images"
            )
        return chosen


def try_numbers(
    vectors: NDArray[np.float32],
    classes: int,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Choice:
    """Cluster with the numbers from 2 to twice the number of classes, or to 12; of many images, a sample.

    Of many numbers some are tried, whose distances grow with them.

    Args:
        vectors: float32 (n, dimension), which `check_vectors` has let pass.
        classes: how many there are.
        seed: of the starts and the sample.
        progress: called with (done, total).
    """
    seen = vectors[sample_rows(len(vectors), SAMPLE, seed)]
    distinct = len(np.unique(seen, axis=0))
    numbers = _spaced(max(2, min(max(2 * classes, LEAST_RANGE), distinct - 1)))
    separated = Silhouette(seen, seed)
    inertia, silhouettes = [], []
    with threadpool_limits(1):
        for done, number in enumerate(numbers, 1):
            fitted = KMeans(number, n_init=STARTS, random_state=seed).fit(seen)
            inertia.append(float(fitted.inertia_))
            silhouettes.append(separated(np.asarray(fitted.labels_, np.int64)))
            if progress is not None:
                progress(done, len(numbers))
    return Choice(numbers, tuple(inertia), tuple(silhouettes), len(seen), len(separated.chosen))


def _spaced(largest: int) -> tuple[int, ...]:
    """The numbers from 2 on, or at most `MOST_NUMBERS` of them in about equal ratios, with both ends."""
    if largest <= MOST_NUMBERS + 1:
        return tuple(range(2, largest + 1))
    return tuple(np.unique(np.geomspace(2, largest, MOST_NUMBERS).round().astype(int)).tolist())
