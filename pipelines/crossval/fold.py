"""One fold: a training like any other, and the figures of the images that were held out."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import scratchnet as sn
from pipelines.console import console, no_bars, progress, report_skipped
from pipelines.crossval.results import HELD_OUT, FoldResult, measure
from pipelines.data.opening import open_data
from pipelines.data.parts import Parts
from pipelines.data.sample import Sample, Source
from pipelines.engines import Engine
from pipelines.errors import TrainingInterruptedError, UserError
from pipelines.evaluation import predictions_of, save_predictions
from pipelines.reading import read_text
from pipelines.recipe import Recipe
from pipelines.run import Run, open_model
from pipelines.started import describe_parts
from pipelines.training import make_dataset, train
from pipelines.workers import end_with_parent, limit_threads

# within which a worker has ended whose cross-validation was killed
LEFTOVER_SECONDS = 90.0
# the random generator belongs to the whole process, so where a backend has folds share one they take turns
_turn = threading.Lock()


@dataclass(frozen=True)
class Task:
    """One fold to train and to measure; it can be sent to another process.

    Attributes:
        recipe: what to train.
        data: the name of the data.
        folder: of the fold's run.
        fold: its number, from 1.
        folds: how many there are.
        parts: what the network learns from, and what validates it.
        held_out: what measures it.
        engine: that trains and is asked.
        epochs: to train for.
        seed: as in `pipelines.training.train`.
        threads: that a worker process may use.
        main_process: id of the process that wants the result.
    """

    recipe: Recipe
    data: str
    folder: Path
    fold: int
    folds: int
    parts: Parts
    held_out: tuple[Sample, ...]
    engine: Engine
    epochs: int
    seed: int
    threads: int
    main_process: int

    @property
    def label(self) -> str:
        """What the fold is called in lines that are printed."""
        return f"fold {self.fold} of {self.folds}"


def run_fold(task: Task) -> FoldResult:
    """Train a fold's network and measure it, as far as its folder does not say that this is done.

    Raises:
        UserError: the training cannot be done; the message names the fold.
        TrainingInterruptedError: the user has stopped it.
    """
    with _turn, nullcontext() if os.getpid() == task.main_process else _worker(task):
        try:
            run = Run(task.folder)
            with run.locked(LEFTOVER_SECONDS):
                return _run(task, run)
        except TrainingInterruptedError:
            raise
        except (UserError, sn.ModelFileError) as error:
            raise UserError(f"{task.label}: {error}") from error


@contextmanager
def _worker(task: Task) -> Iterator[None]:
    end_with_parent(task.main_process)
    no_bars()
    with limit_threads(task.threads, tensorflow=task.engine == "keras"):
        yield


def _run(task: Task, run: Run) -> FoldResult:
    source = open_data(task.data, task.recipe.preprocessing, chosen=task.recipe.data.classes)
    if run.is_started and run.finished:
        _check_finished(run, task, source)
        result = FoldResult.read(task.fold, run)
        if result is not None:
            console.print(f"{task.label} was done before: {_told(result)}")
            return result
    else:
        train(
            task.recipe,
            source,
            task.data,
            task.folder,
            engine=task.engine,
            epochs=task.epochs,
            seed=task.seed,
            parts=task.parts,
            label=f"{task.label}, ",
        )
    result = _measure(run, task, source)
    console.print(f"{task.label} is done: {_told(result)}")
    return result


def _check_finished(run: Run, task: Task, source: Source) -> None:
    split = describe_parts(task.parts._asdict(), source.class_names)
    expected = {
        "recipe": task.recipe.model_dump(mode="json"),
        "engine": task.engine,
        "data": task.data,
        "epochs": task.epochs,
        "seed": task.seed,
    }
    if run.differing(expected) or read_text(run.split_path, "surrogateescape") != split:
        raise UserError(f"{run.folder} holds a run of another kind; delete it to train this fold anew")


def _measure(run: Run, task: Task, source: Source) -> FoldResult:
    dataset = make_dataset(source, list(task.held_out), task.recipe, "held-out", False, task.seed)
    if list(task.held_out) != task.parts.validation:  # else the training has named the broken ones
        report_skipped(source, [dataset])
    with progress("measuring the held-out images") as advance:
        predictions = predictions_of(open_model(run.folder), dataset, task.engine, advance)
    save_predictions(run, HELD_OUT, predictions)
    run.add_metrics(**{HELD_OUT: measure(predictions)})
    result = FoldResult.read(task.fold, run)
    assert result is not None  # it was written just now
    return result


def _told(result: FoldResult) -> str:
    return (
        f"accuracy {result.accuracy:.4f}, macro F1 {result.macro_f1:.4f}, loss {result.loss:.4f} "
        f"on {result.images:,} held-out images"
    )
