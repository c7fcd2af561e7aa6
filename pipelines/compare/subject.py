"""What is compared: a model from a run or a file, and batches for it."""

from pathlib import Path
from typing import Any

import numpy as np

import scratchnet as sn
from pipelines.compare.training import Batch
from pipelines.console import progress, report_data, report_skipped
from pipelines.data.dataset import Dataset
from pipelines.data.drawn import DrawnFaces
from pipelines.data.errors import DataError
from pipelines.data.opening import open_data
from pipelines.data.preprocessing import Preprocessing
from pipelines.data.sample import Source
from pipelines.errors import UserError
from pipelines.run import Run, open_model
from scratchnet.arrays import AnyArray, Shape

MOST_IMAGES = 512  # more would only take longer: the steps go through them again
BATCH = 32  # where no recipe says it
ANY_SIZE = 32  # pixels of a side where the model takes any


class Subject:
    """A model and the batches to compare it on.

    Args:
        path: a run's folder or a model file.
        data: as `open_data` takes it; None for drawn faces where they fit, otherwise for random numbers.
        seed: of drawn faces, random numbers and the choice of images.

    Attributes:
        model: ready to be compared.
        batches: inputs and targets, all of one size.
        data: what the images are, in words.

    Raises:
        UserError: there is no model at the path, or the data do not fit it.
    """

    def __init__(self, path: Path, data: str | None, seed: int) -> None:
        self._path = path
        self.model = open_model(path)
        if not self.model.built:
            raise UserError(f"{path} holds a model without weights; train it, or build it before saving")
        self._size = _batch_size(path)
        self._rng = np.random.default_rng(seed)
        found = self._images(data, seed)
        if found is None:
            self.data = "random numbers"
            x = [self._rng.standard_normal((4 * self._size, *shape)) for shape in self._input_shapes()]
            labels = None
        else:
            x, labels = found
        self.batches = self._divide([np.asarray(array, self.model.dtype) for array in x], labels)

    def _input_shapes(self) -> list[Shape]:
        return [tuple(ANY_SIZE if size is None else size for size in t.shape[1:]) for t in self.model.inputs]

    def _takes(self, wanted: Shape) -> bool:
        """Whether the model has one input, and that takes samples of this shape."""
        shapes = [tensor.shape[1:] for tensor in self.model.inputs]
        return (
            len(shapes) == 1
            and len(shapes[0]) == len(wanted)
            and all(size in {None, own} for size, own in zip(shapes[0], wanted, strict=True))
        )

    def _images(self, data: str | None, seed: int) -> tuple[list[AnyArray], AnyArray] | None:
        """Inputs and labels of images; None for random numbers."""
        if data is None:
            return self._drawn_faces(seed)
        if not self.model.preprocessing:
            raise UserError(
                f"{self._path} does not say its preprocessing, so images cannot be prepared; leave out --data"
            )
        preprocessing = Preprocessing.from_config(self.model.preprocessing)
        source = open_data(data, preprocessing, self.model.class_names)
        self.data = data
        return self._read(source, preprocessing)

    def _drawn_faces(self, seed: int) -> tuple[list[AnyArray], AnyArray] | None:
        shapes = self._input_shapes()
        if len(shapes) > 1 or len(shapes[0]) != 3 or shapes[0][2] not in {1, 3}:
            return None
        height, width, channels = shapes[0]
        try:
            preprocessing = Preprocessing.from_config(
                self.model.preprocessing or {"height": height, "width": width, "channels": channels}
            )
            names = self.model.class_names
            source = DrawnFaces(
                MOST_IMAGES, size=(height, width), colour=channels == 3, seed=seed, test_fraction=0, class_names=names
            )
        except DataError:  # too small, or the model has other classes
            return None
        self.data = "drawn faces"
        return self._read(source, preprocessing)

    def _read(self, source: Source, preprocessing: Preprocessing) -> tuple[list[AnyArray], AnyArray]:
        wanted = (preprocessing.height, preprocessing.width, preprocessing.channels)
        if not self._takes(wanted):
            raise UserError(
                f"{self._path} takes inputs of shape {self.model.input_shape}, its preprocessing makes {wanted}"
            )
        samples = source.samples
        report_data(self.data, source, {"all": min(len(samples), MOST_IMAGES)})
        chosen = sorted(self._rng.permutation(len(samples))[:MOST_IMAGES])
        with progress("reading images") as advance:
            dataset = Dataset(
                source, [samples[number] for number in chosen], preprocessing,
                batch_size=self._size, shuffle=True, seed=0, progress=advance,
            )  # fmt: skip
        report_skipped(source, [dataset])
        x, y = zip(*dataset, strict=True)
        return [np.concatenate(x)], np.concatenate(y)

    def _divide(self, x: list[AnyArray], labels: AnyArray | None) -> list[Batch]:
        """Batches of one size, and targets such as the model's loss takes."""
        count = len(x[0])
        size = min(self._size, count)
        y = self._targets([array.shape for array in x], labels)
        return [
            ([array[start : start + size] for array in x], y[start : start + size])
            for start in range(0, count - size + 1, size)
        ]

    def _targets(self, shapes: list[Shape], labels: AnyArray | None) -> AnyArray:
        output: Any = self.model.compute_output_shape(shapes if len(shapes) > 1 else shapes[0])
        if isinstance(output, list):
            return np.zeros(shapes[0][0])  # nobody looks at them
        classes = max(int(output[-1]), 2)
        if labels is None or labels.max() >= classes or len(output) != 2:
            labels = self._rng.integers(0, classes, output[:-1])
        if self.model.compiled and isinstance(self.model.loss, sn.losses.SparseCategoricalCrossentropy):
            return labels
        one_hot = np.eye(classes, dtype=self.model.dtype)[labels]
        return one_hot if output[-1] > 1 else one_hot[..., 1:]


def _batch_size(path: Path) -> int:
    return Run(path).recipe.training.batch_size if path.is_dir() else BATCH
