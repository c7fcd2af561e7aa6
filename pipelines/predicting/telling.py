"""Predictions as a table, as csv and as JSON; files grow line by line and appear whole or not at all."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.table import Table

from pipelines.console import table
from pipelines.files import whole_file
from pipelines.predicting.prediction import NO_FACE, Prediction, Probabilities, best_class

Tell = Callable[[Prediction], object]

COLUMNS = ("image", "face", "x", "y", "width", "height", "score", "class", "error")


@contextmanager
def csv_file(path: Path, class_names: Sequence[str]) -> Iterator[Tell]:
    """A csv that takes one prediction after the other.

    Its columns are `COLUMNS` and the probability of each class, under its name (with ` (class)` behind it where a
    column is called so already). There is a row for each face, numbered from 1 in its image; where faces were not
    looked for, one for each image, with `face` and the box empty. An image without a face has `face` 0, one that could
    not be read its reason in `error`.
    """
    headings = [*COLUMNS, *(f"{name} (class)" if name in COLUMNS else name for name in class_names)]
    # a file name need not be valid UTF-8, but other programs refuse a csv that is not
    with (
        whole_file(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(headings)
        yield lambda prediction: writer.writerows(
            row + [""] * (len(headings) - len(row)) for row in _csv_rows(prediction)
        )


@contextmanager
def json_file(path: Path) -> Iterator[Tell]:
    """A JSON file with a list that takes one prediction after the other."""
    # what is not valid UTF-8 in a file name becomes an escape, which JSON knows
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", errors="backslashreplace") as file:
        file.write("[")
        between = "\n"

        def tell(prediction: Prediction) -> None:
            nonlocal between
            file.write(f"{between}{json.dumps(prediction.to_json(), ensure_ascii=False)}")
            between = ",\n"

        yield tell
        file.write("\n]\n")


def as_table(predictions: Sequence[Prediction], class_names: Sequence[str]) -> Table | None:
    """A row for each image that could be read, or for each of its faces; None if there is none."""
    readable = [prediction for prediction in predictions if prediction.error is None]
    if not readable:
        return None
    looked = any(prediction.faces is not None for prediction in readable)
    rows = [row for prediction in readable for row in _table_rows(prediction, len(class_names))]
    return table("", ["image", *(["face"] if looked else []), "class", *class_names], rows)


def _table_rows(prediction: Prediction, classes: int) -> list[list[str]]:
    if prediction.faces is None:
        return [[prediction.image, *_figures(prediction.probabilities or {})]]
    if not prediction.faces:
        return [[prediction.image, NO_FACE, *[""] * (classes + 1)]]
    return [
        [prediction.image, f"{said.face.width}x{said.face.height} at {said.face.x},{said.face.y}",
         *_figures(said.probabilities)]
        for said in prediction.faces
    ]  # fmt: skip


def _figures(probabilities: Probabilities) -> list[str]:
    return [best_class(probabilities), *(f"{value:.3f}" for value in probabilities.values())]


def _csv_rows(prediction: Prediction) -> list[list[Any]]:
    if prediction.error is not None:
        return [[prediction.image, *[""] * 7, prediction.error]]
    if prediction.faces is None:
        return [[prediction.image, *[""] * 6, *_cells(prediction.probabilities or {})]]
    if not prediction.faces:
        return [[prediction.image, 0]]
    return [
        [prediction.image, number, face.x, face.y, face.width, face.height, f"{face.score:.6g}",
         *_cells(said.probabilities)]
        for number, said in enumerate(prediction.faces, 1)
        for face in [said.face]
    ]  # fmt: skip


def _cells(probabilities: Probabilities) -> list[str]:
    return [best_class(probabilities), "", *(f"{value:.9g}" for value in probabilities.values())]
