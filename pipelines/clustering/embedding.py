"""Vectors brought to two or three dimensions, to be looked at."""

import importlib
import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from pipelines.clustering.scores import sample_rows

Points = NDArray[np.float64]

DRAWN = 2000  # images at most; t-SNE's time grows faster than their number
PERPLEXITY = 30  # of t-SNE: about so many neighbours count
FEW = 50  # dimensions that t-SNE and UMAP start from, as t-SNE's authors do
UMAP_NEIGHBOURS = 15


def drawn_rows(count: int, seed: int) -> NDArray[np.int64]:
    """Which images are drawn: at most `DRAWN`, in an order by lot, so that no class covers another."""
    return np.random.default_rng((seed, 1)).permutation(sample_rows(count, DRAWN, seed))


def principal_components(vectors: NDArray[np.float32], dimensions: int) -> tuple[Points, tuple[float, ...]]:
    """The first principal components, and the share of the variance that each explains.

    Args:
        vectors: (n, dimension), not all the same.
        dimensions: how many; those that the vectors do not have are 0.

    Returns:
        ((n, dimensions), `dimensions` shares from 0 to 1)
    """
    count = min(dimensions, *vectors.shape)
    with threadpool_limits(1):
        fitted = PCA(count, svd_solver="full" if min(vectors.shape) < 500 else "randomized", random_state=0)
        found = fitted.fit_transform(np.asarray(vectors, np.float64))
    points = np.zeros((len(vectors), dimensions))
    points[:, :count] = found
    shares = np.nan_to_num(fitted.explained_variance_ratio_).tolist()
    return points, tuple(shares + [0.0] * (dimensions - count))


def tsne(vectors: NDArray[np.float32], seed: int) -> Points | None:
    """t-SNE in two dimensions: (n, 2); None of fewer than 5 images (van der Maaten & Hinton, 2008).

    Args:
        vectors: (n, dimension), not all the same.
        seed: the same seed, the same points.
    """
    if len(vectors) < 5:
        return None
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    start = "pca" if vectors.shape[1] > 1 else "random"  # one dimension has no plane to start from
    with threadpool_limits(1):
        found = TSNE(2, perplexity=perplexity, init=start, random_state=seed).fit_transform(_few(vectors))
    return np.asarray(found, np.float64)


def has_umap() -> bool:
    """Whether umap-learn is installed."""
    return find_spec("umap") is not None


def umap(vectors: NDArray[np.float32], seed: int) -> Points | None:
    """UMAP in two dimensions: (n, 2); None of fewer than 5 images (McInnes et al., 2018); umap-learn is needed."""
    if len(vectors) < 5:
        return None
    module: Any = importlib.import_module("umap")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a seed means one thread
        neighbours = min(UMAP_NEIGHBOURS, len(vectors) - 1)
        found = module.UMAP(n_components=2, n_neighbors=neighbours, random_state=seed).fit_transform(_few(vectors))
    return np.asarray(found, np.float64)


def _few(vectors: NDArray[np.float32]) -> Points:
    return principal_components(vectors, FEW)[0] if vectors.shape[1] > FEW else np.asarray(vectors, np.float64)
