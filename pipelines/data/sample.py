"""What a source of labelled images offers, wherever the images come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

# The order in which samples are listed; "all" is for layouts that do not divide their samples.
SPLITS = ("train", "validation", "test", "all")


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled image, not yet read.

    Args:
        name: Unique within its source, and what a user would look for: `train/happy/17.jpg`, `fer2013.csv:17`.
        label: Index into the source's `class_names`.
        split: `train`, `validation` or `test`; `all` where the layout has no splits.
        group: Samples with the same number belong together, such as frames of one scene, and are held back together;
            None where nothing is known of it.
        augmented: Whether it was made out of another image of its group, for training alone.
    """

    name: str
    label: int
    split: str
    group: int | None = None
    augmented: bool = False


class LeftOut(NamedTuple):
    """Things of one kind that are no samples.

    Attributes:
        number: How many.
        kind: What they are: `images beside the class folders`.
    """

    number: int
    kind: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.number:,}"


class Source(Protocol):
    """Labelled images that can be listed at once and read one by one, from several threads at a time."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in label order."""

    @property
    def samples(self) -> Sequence[Sample]:
        """Every sample, in an order that does not depend on the file system."""

    @property
    def skipped(self) -> Sequence[tuple[str, str]]:
        """(name, reason) of entries that could not be listed as samples, because not even their label is known."""

    @property
    def left_out(self) -> Sequence[LeftOut]:
        """What else is there and is no sample, by kind and number; hidden files are not told."""

    def read(self, sample: Sample) -> NDArray[np.uint8]:
        """Decode one image: uint8, (height, width) grey or (height, width, 3) RGB; `DataError` if it is broken."""
