"""What `scratchnet predict` does: list, ask, draw, and tell."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import scratchnet as sn
from pipelines.predicting.annotate import annotate
from pipelines.predicting.copies import Copies
from pipelines.predicting.faces import FaceFinder
from pipelines.predicting.inputs import Listing
from pipelines.predicting.prediction import Prediction
from pipelines.predicting.stream import Answer, predict_pictures
from pipelines.predicting.telling import Tell, csv_file, json_file


@dataclass
class Summary:
    """What came out.

    Attributes:
        predictions: All of them where they are to be printed, otherwise none.
        failed: (image, reason) of each that could not be read.
        classes: How often each class was given to an image or a face.
        images: How many were read.
        faceless: How many of these had no face.
    """

    predictions: list[Prediction] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    classes: Counter[str] = field(default_factory=Counter)
    images: int = 0
    faceless: int = 0

    def add(self, prediction: Prediction) -> None:
        """Count one more."""
        if prediction.error is not None:
            self.failed.append((prediction.image, prediction.error))
            return
        self.images += 1
        if prediction.best is not None:
            self.classes[prediction.best] += 1
        if prediction.faces is not None:
            self.classes.update(said.best for said in prediction.faces)
            self.faceless += not prediction.faces


def predict_all(
    model: sn.Model,
    listing: Listing,
    finder: FaceFinder | None,
    *,
    copies: Copies | None = None,
    csv: Path | None = None,
    json: Path | None = None,
    keep: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Ask a model about all pictures; memory does not grow with their number unless predictions are kept.

    Args:
        model: With `class_names` and `preprocessing`.
        listing: What to ask about.
        finder: Looks for faces; without it, the whole image is the face.
        copies: Where annotated copies go, if they are wanted.
        csv: A csv to write.
        json: A JSON file to write.
        keep: Whether the summary has all predictions.
        progress: Called with (done, total) pictures.

    Raises:
        OSError: A file cannot be written; the csv and JSON files are then as they were.
    """
    names: Sequence[str] = tuple(model.class_names or ())
    summary = Summary()
    with ExitStack() as files:
        tellers: list[Tell] = [summary.add]
        if csv is not None:
            tellers.append(files.enter_context(csv_file(csv, names)))
        if json is not None:
            tellers.append(files.enter_context(json_file(json)))
        if keep:
            tellers.append(summary.predictions.append)
        pictures, drawing = listing.pictures, copies is not None
        for answer in predict_pictures(model, pictures, finder, keep_pixels=drawing, progress=progress):
            if copies is not None:
                _draw(answer, copies, names)
            for tell in tellers:
                tell(answer.prediction)
    return summary


def _draw(answer: Answer, copies: Copies, class_names: Sequence[str]) -> None:
    if answer.pixels is not None:
        copies.write(answer.picture.place, annotate(answer.pixels, answer.prediction, class_names))
