"""A few images to show: some of each class, or files that the user names."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.console import errors
from pipelines.data.decode import decode_image
from pipelines.data.errors import DataError
from pipelines.data.preprocessing import Preprocessing
from pipelines.data.sample import Sample, Source
from pipelines.errors import UserError
from pipelines.reading import read_file
from pipelines.run import Run


class Face(NamedTuple):
    """An image as the network sees it.

    Attributes:
        name: of its file or in its data.
        image: uint8 (height, width, channels).
        label: the number of its class; None where nobody knows.
    """

    name: str
    image: NDArray[np.uint8]
    label: int | None = None


def by_turns(labels: Sequence[int], seed: int) -> list[int]:
    """All positions in an order that takes one of each class by turns, each class in an order drawn by lot."""
    order = np.random.default_rng(seed).permutation(len(labels))
    turn: dict[int, int] = {}
    keys = []
    for position in order:
        label = int(labels[position])
        turn[label] = turn.get(label, -1) + 1
        keys.append((turn[label], label, int(position)))
    return [position for _, _, position in sorted(keys)]


def faces_of_source(
    source: Source, samples: Sequence[Sample], preprocessing: Preprocessing, count: int, seed: int = 0
) -> list[Face]:
    """Images of a source, the classes by turns; another of its class takes the place of one that cannot be read.

    Raises:
        UserError: none can be read.
    """
    waiting: dict[int, deque[Sample]] = {}
    for position in by_turns([sample.label for sample in samples], seed):
        waiting.setdefault(samples[position].label, deque()).append(samples[position])
    found: list[Face] = []
    while len(found) < count and any(waiting.values()):
        for line in waiting.values():
            face = _first_readable(source, line, preprocessing) if len(found) < count else None
            if face is not None:
                found.append(face)
    if not found:
        raise UserError(f"none of the {len(samples):,} images can be read")
    return found


def _first_readable(source: Source, line: deque[Sample], preprocessing: Preprocessing) -> Face | None:
    """Take samples from a line until one can be read; the others are named."""
    while line:
        sample = line.popleft()
        try:
            return Face(sample.name, preprocessing(source.read(sample)), sample.label)
        except DataError as error:
            errors.print(f"skipped {sample.name}: {str(error).removeprefix(f'{sample.name}: ')}")
    return None


def faces_of_files(paths: Sequence[Path], preprocessing: Preprocessing) -> list[Face]:
    """Image files of any format, size and colour; those that cannot be read are named and left out.

    Raises:
        UserError: none can be read.
    """
    found: list[Face] = []
    for path in paths:
        try:
            found.append(Face(str(path), preprocessing(decode_image(read_file(path), str(path)))))
        except OSError as error:
            errors.print(f"skipped {path}: {error.strerror or error}")
        except DataError as error:
            errors.print(f"skipped {path}: {str(error).removeprefix(f'{path}: ')}")
    if not found:
        raise UserError("none of the image files can be read; name others")
    return found


def unseen_samples(source: Source, run: Run | None) -> list[Sample]:
    """The samples to show: validation images if there are any, so that test images are left alone.

    Args:
        source: of the data.
        run: that was made with these data; None for other data.

    Raises:
        UserError: there are none but test images.
    """
    if run is not None:
        for part in ("validation", "train"):
            recorded = run.part_of(part)
            samples = [sample for sample in source.samples if sample.name in recorded]
            if samples:
                return samples
    for split in ("validation", "all", "train"):
        samples = [sample for sample in source.samples if sample.split == split]
        if samples:
            return samples
    raise UserError("the data have test images only, which are left alone; name the image files to explain instead")
