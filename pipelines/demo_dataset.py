"""The demo's last part: a film becomes a dataset that is labelled, divided, described and checked."""

import csv
import io
import shutil
from pathlib import Path

from pipelines.commands import dataset_audit, dataset_label, dataset_version
from pipelines.commands.dataset_extract import print_extraction
from pipelines.console import console
from pipelines.curation.emotions import SEVEN
from pipelines.curation.labels_csv import HEADER
from pipelines.curation.manifest import Manifest, Row
from pipelines.data.class_names import match_class
from pipelines.files import write_text
from pipelines.movies.drawn_film import DrawnFilm
from pipelines.movies.extract import extract


def make_demo_dataset(folder: Path, seed: int) -> None:
    """Do with a drawn film what `scratchnet dataset` does with real ones.

    Args:
        folder: For the dataset `faces`, `labels.csv`, and the figures in `audit` and `show`.
        seed: Of the film.
    """
    dataset, labels = folder / "faces", folder / "labels.csv"
    shutil.rmtree(dataset, ignore_errors=True)
    film = DrawnFilm(seed=seed)
    print_extraction(extract([str(film)], dataset), dataset)
    rows = Manifest.read(dataset).rows
    if not rows:
        return
    console.print("The program knows what it drew; so a csv gives the labels, where people would use the label page.")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([HEADER, *([row.file, _expression(film, row)] for row in rows)])
    write_text(labels, text.getvalue())
    dataset_label.label(dataset, labels=labels, classes="7", labeller="drawn film")
    dataset_version.split([str(dataset)])
    dataset_audit.audit(str(dataset), out=folder / "audit")
    dataset_version.card(dataset, name="Faces of a drawn film", rights="drawn by the program, free to use")
    dataset_version.verify(dataset)
    dataset_audit.show(str(dataset), out=folder / "show")


def _expression(film: DrawnFilm, row: Row) -> str:
    # that of the drawn face which is nearest to where the face was found
    middle = (row.face_x or 0) + (row.face_width or 0) / 2
    _, name = min(film.expressions(row.frame or 0), key=lambda shown: abs(shown[0] - middle))
    return match_class(name, SEVEN) or name
