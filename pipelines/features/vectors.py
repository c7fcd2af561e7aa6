"""From images to vectors: what makes them, and how they are made of the images of a source."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipelines.console import progress, report_skipped
from pipelines.data.dataset import Dataset
from pipelines.data.preprocessing import Preprocessing
from pipelines.data.sample import Sample, Source
from pipelines.engines import Engine
from pipelines.errors import UserError

FloatBatch = NDArray[np.float32]
Size = tuple[int, int, int]

# what is no path; a folder of this name is meant by ./fixed
EXTRACTORS = ("fixed", "random", "pixels", "hog")
# (height, width, channels) of the images where neither the user nor a model says it: those of FER-2013
SIZE: Size = (48, 48, 1)


class VectorMaker(Protocol):
    """What makes a vector of an image."""

    @property
    def name(self) -> str:
        """For tables: `pixels`, or `runs/fer-small (dense)`."""

    @property
    def preprocessing(self) -> Preprocessing:
        """How it wants images."""

    @property
    def dimension(self) -> int:
        """Numbers in a vector; known after `fit`."""

    def fit(self, batches: Iterable[FloatBatch]) -> None:
        """Learn from training images; most makers have nothing to learn and leave the batches unread.

        Args:
            batches: float32 (n, height, width, channels), preprocessed.
        """

    def __call__(self, images: FloatBatch) -> FloatBatch:
        """The vectors of some images: float32 (n, dimension).

        Args:
            images: float32 (n, height, width, channels), preprocessed.
        """


@dataclass(frozen=True)
class Vectors:
    """The vectors of some images.

    Attributes:
        array: float32 (n, dimension).
        labels: int64 (n,), the classes.
        samples: the images.
        class_names: in label order.
        contents: hashes of the images, as `Dataset.contents` has them.
        seconds_per_image: for making vectors alone, without reading files.
    """

    array: FloatBatch
    labels: NDArray[np.int64]
    samples: tuple[Sample, ...]
    class_names: tuple[str, ...]
    contents: tuple[str, ...]
    seconds_per_image: float


def open_maker(
    what: str,
    *,
    size: Size | None = None,
    layer: str | None = None,
    normalize: bool = False,
    seed: int = 0,
    engine: Engine = "scratch",
    filters: Path | None = None,
) -> VectorMaker:
    """What makes vectors, by its name.

    Args:
        what: `fixed` or `random` filters, `pixels`, `hog`; or the path of a run's folder or a model file.
        size: (height, width, channels) of the images; a model says it itself.
        layer: of a model; by default the last one before its class scores.
        normalize: divide each vector by its length.
        seed: of random filters, and of the projection of filters' results.
        engine: what computes: ours, or Keras on the twin.
        filters: an .npy file with filters to take instead of the fixed ones, (3, 3, depth, filters).

    Raises:
        UserError: there is no such thing, or an option does not fit it.
        ModelFileError: a model file cannot be used.
    """
    if what not in EXTRACTORS:
        return _open_model_maker(what, size, layer, normalize, engine, filters)
    if layer is not None:
        raise UserError(f"--layer chooses a layer of a model, and {what} is none; leave it out")
    if filters is not None and what != "fixed":
        raise UserError(f"--filters takes the place of the fixed filters; leave it out, or ask for fixed, not {what}")
    height, width, channels = size or SIZE
    preprocessing = Preprocessing(height, width, channels)
    if what in ("fixed", "random"):
        from pipelines.features.filter_vectors import FilterMaker

        return FilterMaker(what, preprocessing, normalize=normalize, seed=seed, engine=engine, filters=filters)
    if engine == "keras":
        raise UserError(f"{what} has no Keras twin; leave --engine out")
    if what == "hog":
        from pipelines.features.hog import HogMaker

        return HogMaker(preprocessing, normalize=normalize)
    return PixelMaker(preprocessing, normalize)


def _open_model_maker(
    what: str, size: Size | None, layer: str | None, normalize: bool, engine: Engine, filters: Path | None
) -> VectorMaker:
    from pipelines.features.layer_vectors import LayerMaker

    if not Path(what).exists():
        raise UserError(
            f"{what} is unknown: there is no such run or model file; the others are {', '.join(EXTRACTORS)}"
        )
    if filters is not None:
        raise UserError(f"--filters takes the place of the fixed filters, and {what} has its own; leave it out")
    maker = LayerMaker(Path(what), layer, normalize, engine)
    made = maker.preprocessing
    if size not in (None, (made.height, made.width, made.channels)):
        raise UserError(f"{what} takes images of {made.height}x{made.width}x{made.channels}; leave --size out")
    return maker


class PixelMaker:
    """The preprocessed image itself, row by row.

    Args:
        preprocessing: of the images.
        normalize: divide each vector by its length.
    """

    name = "pixels"

    def __init__(self, preprocessing: Preprocessing, normalize: bool = False) -> None:
        self.preprocessing = preprocessing
        self.dimension = preprocessing.height * preprocessing.width * preprocessing.channels
        self._normalize = normalize

    def fit(self, batches: Iterable[FloatBatch]) -> None:
        """There is nothing to learn; the batches are left unread."""

    def __call__(self, images: FloatBatch) -> FloatBatch:
        """Float32 (n, dimension); see `VectorMaker`."""
        flat = images.reshape(len(images), self.dimension)
        return unit(flat) if self._normalize else flat


def unit(vectors: FloatBatch) -> FloatBatch:
    """Vectors divided by their length; one of zeros stays.

    Args:
        vectors: float32 (n, dimension).
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)


def extract(
    maker: VectorMaker,
    source: Source,
    samples: Sequence[Sample],
    *,
    batch_size: int = 64,
) -> Vectors:
    """Make the vectors of some images, batch by batch: besides the vectors, memory holds 512 MB of images at most.

    Images that cannot be read are named and left out.

    Args:
        maker: fitted.
        source: where the images are.
        samples: which of them, in this order.
        batch_size: so many images are read ahead and computed at once.

    Raises:
        UserError: a vector is not finite; there are no samples, or none of a class can be read.
    """
    with progress("reading images") as advance:
        dataset = Dataset(source, samples, maker.preprocessing, batch_size=batch_size, progress=advance)
    report_skipped(source, [dataset])
    array: FloatBatch = np.empty((len(dataset.samples), maker.dimension), np.float32)
    per_image = _fill(array, maker, dataset) / len(dataset.samples)
    return Vectors(array, dataset.labels, dataset.samples, dataset.class_names, dataset.contents, per_image)


def _fill(array: FloatBatch, maker: VectorMaker, dataset: Dataset) -> float:
    # all vectors, one batch after the other; the seconds that making them took
    seconds, done, broken = 0.0, 0, []
    with progress(f"vectors by {maker.name}") as advance:
        for images, _ in dataset:
            if not done:
                maker(images)  # what is compiled or traced at the first call is not timed
            started = time.perf_counter()
            vectors = maker(images)
            seconds += time.perf_counter() - started
            array[done : done + len(images)] = vectors
            broken += (done + np.flatnonzero(~np.isfinite(vectors).all(axis=1))).tolist()
            done += len(images)
            advance(done, len(array))
    if broken:
        raise UserError(
            f"{maker.name} makes numbers that are not finite of {dataset.samples[broken[0]].name}, and of "
            f"{len(broken):,} of {len(array):,} images in all; {_remedy(maker)}"
        )
    return seconds


def _remedy(maker: VectorMaker) -> str:
    from pipelines.features.filter_vectors import FilterMaker
    from pipelines.features.layer_vectors import LayerMaker

    if isinstance(maker, LayerMaker):
        return "a model whose training diverged must be trained again"
    if isinstance(maker, FilterMaker):
        return "the filters' numbers are too large for float32, divide them by their largest one"
    return "choose another extractor"
