"""What a comparison of vectors found, as a file holds it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import UserError
from pipelines.features.comparison import Row
from pipelines.files import write_json
from pipelines.reading import read_text

JSON_NAME, FIGURE_NAME = "features.json", "features.png"


def is_command(value: object) -> bool:
    """Whether something that a file held is a list of words."""
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


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
    classes: int
    images: Mapping[str, int]
    majority: str
    majority_share: float
    rows: Sequence[Row]
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
        try:
            content: dict[str, Any] = json.loads(read_text(path, "surrogateescape"))
            found = cls(**{**content, "rows": [Row.from_json(row) for row in content["rows"]]})
            if not found.rows or not is_command(found.command):
                raise ValueError("there is nothing to show")
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} is damaged; run scratchnet compare-features again") from error
        return found
