"""Several ways to make vectors on the same images: clusters, probes, and time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import fmean, stdev
from typing import Any, NamedTuple

import numpy as np

from pipelines.bench.timing import Pace, interleave
from pipelines.clustering.assessing import Score, assess
from pipelines.console import progress
from pipelines.errors import UserError
from pipelines.features.contenders import RANDOM_SEEDS, Contender
from pipelines.features.division import DecodedImages
from pipelines.features.probes import Part, Probed, linear_probe, neighbour_probe, standardised
from pipelines.features.vectors import FloatBatch, VectorMaker, Vectors, extract

# the scores of clusters that are compared, and what they are called
CLUSTER_SCORES = {"ari": "ARI", "nmi": "NMI", "purity": "purity"}
TIMED_IMAGES = 64
PACE = Pace(rounds=5, budget=0.1, pause=0.1)


@dataclass(frozen=True)
class Spread:
    """A figure over seeds.

    Attributes:
        mean: over the seeds.
        deviation: standard deviation over the seeds (n - 1); None of a single one.
    """

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The mean and deviation of at least one value."""
        return cls(fmean(values), stdev(values) if len(values) > 1 else None)


@dataclass(frozen=True)
class Row:
    """How one way to make vectors did.

    Attributes:
        kind: of the contender.
        name: for tables.
        dimension: numbers in a vector.
        clusters: K-Means with as many clusters as classes, by the keys of `CLUSTER_SCORES`, over three seeds; empty if
            it cannot be computed.
        random: the same scores where the images are dealt out to the clusters by lot; empty likewise.
        linear: accuracy of logistic regression.
        linear_chosen: its C for each maker.
        neighbours: accuracy of nearest neighbours.
        neighbours_chosen: how many were asked, for each maker.
        seconds_per_image: median of making the vectors of a batch, files not counted.
        unclustered: why there are no clusters, if there are none.
    """

    kind: str
    name: str
    dimension: int
    clusters: Mapping[str, Spread]
    random: Mapping[str, float]
    linear: Spread
    linear_chosen: Sequence[float]
    neighbours: Spread
    neighbours_chosen: Sequence[float]
    seconds_per_image: float
    unclustered: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON can hold it."""
        return asdict(self)


class Images(NamedTuple):
    """The three parts, decoded."""

    training: DecodedImages
    choosing: DecodedImages
    evaluated: DecodedImages


class _Outcome(NamedTuple):
    clusters: dict[str, Score] | str  # or why there are none
    linear: Probed
    neighbours: Probed


def compare(contenders: Sequence[Contender], images: Images, seed: int) -> list[Row]:
    """Measure every contender on the same images; one whose vectors cannot be clustered has no scores of clusters.

    Args:
        contenders: what is compared.
        images: the parts.
        seed: of K-Means; the next ones are used too.

    Raises:
        UserError: a contender makes numbers that are not finite.
    """
    outcomes: list[list[_Outcome]] = []
    makers = sum(len(contender.makers) for contender in contenders)
    done = 0
    with progress("comparing vectors") as advance:
        for contender in contenders:
            seeds = RANDOM_SEEDS if len(contender.makers) == 1 else 1
            outcomes.append([])
            for number, maker in enumerate(contender.makers):
                now = partial(advance, done, makers)
                outcomes[-1].append(_judge(maker, images, seed + number, seeds, now))
                done += 1
    with progress("timing vectors"):
        seconds = time_makers({contender.name: contender.makers[0] for contender in contenders}, images.evaluated)
    return [_row(one, found, seconds[one.name]) for one, found in zip(contenders, outcomes, strict=True)]


def time_makers(makers: Mapping[str, VectorMaker], images: DecodedImages) -> dict[str, float]:
    """Seconds per image of a batch, medians of turns.

    Args:
        makers: by name; fitted.
        images: the first `TIMED_IMAGES` of them are the batch.
    """
    batches = {name: next(_batches(images, maker, TIMED_IMAGES)) for name, maker in makers.items()}
    calls = {name: partial(maker, batches[name]) for name, maker in makers.items()}
    timings = interleave(calls, PACE)
    return {name: timing.median / len(batches[name]) for name, timing in timings.items()}


def _judge(maker: VectorMaker, images: Images, seed: int, seeds: int, now: Callable[[str], None]) -> _Outcome:
    now(maker.name)
    maker.fit(_batches(images.training, maker))
    found = [extract(maker, part, part.samples) for part in images]
    training, choosing, evaluated = (Part(own.array, own.labels) for own in found)
    parts = standardised(training, choosing, evaluated)
    now(f"{maker.name}, clusters and classifiers")
    return _Outcome(_cluster(found[2], seed, seeds), linear_probe(*parts), neighbour_probe(*parts))


def _cluster(vectors: Vectors, seed: int, seeds: int) -> dict[str, Score] | str:
    try:
        scores = assess(vectors, "kmeans", len(vectors.class_names), seeds=seeds, seed=seed).scores
    except UserError as error:  # all vectors are the same, for example: the others can be compared all the same
        return str(error)
    return {name: score for name, score in scores.items() if name in CLUSTER_SCORES and score is not None}


def _batches(images: DecodedImages, maker: VectorMaker, size: int = TIMED_IMAGES) -> Iterator[FloatBatch]:
    made = maker.preprocessing
    for start in range(0, len(images.samples), size):
        yield made.scaled(np.stack([made(images.read(one)) for one in images.samples[start : start + size]]))


def _row(contender: Contender, outcomes: Sequence[_Outcome], seconds: float) -> Row:
    scored = [own.clusters for own in outcomes if not isinstance(own.clusters, str)]
    reasons = [own.clusters for own in outcomes if isinstance(own.clusters, str)]
    known = [] if reasons else CLUSTER_SCORES
    return Row(
        contender.kind,
        contender.name,
        contender.makers[0].dimension,
        {name: _spread([scores[name] for scores in scored]) for name in known},
        {name: fmean(scores[name].random for scores in scored) for name in known},
        Spread.of([own.linear.accuracy for own in outcomes]),
        [own.linear.chosen for own in outcomes],
        Spread.of([own.neighbours.accuracy for own in outcomes]),
        [own.neighbours.chosen for own in outcomes],
        seconds,
        reasons[0] if reasons else None,
    )


def _spread(scores: Sequence[Score]) -> Spread:
    # over the makers; of a single one, over the seeds of K-Means
    if len(scores) == 1:
        return Spread(scores[0].mean, scores[0].deviation)
    return Spread.of([score.mean for score in scores])
