"""Which images vectors are compared on: those to learn from, those to choose settings by, and those to measure on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.console import progress, report_skipped
from pipelines.data.dataset import Dataset
from pipelines.data.opening import resolve_name
from pipelines.data.parts import divide, hold_back, limit_samples
from pipelines.data.preprocessing import Preprocessing
from pipelines.data.sample import LeftOut, Sample, Source
from pipelines.errors import UserError
from pipelines.run import Run

SPLITS = ("test", "validation")
# held back where the data do not say it
VALIDATION_SHARE, TEST_SHARE = 0.15, 0.2
# images to choose by for each that is learned from
CHOOSING = 1 / 3


@dataclass(frozen=True)
class Division:
    """Three parts without a common image.

    Attributes:
        training: for what is fitted.
        choosing: for settings of what is fitted.
        evaluated: measured on once.
        whole_training: how many training images there are, of which `training` may be a sample.
        held_back: whether `choosing` are training images that were held back, for want of validation images to choose
            by.
    """

    training: Sequence[Sample]
    choosing: Sequence[Sample]
    evaluated: Sequence[Sample]
    whole_training: int
    held_back: bool

    def named(self, split: str) -> Sequence[tuple[str, Sequence[Sample]]]:
        """The three, each with what messages call its images; the last is of this split."""
        choosing = "held-back training" if self.held_back else "validation"
        return ("training", self.training), (choosing, self.choosing), (split, self.evaluated)


def run_of(model: Path) -> Run | None:
    """The run that a model is of, named by its folder or by the model's file in it; None for any other file.

    Raises:
        UserError: the folder is no run, or its configuration is damaged.
    """
    if model.is_dir():
        run = Run(model)
        run.config()
        return run
    run = Run(model.parent)
    return run if model in (run.model_path, run.keras_model_path) and run.is_started else None


def data_of(model: Path | None, data: str | None) -> tuple[str, Run | None]:
    """The name of the images, and the run that is known to have been trained on them.

    Args:
        model: a run's folder or a model file, if there is one.
        data: as `open_data` takes it; the run's own by default.

    Raises:
        UserError: nothing says which images are meant, or the run's configuration is damaged.
    """
    run = None if model is None else run_of(model)
    own = None if run is None else str(run.config()["data"])
    if data is not None:
        name = resolve_name(data)
        return name, run if name == own else None
    if own is None:
        raise UserError("pass --data; only a run knows which images it was made with")
    return own, run


def divide_images(
    source: Source, split: str, run: Run | None, *, most: int, limit: int | None = None, seed: int = 0
) -> Division:
    """Divide a source's images.

    A run's own data are divided as its training was, others as `pipelines.data.parts.divide` does it. Settings are
    chosen by validation images, or, if these are evaluated, by some of the training images.

    Args:
        source: of the images.
        split: what is evaluated, `test` or `validation`.
        run: that was trained on these data; None for other data.
        most: of the training images; a third as many choose.
        limit: of the evaluated images.
        seed: decides which images a sample has, and the parts where the data do not say them.

    Raises:
        UserError: there is no such part, or it has no images.
    """
    if split not in SPLITS:
        raise UserError(f"--split must be {' or '.join(SPLITS)}: the classifiers learn from the training images")
    if run is not None:
        names = {part: run.part_of(part) for part in ("train", *SPLITS)}
        parts = {part: [one for one in source.samples if one.name in own] for part, own in names.items()}
    else:
        train, validation, test = divide(source, VALIDATION_SHARE, TEST_SHARE, seed)
        parts = {"train": train, "validation": validation, "test": test}
    training, evaluated = parts["train"], parts[split]
    for part in ("train", split):
        if not parts[part]:
            raise UserError(f"the data have no {part} images to compare vectors on; choose others with --data")
    choosing = parts["validation"]
    held_back = split == "validation" or not choosing
    if held_back:
        training, choosing = hold_back(training, VALIDATION_SHARE, seed)
    return Division(
        limit_samples(training, most, seed),
        limit_samples(choosing, max(1, round(CHOOSING * most)), seed),
        evaluated if limit is None else limit_samples(evaluated, limit, seed),
        len(parts["train"]),
        held_back,
    )


class DecodedImages:
    """A source of images that were read once and brought to one size, for several makers of vectors.

    Images that cannot be read are named once, and are no longer among the samples.

    Args:
        source: of the images.
        samples: which of them.
        preprocessing: gives their size and colours.
        what: the images are, for the progress bar.

    Raises:
        DataError: there are no samples, or none of a class can be read.
    """

    def __init__(self, source: Source, samples: Sequence[Sample], preprocessing: Preprocessing, what: str) -> None:
        """Read all images."""
        with progress(f"reading {what} images") as advance:
            self._dataset = Dataset(source, samples, preprocessing, progress=advance)
        report_skipped(source, [self._dataset])
        self.class_names: tuple[str, ...] = self._dataset.class_names
        self.samples: tuple[Sample, ...] = self._dataset.samples
        self.contents: tuple[str, ...] = self._dataset.contents
        self.skipped: tuple[tuple[str, str], ...] = ()
        self.left_out: tuple[LeftOut, ...] = ()
        self._places = {sample.name: place for place, sample in enumerate(self.samples)}

    def read(self, sample: Sample) -> NDArray[np.uint8]:
        """The image: uint8 (height, width, channels)."""
        return self._dataset.image(self._places[sample.name])
