"""How well clusters agree with classes, and how well they are separated."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import (
    adjusted_rand_score,
    homogeneity_completeness_v_measure,
    normalized_mutual_info_score,
    silhouette_score,
)
from sklearn.metrics.pairwise import euclidean_distances
from threadpoolctl import threadpool_limits

Labels = NDArray[np.int64]

NOISE = -1  # in place of a cluster's number
SILHOUETTE_SAMPLE = 2000  # images; their distances to each other take 16 MB

# what the scores are called in tables, in their order
TITLES = {
    "ari": "ARI",
    "nmi": "NMI",
    "homogeneity": "homogeneity",
    "completeness": "completeness",
    "v_measure": "V-measure",
    "matched_purity": "matched purity",
    "purity": "purity",
    "silhouette": "silhouette",
}


def label_scores(labels: Labels, clusters: Labels) -> dict[str, float]:
    """The scores that compare clusters with classes.

    - `ari`: pairs of images that are together or apart in both, corrected for chance; 0 for random clusters, 1 for the
      classes themselves (Hubert & Arabie, 1985, Comparing partitions).
    - `nmi`: mutual information over the mean of both entropies.
    - `homogeneity`, `completeness`, `v_measure`: whether clusters hold one class each, whether classes lie in one
      cluster each, and the harmonic mean of both (Rosenberg & Hirschberg, 2007), which equals `nmi`.
    - `matched_purity`: the share of images whose cluster is matched with their class; see `match_clusters`. It is also
      called clustering accuracy.
    - `purity`: the share of images of the most frequent class of their cluster. It grows with the number of clusters.

    Noise counts as a cluster of its own, but as wrong in both purities.

    Args:
        labels: (n,) classes.
        clusters: (n,) clusters from 0, or `NOISE`.
    """
    homogeneity, completeness, v_measure = homogeneity_completeness_v_measure(labels, clusters)
    table = cluster_table(labels, clusters)
    return {
        "ari": float(adjusted_rand_score(labels, clusters)),
        "nmi": float(normalized_mutual_info_score(labels, clusters)),
        "homogeneity": float(homogeneity),
        "completeness": float(completeness),
        "v_measure": float(v_measure),
        "matched_purity": sum(int(table[pair]) for pair in match_clusters(table).items()) / len(labels),
        "purity": float(table.max(axis=1).sum() / len(labels)) if len(table) else 0.0,
    }


def cluster_table(labels: Labels, clusters: Labels, classes: int | None = None) -> Labels:
    """How many images of each class each cluster has: (clusters, classes); noise is left out.

    Args:
        labels: (n,) classes.
        clusters: (n,) clusters from 0, or `NOISE`.
        classes: how many there are; by default up to the largest label.
    """
    table = np.zeros((int(clusters.max()) + 1, classes or int(labels.max()) + 1), np.int64)
    inside = clusters != NOISE
    np.add.at(table, (clusters[inside], labels[inside]), 1)
    return table


def match_clusters(table: Labels) -> dict[int, int]:
    """The class of each cluster by the best one-to-one matching, which has the most images in it.

    Found by the Hungarian method (Kuhn, 1955). With more clusters than classes, some clusters have none; nor has one
    without an image of the class that was left for it.

    Args:
        table: (clusters, classes) images.
    """
    rows, columns = linear_sum_assignment(table, maximize=True)
    return {int(row): int(column) for row, column in zip(rows, columns, strict=True) if table[row, column]}


class Silhouette:
    """The mean silhouette of some images: near 1 if they are much closer to their own cluster than to the next one.

    Its time grows with the square of the number of images, so of many images it is that of a sample (Rousseeuw, 1987,
    Silhouettes). Noise is left out.

    Args:
        vectors: float32 (n, dimension).
        seed: of the sample.
        most: images in the sample.
    """

    def __init__(self, vectors: NDArray[np.float32], seed: int, most: int = SILHOUETTE_SAMPLE) -> None:
        self.chosen = sample_rows(len(vectors), most, seed)
        with threadpool_limits(1):  # sums in one order, for the same bits on any number of threads
            distances: Any = euclidean_distances(np.asarray(vectors[self.chosen], np.float64))
        self._distances: NDArray[np.float64] = distances

    def __call__(self, clusters: Labels) -> float | None:
        """The silhouette of (n,) clusters; None unless the sample has two clusters and fewer than images."""
        own = clusters[self.chosen]
        inside = np.flatnonzero(own != NOISE)
        own = own[inside]
        if not 2 <= len(np.unique(own)) < len(own):
            return None
        return float(silhouette_score(self._distances[np.ix_(inside, inside)], own, metric="precomputed"))


def sample_rows(count: int, most: int, seed: int) -> Labels:
    """At most so many row numbers by lot, in rising order."""
    if count <= most:
        return np.arange(count, dtype=np.int64)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False)).astype(np.int64)
