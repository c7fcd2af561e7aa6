"""What a comparison of vectors found, as a file holds it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipelines.features.comparison import CLUSTER_SCORES, Row
from pipelines.files import write_json
from pipelines.parsing import checked, damaged, read_json

JSON_NAME, FIGURE_NAME = "features.json", "features.png"
IMAGES = {"training", "choosing", "evaluated", "whole_training"}


@dataclass(frozen=True)
class Comparison:
    """Everything that `features.json` holds.

    Attributes:
        data: the name of the images' source, which means the same anywhere.
        split: what was evaluated.
        model: the run's folder or model file; None where nothing trained was compared.
        of_run: whether the images were divided as for the model's training; if not, it may have been trained on any.
        size: (height, width, channels) of the images.
        seed: the first.
        classes: how many there are.
        images: how many are in `training`, `choosing` and `evaluated`, and in `whole_training`, of which the training
            images may be a sample.
        majority: the training images' most frequent class.
        majority_share: of the evaluated images.
        rows: one for each way to make vectors.
        command: the words after `scratchnet` that make it again.
        held_back: whether the images to choose by are training images that classifiers did not learn from.
        trained_on: how many of the evaluated images the model was trained on; None where that is not known.
    """

    data: str
    split: str
    model: str | None
    of_run: bool
    size: tuple[int, int, int]
    seed: int
    classes: Annotated[int, Field(ge=1)]
    images: Mapping[str, int]
    majority: str
    majority_share: float
    rows: Annotated[Sequence[Row], Field(min_length=1)]
    command: Sequence[str]
    held_back: bool = False
    trained_on: int | None = None

    @property
    def chance(self) -> float:
        """The accuracy of a class drawn by lot."""
        return 1 / self.classes

    def write(self, folder: Path) -> None:
        """Write `features.json`, whole or not at all."""
        write_json(folder / JSON_NAME, {**vars(self), "rows": [row.to_json() for row in self.rows]})

    @classmethod
    def read(cls, folder: Path) -> "Comparison | None":
        """What `write` has written to a folder; None if there is no such file.

        Raises:
            UserError: the file is damaged.
        """
        path = folder / JSON_NAME
        if not path.exists():
            return None
        remedy = "run scratchnet compare-features again"
        found = checked(read_json(path, remedy), cls, path, remedy)
        scored = [row for row in found.rows if row.unclustered is None]
        if not found.images.keys() >= IMAGES or any(
            not figures.keys() >= CLUSTER_SCORES.keys() for row in scored for figures in (row.clusters, row.random)
        ):
            raise damaged(path, "it lacks figures", remedy)
        return found
