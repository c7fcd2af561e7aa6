"""Vectors by filters that nobody has trained."""

import io
from collections.abc import Iterable
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.data.preprocessing import Preprocessing
from pipelines.engines import Engine
from pipelines.errors import UserError
from pipelines.features.vectors import FloatBatch
from pipelines.reading import read_file

_EXPECTED = "expected an .npy file of shape (3, 3, depth, filters)"


class FilterMaker:
    """Convolutions with fixed or random filters, then a random orthogonal projection; see `scratchnet.features`.

    Args:
        kind: `fixed` or `random`.
        preprocessing: of the images.
        normalize: divide each vector by its length.
        seed: of random filters and of the projection.
        engine: what computes: ours, or Keras on the twin.
        filters: an .npy file with filters to take instead of the fixed ones.

    Raises:
        UserError: the images are too small for the filters, or the file's filters cannot be used.
    """

    def __init__(
        self,
        kind: str,
        preprocessing: Preprocessing,
        *,
        normalize: bool = False,
        seed: int = 0,
        engine: Engine = "scratch",
        filters: Path | None = None,
    ) -> None:
        from scratchnet.features import FeatureExtractor  # needs scikit-learn

        shape = (preprocessing.height, preprocessing.width, preprocessing.channels)
        chosen: Any = kind if filters is None else _read_filters(filters)
        self.name = f"{kind} filters" if filters is None else f"filters of {filters}"
        self.preprocessing = preprocessing
        self.extractor = FeatureExtractor(input_shape=shape, filters=chosen, normalize=normalize, seed=seed)
        try:
            self.extractor.fit()
        except ValueError as error:
            raise UserError(f"{self.name} cannot be used on images of {shape}: {error}") from error
        self.dimension = len(self.extractor.get_feature_names_out())
        self._twin: Any = None
        if engine == "keras":
            from pipelines.twin import to_keras

            self._twin = to_keras(self.extractor.model_)
            self.name += " (Keras)"

    def fit(self, batches: Iterable[FloatBatch]) -> None:
        """There is nothing to learn; the batches are left unread."""

    def __call__(self, images: FloatBatch) -> FloatBatch:
        """Float32 (n, dimension); see `VectorMaker`."""
        made = self.extractor.transform(images) if self._twin is None else self._twin.predict_on_batch(images)
        return np.asarray(made, np.float32)

    def first_filters(self) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        """The names of the first convolution's filters, and their kernels (3, 3, channels, filters)."""
        from scratchnet.features.filters import filter_bank, stage_kernels

        extractor, channels = self.extractor, self.preprocessing.channels
        kernels = np.asarray(stage_kernels(extractor.filters, channels, 1, extractor.seed)[0], np.float32)
        if isinstance(extractor.filters, str) and extractor.filters == "fixed":
            return filter_bank(channels).names, kernels
        return tuple(f"filter {number}" for number in range(1, kernels.shape[3] + 1)), kernels


def _read_filters(path: Path) -> NDArray[Any]:
    # of any numbers and any shape, which the extractor checks
    try:
        found: NDArray[Any] = np.lib.format.read_array(io.BytesIO(read_file(path)), allow_pickle=False)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, OverflowError, MemoryError, SyntaxError, TokenError) as error:  # of its header, which is Python
        raise UserError(f"{path} holds no filters; {_EXPECTED}") from error
    return found
