"""From a recipe and a source of images to a trained model in a run folder."""

import math
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from numba.core.event import TimingListener, register
from sklearn.utils.class_weight import compute_class_weight

import scratchnet as sn
from pipelines.console import TrainingProgress, console, errors, progress, report_data, report_skipped
from pipelines.data.dataset import Dataset
from pipelines.data.parts import Parts, divide
from pipelines.data.sample import Sample, Source
from pipelines.engines import Engine, fit
from pipelines.errors import TrainingInterruptedError, UserError
from pipelines.evaluation import evaluate_probabilities, predictions_of, save_matrix, save_predictions
from pipelines.figures.curves import save_curves
from pipelines.figures.of_run import save_training_figures
from pipelines.files import write_whole
from pipelines.recipe import Recipe
from pipelines.run import Run
from pipelines.started import describe_parts, repeating
from pipelines.twin import to_keras
from scratchnet.callbacks import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from scratchnet.random import random_scope
from scratchnet.schedules import CosineDecay

_compiling = TimingListener()
register("numba:compile", _compiling)


def compile_seconds() -> float:
    """How long this process has compiled kernels since this module was imported; what the cache had is not counted."""
    return float(_compiling.duration) if _compiling.done else 0.0


class EpochClock(Callback):
    """Adds the learning rate and the seconds of each epoch to its figures: with validation, without compiling kernels.

    Attributes:
        compile_seconds: that all epochs took besides, those before an interruption too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.compile_seconds = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._started, self._compiled = time.perf_counter(), compile_seconds()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        compiling = compile_seconds() - self._compiled
        self.compile_seconds += compiling
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.learning_rate
            logs["seconds"] = round(time.perf_counter() - self._started - compiling, 2)

    def get_state(self) -> dict[str, Any]:
        return {"compile_seconds": self.compile_seconds}

    def set_state(self, state: dict[str, Any]) -> None:
        self.compile_seconds = state.get("compile_seconds", 0.0)  # earlier versions kept nothing


def make_dataset(
    source: Source, samples: list[Sample], recipe: Recipe, what: str, training: bool, seed: int
) -> Dataset:
    """Read samples as the recipe wants them, with a progress bar.

    Raises:
        DataError: none, or none of a class, can be read.
    """
    with progress(f"reading {what} images") as advance:
        return Dataset(
            source,
            samples,
            recipe.preprocessing,
            batch_size=recipe.training.batch_size,
            shuffle=training,
            augmentation=recipe.augmentation if training else None,
            seed=seed,
            progress=advance,
        )


@random_scope()
def train(
    recipe: Recipe,
    source: Source,
    data_name: str,
    folder: Path,
    *,
    engine: Engine = "scratch",
    epochs: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    overwrite: bool = False,
    parts: Parts | None = None,
    label: str = "",
) -> Run:
    """Train a recipe and keep everything in a run folder; an interrupted training of the same kind goes on.

    The test part of the data is not touched.

    Args:
        recipe: what to train.
        source: labelled images.
        data_name: how the data are called in the configuration.
        folder: of the run.
        engine: that trains; both get the same initial weights, batches and callbacks.
        epochs: instead of the recipe's.
        limit: the largest number of training images.
        seed: decides initial weights, order, augmentation, dropout and the split.
        overwrite: whether an earlier run in the folder may be deleted.
        parts: which images are trained on and which validate; by lot if left out.
        label: stands before each line that is printed meanwhile.

    Raises:
        UserError: the data, the recipe or the folder cannot be used, or another command works in the folder.
        TrainingInterruptedError: the user has pressed Ctrl-C; the same call goes on later.
    """
    run = Run(folder)
    with run.locked():
        _train(
            recipe,
            source,
            data_name,
            run,
            engine,
            epochs or recipe.training.epochs,
            limit,
            seed,
            overwrite,
            parts,
            label,
        )
    return run


def _train(
    recipe: Recipe,
    source: Source,
    data_name: str,
    run: Run,
    engine: Engine,
    epochs: int,
    limit: int | None,
    seed: int,
    overwrite: bool,
    parts: Parts | None,
    label: str,
) -> None:
    config = {
        "recipe": recipe.model_dump(mode="json"),
        "origin": recipe.origin,
        "changes": list(recipe.changes),
        "engine": engine,
        "data": data_name,
        "classes": list(source.class_names),
        "epochs": epochs,
        "limit": limit,
        "seed": seed,
    }
    sn.set_random_seed(seed)
    model = recipe.build_model(source.class_names)
    if parts is None:
        parts = divide(source, recipe.data.validation, recipe.data.test, seed, limit)
        sizes = {"training": len(parts.train), "validation": len(parts.validation), "test": len(parts.test)}
        report_data(data_name, source, sizes, limit=limit)
    training = make_dataset(source, parts.train, recipe, "training", True, seed)
    validation = make_dataset(source, parts.validation, recipe, "validation", False, seed)
    report_skipped(source, [training, validation])
    goes_on = (
        run.start(config, describe_parts(parts._asdict(), source.class_names), overwrite) and run.backup_folder.exists()
    )
    run.record_contents({"train": _contents(training), "validation": _contents(validation)}, goes_on)
    console.print(
        f"{label}{recipe.name}: {model.count_params():,} parameters, {len(training.samples):,} training and "
        f"{len(validation.samples):,} validation images, {len(source.class_names)} classes"
        + (", trained by Keras" if engine == "keras" else "")
    )
    known = set(training.contents)
    if copies := sum(content in known for content in validation.contents):
        errors.print(
            f"{label}{copies:,} of {len(validation.samples):,} validation images are, pixel by pixel, copies of "
            "training images, so figures on them flatter the model"
        )
    save_training_figures(run.folder, training, recipe.augmentation, parts._asdict(), seed)
    if goes_on:
        console.print(f"{label}going on with the interrupted run in {run.folder}")
    bar, clock = TrainingProgress(label), EpochClock()
    weights = balanced_weights(training) if recipe.training.class_weight else None
    try:
        history = fit(engine, model, training, validation, epochs, _callbacks(recipe, epochs, run, bar, clock), weights)
    except KeyboardInterrupt:
        bar.close()
        raise TrainingInterruptedError(
            f"interrupted; {repeating(overwrite)} goes on after the last whole epoch in {run.folder}"
        ) from None
    finally:
        bar.close()
    measured = _measure(history, recipe, epochs, None if engine == "keras" else clock.compile_seconds)
    console.print(f"{label}{_told(measured)}")
    _finish(run, engine, validation, history, recipe, measured)


def _contents(dataset: Dataset) -> list[tuple[str, str]]:
    return [(sample.name, content) for sample, content in zip(dataset.samples, dataset.contents, strict=True)]


def balanced_weights(dataset: Dataset) -> dict[int, float]:
    """A weight for each class number: images / (classes * images of the class); 1 on average over the images."""
    classes = np.unique(dataset.labels)
    weights = compute_class_weight("balanced", classes=classes, y=dataset.labels)
    return dict(zip(classes.tolist(), weights.tolist(), strict=True))


def _measure(history: dict[str, list[Any]], recipe: Recipe, epochs: int, compiling: float | None) -> dict[str, Any]:
    """What a training took and what ended it; Keras does not tell how long it traces, which is in its first epoch."""
    loss, seconds, stopping = history["loss"], history["seconds"], recipe.training.early_stopping
    if not math.isfinite(loss[-1]):
        ended = f"diverged: the loss was {loss[-1]} in epoch {len(loss)}"
    elif stopping is not None and len(loss) < epochs:
        ended = f"stopped early: {stopping.monitor} did not improve for {_epochs(stopping.patience)}"
    else:
        ended = f"reached {_epochs(len(loss))}"
    return {
        "epochs": len(loss),
        "ended": ended,
        "seconds": round(sum(seconds), 2),
        "seconds_per_epoch": float(np.median(seconds)),
        "first_epoch_seconds": seconds[0],
        "compile_seconds": None if compiling is None else round(compiling, 2),
    }


def _epochs(number: int) -> str:
    return f"{number} epoch{'s' if number > 1 else ''}"


def _told(measured: dict[str, Any]) -> str:
    """A training's end and its times, as a line."""
    line = (
        f"{measured['ended']}; the first epoch took {measured['first_epoch_seconds']:.1f} s, the median is "
        f"{measured['seconds_per_epoch']:.1f} s"
    )
    compiling = measured["compile_seconds"]
    if compiling is None:
        return f"{line}; Keras traces its graph in the first one"
    return f"{line}; compiling kernels took {compiling:.1f} s besides" if compiling >= 0.05 else line


def _callbacks(recipe: Recipe, epochs: int, run: Run, bar: Callback, clock: Callback) -> list[Callback]:
    settings = recipe.training
    callbacks: list[Callback] = [clock]
    if settings.learning_rate_schedule:
        falling = CosineDecay(settings.optimizer.learning_rate, decay_steps=epochs)
        callbacks.append(LearningRateScheduler(falling))
    if settings.reduce_lr_on_plateau:
        plateau = settings.reduce_lr_on_plateau
        callbacks.append(
            ReduceLROnPlateau(
                plateau.monitor, factor=plateau.factor, patience=plateau.patience, min_lr=plateau.min_learning_rate
            )
        )
    callbacks += [
        CSVLogger(str(run.history_path)),
        ModelCheckpoint(
            str(run.model_path), settings.checkpoint.monitor, save_best_only=settings.checkpoint.keep == "best"
        ),
        TerminateOnNaN(),
    ]
    if settings.early_stopping:
        callbacks.append(EarlyStopping(settings.early_stopping.monitor, patience=settings.early_stopping.patience))
    # the backup outlives the training, so that an interruption from here on costs nothing either
    return [*callbacks, bar, BackupAndRestore(run.backup_folder, delete_checkpoint=False)]


def _finish(
    run: Run,
    engine: Engine,
    validation: Dataset,
    history: dict[str, list[Any]],
    recipe: Recipe,
    measured: dict[str, Any],
) -> None:
    """Draw the curves, and measure the model that was kept on the validation part."""
    losses, checkpoint = history["loss"], recipe.training.checkpoint
    best = _best_epoch(history[checkpoint.monitor], checkpoint.monitor)
    if best is None or not math.isfinite(losses[-1]):
        outcome = f"the loss was {losses[-1]} in epoch {len(losses)}"
        if best is None:
            run.model_path.unlink(missing_ok=True)  # a first epoch is the best so far, whatever it is
            raise UserError(f"training diverged: {outcome}; lower the recipe's learning_rate")
        errors.print(f"{outcome}: training ended there, and the best epoch before it is kept")
    if checkpoint.keep == "last":
        best = len(losses) - 1
    save_curves(history, run.folder / "curves.png")
    model = sn.load_model(run.model_path)
    if engine == "keras":
        write_whole(run.keras_model_path, to_keras(model).save)
    with progress("measuring the kept epoch") as advance:
        predictions = predictions_of(model, validation, engine, advance)
    evaluation = evaluate_probabilities(predictions)
    save_predictions(run, "validation", predictions)
    save_matrix(run, "validation", evaluation)
    run.add_metrics(training={**measured, "best_epoch": best + 1}, validation=evaluation.to_json())
    shutil.rmtree(run.backup_folder, ignore_errors=True)


def _best_epoch(values: list[float], monitor: str) -> int | None:
    """The epoch that the checkpoint kept; None if there is no figure to go by."""
    sign = 1 if monitor.endswith("loss") else -1
    finite = [epoch for epoch, value in enumerate(values) if math.isfinite(value)]
    return min(finite, key=lambda epoch: sign * values[epoch], default=None)
