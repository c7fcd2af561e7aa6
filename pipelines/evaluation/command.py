"""What `scratchnet evaluate` does."""

import json
import re
import zlib
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from pipelines.console import console, errors, progress, report_data, report_skipped
from pipelines.data.dataset import Dataset
from pipelines.data.opening import open_data, resolve_name
from pipelines.data.preprocessing import Preprocessing
from pipelines.errors import UserError
from pipelines.evaluation.copies import find_copies, judge_copies
from pipelines.evaluation.predictions import predictions_of
from pipelines.evaluation.printing import print_evaluation
from pipelines.evaluation.published import published_figures
from pipelines.evaluation.result import evaluate_probabilities
from pipelines.evaluation.saving import save_evaluation
from pipelines.evaluation.selection import Recorded, choose_samples, recorded_part
from pipelines.features.division import run_of
from pipelines.lock import folder_lock
from pipelines.run import Run, load_run_model


@dataclass(frozen=True)
class _Subject:
    """What is asked about what.

    Attributes:
        dataset: the images.
        data: the name of the source, which means the same anywhere.
        part: `test`, for example.
        trained: the run, if these are the data of its training; None otherwise.
        recorded: what it recorded of the part; None for other data.
    """

    dataset: Dataset
    data: str
    part: str
    trained: Run | None
    recorded: Recorded | None

    @property
    def key(self) -> str:
        """The name of the figures; other data are told apart by their path, of which the file's name is not enough."""
        if self.trained is not None:
            return self.part
        stem = re.sub(r"[^\w.-]+", "-", Path(self.data).stem)[:40]
        return f"{self.part}-{stem}-{zlib.crc32(self.data.encode(errors='surrogateescape')):08x}"


def run_evaluate(path: Path, data: str | None, split: str | None, out: Path | None, as_json: bool) -> None:
    """Evaluate, print, draw and write.

    Args:
        path: a run's folder or a model file.
        data: labelled images; the run's own by default.
        split: which part of them; by default the test, or everything if no test is set aside.
        out: folder for everything written; the run's own by default. Without it, nothing is written of a model file.
        as_json: print JSON instead of tables.

    Raises:
        UserError: the model, the data or the folder cannot be used.
    """
    run = Run(path) if path.is_dir() else None
    place = _place(run, out)
    with nullcontext() if place is None else folder_lock(place.folder):
        _evaluate(path, run, place, data, split, as_json)


def _evaluate(
    path: Path, run: Run | None, place: Run | None, data: str | None, split: str | None, as_json: bool
) -> None:
    model = load_run_model(path)
    screen = errors if as_json else console
    preprocessing = Preprocessing.from_config(model.preprocessing or {})
    subject = _subject(path, run, data, split, preprocessing, model.class_names, screen)
    with progress("asking the model") as advance:
        predictions = predictions_of(model, subject.dataset, "scratch" if run is None else run.engine, advance)
    evaluation = evaluate_probabilities(predictions)
    learnt, validated = (find_copies(subject.dataset.contents, run_of(path), part) for part in ("train", "validation"))
    copies = None if learnt is None else judge_copies(predictions, learnt)
    published = published_figures(subject.trained, subject.part) if subject.trained is not None else None
    _tell_leakage(learnt, validated)
    about = {
        "data": subject.data,
        "recorded": None if subject.recorded is None else subject.recorded.to_json(),
        "trained_on": None if learnt is None else int(learnt.sum()),
        "validated_on": None if validated is None else int(validated.sum()),
        "copies_of_training_images": None if copies is None else copies.to_json(),
    }
    if as_json:
        others = None if published is None else published.to_json()
        asked = {"model": str(path), "part": subject.part, **about, "published": others}
        print(json.dumps({**asked, **evaluation.to_json()}, indent=2, ensure_ascii=False))
    else:
        print_evaluation(evaluation, f"{path} on {data or subject.data}, {subject.part}", published)
        if copies is not None and copies.images < copies.of:
            console.print(str(copies))
    if place is not None:
        written = save_evaluation(place, subject.key, subject.dataset, predictions, evaluation, **about)
        if not as_json:
            console.print(f"everything is in {place.folder}: {', '.join(written)}")


def _place(run: Run | None, out: Path | None) -> Run | None:
    """Where files go; None for nowhere."""
    if run is not None:
        run.config()  # what is no run is left untouched
    if out is None or (run is not None and out.resolve() == run.folder.resolve()):
        return run
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; choose another --out")
    if Run(out).config_path.exists():
        raise UserError(f"{out} is another run's folder; choose another --out")
    return Run(out)


def _subject(
    path: Path,
    run: Run | None,
    data: str | None,
    split: str | None,
    preprocessing: Preprocessing,
    class_names: tuple[str, ...] | None,
    screen: Console,
) -> _Subject:
    if data is None:
        if run is None:
            raise UserError(f"{path} is a model file, which does not say its data; pass --data")
        data = str(run.config()["data"])
    source = open_data(data, preprocessing, class_names) if run is None else run.open_data(data)
    name = resolve_name(data)
    trained = run if run is not None and name == run.config()["data"] else None
    samples, part = choose_samples(source, split, trained)
    report_data(name, source, {part: len(samples)}, screen=screen)
    with progress("reading images") as advance:
        dataset = Dataset(source, samples, preprocessing, progress=advance)
    report_skipped(source, [dataset])
    return _Subject(dataset, name, part, trained, recorded_part(source, trained, part))


def _tell_leakage(learnt: NDArray[np.bool_] | None, validated: NDArray[np.bool_] | None) -> None:
    """Say what the model knew of the images, each bool (images,); None where that is not known."""
    if learnt is None or validated is None:
        errors.print(
            "leakage is unknown: nothing records which images the model was trained on, as the contents.csv of a newly "
            "trained run does"
        )
        return
    what = {"were trained on": learnt, "validated the training and may have chosen its epoch": validated}
    for words, known in what.items():
        if known.any():
            errors.print(f"leakage: {known.sum():,} of these {len(known):,} images {words}")
