"""The clustering methods: what each needs, and how many images it can take."""

import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackError
from sklearn.cluster import DBSCAN, HDBSCAN, AgglomerativeClustering, KMeans, MiniBatchKMeans, SpectralClustering
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from sklearn.utils._param_validation import InvalidParameterError
from threadpoolctl import threadpool_limits

from pipelines.clustering.knee import knee
from pipelines.clustering.scores import NOISE, Labels, sample_rows
from pipelines.errors import UserError

Floats = NDArray[np.float32]

SAMPLE = 5000  # images that a quadratic method sees: their distances to each other take 200 MB
STARTS = 4  # of K-Means, of which the best counts
NEIGHBOURS = 10  # of an image in the graph of spectral clustering
CORE = 5  # images within eps, itself included, make a core image of DBSCAN
SMALLEST = 0.01  # the least share of the images that HDBSCAN calls a cluster, and at least CORE images


class Method(NamedTuple):
    """A clustering method.

    Attributes:
        title: for tables.
        takes_number: whether it is told the number of clusters.
        quadratic: whether its time or memory grows with the square of the number of images.
        random: whether it depends on a seed when it sees all images.
        why: what it is, in a line.
    """

    title: str
    takes_number: bool
    quadratic: bool
    random: bool
    why: str


METHODS = {
    "kmeans": Method("K-Means", True, False, True, f"Lloyd's, k-means++, the best of {STARTS} starts"),
    "minibatch": Method("mini-batch K-Means", True, False, True, "batches of 1,024 images, the best of 3 starts"),
    "gaussian": Method("Gaussian mixture", True, False, True, "diagonal covariances, begun with K-Means"),
    "agglomerative": Method("agglomerative", True, True, False, "Ward's linkage"),
    "dbscan": Method("DBSCAN", False, True, False, f"core images have {CORE} within eps"),
    "hdbscan": Method("HDBSCAN", False, True, False, f"clusters have {SMALLEST:.0%} of the images or more"),
    "spectral": Method("spectral", True, True, True, f"graph of {NEIGHBOURS} nearest neighbours"),
}


@dataclass(frozen=True)
class Clustering:
    """What a method made of some images.

    Attributes:
        clusters: int64 (n,), from 0, the largest first; `NOISE` for images in none.
        random: whether another seed may give other clusters.
        notes: what a reader must know, in sentences.
        settings: figures that the method chose for itself.
    """

    clusters: Labels
    random: bool
    notes: tuple[str, ...] = ()
    settings: dict[str, float] = field(default_factory=dict)

    @property
    def found(self) -> int:
        """The number of clusters."""
        return int(self.clusters.max()) + 1

    @property
    def noise(self) -> int:
        """The number of images in no cluster."""
        return int((self.clusters == NOISE).sum())


def cluster(
    vectors: Floats, method: str, *, clusters: int, seed: int = 0, eps: float | None = None, sample: int = SAMPLE
) -> Clustering:
    """Cluster vectors by their Euclidean distances.

    Quadratic methods see a sample of at most `sample` images, drawn by lot. Each other image gets the cluster of its
    nearest neighbour in the sample; with DBSCAN, of the nearest core image, and it is noise beyond `eps` of it. The
    same seed gives the same clusters, on any number of threads: everything is computed on one.

    Args:
        vectors: float32 (n, dimension), finite.
        method: one of `METHODS`.
        clusters: how many, for methods that are told.
        seed: of starts and samples.
        eps: DBSCAN's radius; by default where the sorted distances to the `CORE`-th image, itself counted, bend
            (Ester et al., 1996; see `knee`).
        sample: images that a quadratic method sees at most.

    Raises:
        UserError: there are fewer images than clusters, a number is not finite, all vectors are the same, all images
            are noise, or the method's numerics fail on them.
    """
    check_vectors(vectors)
    kind = METHODS[method]
    rows = sample_rows(len(vectors), sample if kind.quadratic else len(vectors), seed)
    whole = len(rows) == len(vectors)
    seen = vectors if whole else vectors[rows]
    if kind.takes_number and not whole and clusters > len(rows):
        raise UserError(f"{kind.title} sees {len(rows):,} images, too few for {clusters:,} clusters; raise --sample")
    if kind.takes_number:
        check_number(clusters, len(seen))
    with threadpool_limits(1), _numerics(kind.title, len(seen)), _collected() as notes:
        settings: dict[str, float] = {}
        if method == "dbscan":
            result, eps = _dbscan(seen, None if whole else vectors, eps)
            settings["eps"] = eps
        else:
            result = _FITS[method](seen, clusters, seed)
            if not whole:
                result = _by_neighbour(vectors, seen, rows, result)
    if not whole:
        notes.append(f"computed on {len(rows):,} images by lot; the others went to the cluster of their nearest one")
    ordered = by_size(result)
    if (ordered == NOISE).all():
        radius = (
            f" with eps {settings['eps']:.4g}: pass a larger --eps"
            if settings
            else ", as no part is denser than the rest"
        )
        raise UserError(f"{kind.title} calls all {len(vectors):,} images noise{radius}")
    if kind.takes_number and ordered.max() + 1 < clusters:
        notes.append(f"only {ordered.max() + 1} of {clusters} clusters have images")
    return Clustering(ordered, kind.random or not whole, tuple(notes), settings)


def check_vectors(vectors: Floats) -> None:
    """Raise a UserError where vectors have no distances to cluster by: not finite, or all the same."""
    if not np.isfinite(vectors).all():
        raise UserError("the vectors hold numbers that are not finite, so there are no distances to cluster by")
    if (vectors == vectors[0]).all():
        raise UserError(f"all {len(vectors):,} images have the same vector, so there is nothing to cluster")


def check_number(clusters: int, images: int) -> None:
    """Raise a UserError unless so many images can have so many clusters."""
    if not 2 <= clusters <= images:
        raise UserError(
            f"there must be at least 2 clusters and no more than the {images:,} images, got {clusters}; "
            "choose another --clusters, or more images"
        )


def by_size(clusters: NDArray[np.integer[Any]]) -> Labels:
    """The same clusters, numbered from the largest; noise stays."""
    names, sizes = np.unique(clusters[clusters != NOISE], return_counts=True)
    rank = {int(name): place for place, name in enumerate(names[np.argsort(-sizes, kind="stable")])}
    return np.array([rank.get(int(name), NOISE) for name in clusters], np.int64)


def _kmeans(vectors: Floats, clusters: int, seed: int) -> Labels:
    return np.asarray(KMeans(clusters, n_init=STARTS, random_state=seed).fit_predict(vectors))


def _minibatch(vectors: Floats, clusters: int, seed: int) -> Labels:
    # the labels come from all images, not from the last batch
    return np.asarray(MiniBatchKMeans(clusters, n_init=3, random_state=seed).fit_predict(vectors))


def _gaussian(vectors: Floats, clusters: int, seed: int) -> Labels:
    # a floor that fits the vectors' scale keeps a variance of a constant number above 0
    floor = max(1e-3 * float(vectors.var(axis=0).mean()), 1e-12)
    mixture = GaussianMixture(clusters, covariance_type="diag", reg_covar=floor, random_state=seed)
    return np.asarray(mixture.fit_predict(vectors))


def _agglomerative(vectors: Floats, clusters: int, seed: int) -> Labels:
    return np.asarray(AgglomerativeClustering(clusters).fit_predict(vectors))


def _hdbscan(vectors: Floats, clusters: int, seed: int) -> Labels:
    least = max(CORE, round(SMALLEST * len(vectors)))
    if least > len(vectors):
        raise UserError(f"HDBSCAN needs {CORE} images at least, got {len(vectors)}")
    return np.asarray(HDBSCAN(min_cluster_size=least, min_samples=CORE, copy=True).fit_predict(vectors))


def _spectral(vectors: Floats, clusters: int, seed: int) -> Labels:
    if clusters >= len(vectors):  # it needs so many eigenvectors of the graph, and cannot have all
        raise UserError(
            f"spectral clustering needs more images than clusters, got {len(vectors):,} images and {clusters:,} "
            "clusters; choose another --clusters, or more images"
        )
    neighbours = min(NEIGHBOURS, len(vectors))
    graph = SpectralClustering(clusters, affinity="nearest_neighbors", n_neighbors=neighbours, random_state=seed)
    return np.asarray(graph.fit_predict(vectors))


_FITS: dict[str, Callable[[Floats, int, int], Labels]] = {
    "kmeans": _kmeans,
    "minibatch": _minibatch,
    "gaussian": _gaussian,
    "agglomerative": _agglomerative,
    "hdbscan": _hdbscan,
    "spectral": _spectral,
}


@contextmanager
def _numerics(title: str, images: int) -> Iterator[None]:
    """Turn what a library's numerics fail with into a sentence."""
    try:
        yield
    except UserError:
        raise
    except (ValueError, TypeError, np.linalg.LinAlgError, ArpackError) as error:
        if _is_ours(error):
            raise
        reason = "".join(str(error).strip().splitlines()[:1])
        raise UserError(
            f"{title} cannot cluster these {images:,} vectors ({reason}); choose another --method"
        ) from error


def _is_ours(error: Exception) -> bool:
    """Whether an error is of this program, or of how it calls a library, and not of the vectors."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    package = frame.f_globals.get("__name__", "").partition(".")[0]
    return isinstance(error, InvalidParameterError) or package in ("pipelines", "scratchnet")


def core_distances(vectors: Floats) -> NDArray[np.float64]:
    """The distance of each image to the `CORE`-th nearest, itself counted, in rising order: (n,)."""
    nearest = NearestNeighbors(n_neighbors=min(CORE, len(vectors))).fit(vectors)
    return np.sort(np.asarray(nearest.kneighbors(vectors)[0][:, -1], np.float64))


def _dbscan(seen: Floats, all_vectors: Floats | None, eps: float | None) -> tuple[Labels, float]:
    if eps is None:
        distances = core_distances(seen)
        eps = float(distances[knee(distances)])
        if eps == 0:  # at least so many copies of one image: the next distance there is
            eps = float(distances[distances > 0].min(initial=np.inf))
        if not np.isfinite(eps):
            raise UserError(f"all images have {CORE - 1} copies, so DBSCAN finds no eps; pass --eps")
    found = DBSCAN(eps=eps, min_samples=CORE).fit(seen)
    clusters = np.asarray(found.labels_)
    core = found.core_sample_indices_
    if all_vectors is None or not len(core):
        return clusters if all_vectors is None else np.full(len(all_vectors), NOISE), eps
    distances, nearest = NearestNeighbors(n_neighbors=1).fit(seen[core]).kneighbors(all_vectors)
    return np.where(distances[:, 0] <= eps, clusters[core][nearest[:, 0]], NOISE), eps


def _by_neighbour(vectors: Floats, seen: Floats, rows: Labels, clusters: Labels) -> Labels:
    nearest = NearestNeighbors(n_neighbors=1).fit(seen).kneighbors(vectors, return_distance=False)[:, 0]
    result = np.asarray(clusters)[nearest]
    result[rows] = clusters  # of two copies in the sample, each keeps its own
    return np.asarray(result)


@contextmanager
def _collected() -> Iterator[list[str]]:
    """The first sentence of what scikit-learn warns of, each once."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        for kind in (ConvergenceWarning, UserWarning):
            warnings.simplefilter("always", kind)
        yield notes
    for warning in caught:
        sentence = str(warning.message).split(". ")[0].strip()
        if sentence not in notes and not sentence.startswith("Number of distinct clusters"):  # which is counted anyway
            notes.append(sentence)
