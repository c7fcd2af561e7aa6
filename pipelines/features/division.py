"""Which images vectors are compared on: those to learn from, those to choose settings by, and those to measure on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.console import progress, report_skipped
from pipelines.data.dataset import Dataset
from pipelines.data.parts import divide, hold_back, limit_samples
from pipelines.data.preprocessing import Preprocessing
from pipelines.data.sample import Sample, Source
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
        of_run: whether these are the parts of a run's training.
    """

    training: Sequence[Sample]
    choosing: Sequence[Sample]
    evaluated: Sequence[Sample]
    whole_training: int
    of_run: bool


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
    if split == "validation" or not choosing:
        training, choosing = hold_back(training, VALIDATION_SHARE, seed)
    return Division(
        limit_samples(training, most, seed),
        limit_samples(choosing, max(1, round(CHOOSING * most)), seed),
        evaluated if limit is None else limit_samples(evaluated, limit, seed),
        len(parts["train"]),
        run is not None,
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
        self.skipped: tuple[tuple[str, str], ...] = ()
        self._places = {sample.name: place for place, sample in enumerate(self.samples)}

    def read(self, sample: Sample) -> NDArray[np.uint8]:
        """The image: uint8 (height, width, channels)."""
        return self._dataset.image(self._places[sample.name])
