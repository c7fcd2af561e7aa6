"""FeatureExtractor: vectors of images from filters that nobody has trained."""

import math
from collections.abc import Iterable, Iterator
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from scratchnet.arrays import AnyArray, FloatArray, Shape
from scratchnet.features.filters import stage_kernels
from scratchnet.features.images import as_rows, checked_shape
from scratchnet.features.network import POOLS, STAGES, Extraction, maps_network, pool_sizes, whole_network
from scratchnet.features.principal import PrincipalComponents
from scratchnet.features.projection import orthogonal_matrix
from scratchnet.models import Model
from scratchnet.random import random_scope

PROJECTIONS = ("orthogonal", "pca", None)
PROJECTION_STREAM = STAGES  # random numbers of the projection are apart from those of the filters


class FeatureExtractor(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Three stages of convolution with 3x3x3 filters, ReLU and pooling; flattened, and projected to a short vector.

    A scikit-learn transformer. Nothing is trained: filters are fixed (see `filter_bank`), random, or the caller's own;
    each of the later stages' filters looks at three neighbouring maps of the stage below. The projection is a random
    orthogonal matrix, or principal components that `fit` takes from images. The same seed gives the same bits, for any
    number of threads, as long as the batches are of one size.

    Args:
        input_shape: (height, width, channels) of the images; None takes it from the images that `fit` gets. Flat rows
            then count as images of one column and one channel.
        filters: "fixed", "random" (Gaussian, as many, of the same norms), an array (3, 3, depth, filters) for all
            stages, or a list of three arrays. See `filters.over_maps` for what a filter looks at.
        pool: "max" or "average".
        pool_size: the windows of the three stages, each an int or (rows, columns); None chooses them by the size of
            the images, see `network.pool_sizes`.
        projection: "orthogonal", "pca", or None for the flattened maps themselves.
        dimension: of the vectors, where there is a projection.
        normalize: whether vectors get the Euclidean length 1.
        seed: of random filters and the random projection, an int that is not negative.
        batch_size: so many images are computed at once.

    Attributes:
        model_: the same computation as a `scratchnet.Model`.
        input_shape_: of the images.
        n_features_in_: numbers per image.

    >>> images = np.random.default_rng(0).random((10, 48, 48, 1))
    >>> FeatureExtractor(seed=1).fit_transform(images).shape
    (10, 128)
    """

    def __init__(
        self,
        input_shape: Any = None,
        filters: Any = "fixed",
        pool: str = "max",
        pool_size: Any = None,
        projection: str | None = "orthogonal",
        dimension: int = 128,
        normalize: bool = False,
        seed: int = 0,
        batch_size: int = 64,
    ) -> None:
        self.input_shape = input_shape
        self.filters = filters
        self.pool = pool
        self.pool_size = pool_size
        self.projection = projection
        self.dimension = dimension
        self.normalize = normalize
        self.seed = seed
        self.batch_size = batch_size

    def fit(self, X: Any = None, y: Any = None) -> Self:  # noqa: N803  # scikit-learn's name
        """Build the network, and take the principal components from images where these are wanted.

        Args:
            X: images (n, height, width, channels) or flat rows; bytes count from 0 to 1. May be None where
                `input_shape` is given and the projection is not learned.
            y: ignored.

        Raises:
            ValueError: a parameter is wrong, or the images do not fit it.
        """
        self._check_parameters()
        shape = None if self.input_shape is None else checked_shape(self.input_shape, "input_shape")
        if X is None:
            if shape is None or self.projection == "pca":
                raise ValueError("fit needs images: input_shape is not given, or the projection is learned from them")
            self.n_features_in_ = math.prod(shape)
            return self._build(shape, ())
        rows, found, _ = as_rows(self, X, shape, reset=True)
        shape = shape or found or (rows.shape[1], 1, 1)
        return self._build(shape, self._cut(rows))

    def fit_batches(self, batches: Iterable[AnyArray]) -> Self:
        """`fit` for more images than memory holds.

        Args:
            batches: arrays (n, height, width, channels), read once; only the first where nothing is learned.

        Raises:
            ValueError: a parameter is wrong, there are no images, or they do not fit.
        """
        self._check_parameters()
        stream = iter(batches)
        first = next(stream, None)
        if first is None:
            raise ValueError("fit_batches needs at least one batch of images")
        shape = first.shape[1:] if self.input_shape is None else self.input_shape
        shape = checked_shape(shape, "input_shape")
        self.n_features_in_ = math.prod(shape)

        def all_batches() -> Iterator[AnyArray]:
            yield first
            yield from stream

        return self._build(shape, all_batches())

    def transform(self, X: Any) -> FloatArray:  # noqa: N803  # scikit-learn's name
        """The vectors of images, float32 (n, dimension).

        Args:
            X: as in `fit`.

        Raises:
            NotFittedError: `fit` was not called.
            ValueError: the images are not of the shape that `fit` got, or hold no finite numbers.
        """
        check_is_fitted(self)
        rows, _, _ = as_rows(self, X, self.input_shape_, reset=False)
        return np.concatenate(list(self.transform_batches(self._cut(rows))))

    def transform_batches(self, batches: Iterable[AnyArray]) -> Iterator[FloatArray]:
        """The vectors of a stream of images, batch by batch.

        Args:
            batches: arrays (n, height, width, channels), of any n; whether their numbers are finite is not checked.

        Yields:
            float32 (n, dimension) for each batch.

        Raises:
            NotFittedError: `fit` was not called.
            ValueError: the images are not of the shape that `fit` got.
        """
        check_is_fitted(self)
        for batch in batches:
            images = np.asarray(batch)
            if len(images):
                yield self._extraction(images, self.input_shape_, self.batch_size)
            else:
                yield np.empty((0, self._n_features_out), np.float32)

    def _cut(self, rows: AnyArray) -> Iterator[AnyArray]:
        for start in range(0, len(rows), self.batch_size):
            yield rows[start : start + self.batch_size]

    def _check_parameters(self) -> None:
        if not isinstance(self.pool, str) or self.pool not in POOLS:
            raise ValueError(f"pool must be {' or '.join(POOLS)}, got {self.pool!r}")
        if not isinstance(self.projection, str | None) or self.projection not in PROJECTIONS:
            raise ValueError(f'projection must be "orthogonal", "pca" or None, got {self.projection!r}')
        for name, least in (("dimension", 1), ("batch_size", 1), ("seed", 0)):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name} must be an int of at least {least}, got {value!r}")

    def _pools(self, shape: Shape) -> list[tuple[int, int]]:
        if self.pool_size is None:
            return pool_sizes(shape)
        given = self.pool_size
        windows = [_window(window) for window in given] if isinstance(given, list | tuple) else []
        if len(windows) != STAGES or not all(
            len(window) == 2 and all(isinstance(side, int | np.integer) and side >= 1 for side in window)
            for window in windows
        ):
            raise ValueError(f"pool_size must hold {STAGES} windows, each a positive int or two of them, got {given!r}")
        for axis, name in enumerate(("height", "width")):
            if shape[axis] < math.prod(window[axis] for window in windows):
                raise ValueError(f"pool_size {given!r} leaves nothing of images of {name} {shape[axis]}")
        return [(int(rows), int(columns)) for rows, columns in windows]

    @random_scope()  # layers draw weights before they get theirs
    def _build(self, shape: Shape, batches: Iterable[AnyArray]) -> Self:
        kernels = stage_kernels(self.filters, shape[2], STAGES, int(self.seed))
        pools = self._pools(shape)
        maps = maps_network(shape, kernels, self.pool, pools)
        size = maps.output_shape[1]
        projection: tuple[FloatArray, FloatArray | None] | None = None
        if self.projection == "orthogonal":
            generator = np.random.default_rng([int(self.seed), PROJECTION_STREAM])
            projection = orthogonal_matrix(size, int(self.dimension), generator), None
        elif self.projection == "pca":
            components = PrincipalComponents(size, int(self.dimension))
            flat = Extraction(maps, kernels, self.pool, pools)
            for batch in batches:
                if len(batch):
                    components.take(flat(np.asarray(batch), shape, self.batch_size))
            projection = components.matrix_and_offset()
        self.input_shape_ = shape
        self.model_: Model = whole_network(maps, projection, bool(self.normalize))
        self._extraction = Extraction(self.model_, kernels, self.pool, pools)
        self._n_features_out = self.model_.output_shape[1]
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # vectors are float32
        return tags


def _window(given: Any) -> tuple[Any, ...]:
    return tuple(given) if isinstance(given, list | tuple) else (given, given)
