"""One method on some vectors: over several seeds, and beside random clusters of the same sizes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.clustering.methods import METHODS, SAMPLE, Clustering, cluster
from pipelines.clustering.scores import TITLES, Labels, Silhouette, cluster_table, label_scores, match_clusters
from pipelines.features.vectors import Vectors

SHUFFLES = 5  # of a method that is run once


@dataclass(frozen=True)
class Score:
    """A score over the seeds.

    Attributes:
        mean: over the seeds.
        deviation: the standard deviation over the seeds (n - 1); None of a single run.
        random: the mean for the same clusters with the images dealt out by lot.
    """

    mean: float
    deviation: float | None
    random: float


@dataclass(frozen=True)
class Outcome:
    """What a method made of the images.

    Attributes:
        method: one of `METHODS`.
        first: the clustering of the first seed, which figures and files show.
        runs: with seeds that follow each other.
        scores: by the keys of `TITLES`; None where it is not known.
        table: (clusters, classes) images of the first seed.
        matching: the class of each cluster of the first seed; see `match_clusters`.
    """

    method: str
    first: Clustering
    runs: int
    scores: dict[str, Score | None]
    table: Labels
    matching: dict[int, int]

    @property
    def title(self) -> str:
        """The method's name for people."""
        return METHODS[self.method].title

    def to_json(self, class_names: Sequence[str]) -> dict[str, Any]:
        """Everything but the clusters of the images."""
        return {
            "title": self.title,
            "what": METHODS[self.method].why,
            "clusters": self.first.found,
            "noise": self.first.noise,
            "runs": self.runs,
            "deterministic": not self.first.random,
            "settings": self.first.settings,
            "notes": list(self.first.notes),
            "scores": {name: None if score is None else vars(score) for name, score in self.scores.items()},
            "table": self.table.tolist(),
            "matching": {str(cluster): class_names[label] for cluster, label in sorted(self.matching.items())},
        }


def assess(
    vectors: Vectors,
    method: str,
    clusters: int,
    *,
    seeds: int = 5,
    seed: int = 0,
    eps: float | None = None,
    sample: int = SAMPLE,
    silhouette: Silhouette | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Cluster with several seeds, and score each against the classes.

    A method that no seed changes is run once.

    Args:
        vectors: with at least two classes.
        method: one of `METHODS`.
        clusters: how many, for methods that are told.
        seeds: how many runs, with the seeds `seed`, `seed + 1` and so on.
        seed: the first.
        eps: of DBSCAN; see `cluster`.
        sample: images that a quadratic method sees at most.
        silhouette: of these vectors, where several methods share it.
        progress: called with (done, total) runs.

    Raises:
        UserError: the method cannot be used on these vectors; see `cluster`.
    """
    separated = silhouette or Silhouette(vectors.array, seed)
    runs: list[Clustering] = []
    while not runs or (runs[0].random and len(runs) < seeds):
        settings = {"clusters": clusters, "seed": seed + len(runs), "eps": eps, "sample": sample}
        runs.append(cluster(vectors.array, method, **settings))  # type: ignore[arg-type]
        if progress is not None:
            progress(len(runs), seeds if runs[0].random else 1)
    measured = [_scores(vectors.labels, run.clusters, separated) for run in runs]
    shuffled = []
    for number in range(max(len(runs), SHUFFLES)):
        dealt = np.random.default_rng((seed, number)).permutation(runs[number % len(runs)].clusters)
        shuffled.append(_scores(vectors.labels, dealt, separated))
    table = cluster_table(vectors.labels, runs[0].clusters, len(vectors.class_names))
    scores = {name: _summary([each[name] for each in measured], [each[name] for each in shuffled]) for name in TITLES}
    return Outcome(method, runs[0], len(runs), scores, table, match_clusters(table))


def _scores(labels: Labels, clusters: Labels, silhouette: Silhouette) -> dict[str, float | None]:
    return {**label_scores(labels, clusters), "silhouette": silhouette(clusters)}


def _summary(measured: Sequence[float | None], shuffled: Sequence[float | None]) -> Score | None:
    values = [value for value in measured if value is not None]
    by_chance = [value for value in shuffled if value is not None]
    if len(values) < len(measured) or not by_chance:
        return None
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Score(float(np.mean(values)), deviation, float(np.mean(by_chance)))
