"""From a recipe and a source of images to a trained model in a run folder."""

import math
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

import scratchnet as sn
from pipelines.console import TrainingProgress, console, errors, progress, report_skipped
from pipelines.data.dataset import Dataset
from pipelines.data.parts import divide
from pipelines.data.sample import Sample, Source
from pipelines.errors import TrainingInterruptedError, UserError
from pipelines.evaluation import evaluate_model, save_matrix
from pipelines.figures.curves import save_curves
from pipelines.recipe import Recipe
from pipelines.run import Run, describe_split
from scratchnet.callbacks import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)


class EpochClock(Callback):
    """Adds the seconds of each epoch, validation included, and the learning rate to its figures."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.learning_rate
            logs["seconds"] = round(time.perf_counter() - self._started, 2)


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


def train(
    recipe: Recipe,
    source: Source,
    data_name: str,
    folder: Path,
    *,
    epochs: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> Run:
    """Train a recipe and keep everything in a run folder; an interrupted training of the same kind goes on.

    The test part of the data is not touched.

    Args:
        recipe: what to train.
        source: labelled images.
        data_name: how the data are called in the configuration.
        folder: of the run.
        epochs: instead of the recipe's.
        limit: the largest number of training images.
        seed: decides initial weights, order, augmentation, dropout and the split.
        overwrite: whether an earlier run in the folder may be deleted.

    Raises:
        UserError: the data, the recipe or the folder cannot be used.
    """
    epochs = epochs or recipe.training.epochs
    run = Run(folder)
    config = {
        "recipe": recipe.model_dump(mode="json"),
        "data": data_name,
        "classes": list(source.class_names),
        "epochs": epochs,
        "limit": limit,
        "seed": seed,
    }
    sn.set_random_seed(seed)
    model = recipe.build_model(source.class_names)
    parts = divide(source, recipe.data.validation, recipe.data.test, seed, limit)
    training = make_dataset(source, parts.train, recipe, "training", True, seed)
    validation = make_dataset(source, parts.validation, recipe, "validation", False, seed)
    report_skipped(source, [training, validation])
    goes_on = run.start(config, describe_split(parts, source.class_names), overwrite) and run.backup_folder.exists()
    console.print(
        f"{recipe.name}: {model.count_params():,} weights, {len(training.samples):,} training and "
        f"{len(validation.samples):,} validation images, {len(source.class_names)} classes"
    )
    if goes_on:
        console.print(f"going on with the interrupted run in {folder}")
    bar = TrainingProgress()
    try:
        history = model.fit(
            training,
            epochs=epochs,
            validation_data=validation,
            verbose=0,
            callbacks=_callbacks(recipe, run, bar),
        )
    except KeyboardInterrupt:
        bar.close()
        raise TrainingInterruptedError(
            f"interrupted; the same command goes on after the last whole epoch in {folder}"
        ) from None
    except ValueError as error:
        raise UserError(f"recipe {recipe.name} cannot be trained on these data: {error}") from error
    finally:
        bar.close()
    _finish(run, validation, history.history, recipe.training.checkpoint.monitor)
    return run


def _callbacks(recipe: Recipe, run: Run, bar: Callback) -> list[Callback]:
    settings = recipe.training
    callbacks: list[Callback] = [EpochClock()]
    if settings.reduce_lr_on_plateau:
        plateau = settings.reduce_lr_on_plateau
        callbacks.append(
            ReduceLROnPlateau(
                plateau.monitor, factor=plateau.factor, patience=plateau.patience, min_lr=plateau.min_learning_rate
            )
        )
    callbacks += [
        CSVLogger(str(run.history_path)),
        ModelCheckpoint(str(run.model_path), settings.checkpoint.monitor, save_best_only=True),
        TerminateOnNaN(),
    ]
    if settings.early_stopping:
        callbacks.append(EarlyStopping(settings.early_stopping.monitor, patience=settings.early_stopping.patience))
    # the backup outlives the training, so that an interruption from here on costs nothing either
    return [*callbacks, bar, BackupAndRestore(run.backup_folder, delete_checkpoint=False)]


def _finish(run: Run, validation: Dataset, history: dict[str, list[Any]], monitor: str) -> None:
    """Draw the curves, and measure the best epoch's model on the validation part."""
    losses = history["loss"]
    best = _best_epoch(history[monitor], monitor)
    if best is None or not math.isfinite(losses[-1]):
        outcome = f"the loss was {losses[-1]} in epoch {len(losses)}"
        if best is None:
            run.model_path.unlink(missing_ok=True)  # a first epoch is the best so far, whatever it is
            raise UserError(f"training diverged: {outcome}; lower the recipe's learning_rate")
        errors.print(f"{outcome}: training ended there, and the best epoch before it is kept")
    save_curves(history, run.folder / "curves.png")
    evaluation = evaluate_model(sn.load_model(run.model_path), validation)
    save_matrix(run, "validation", evaluation)
    seconds = {"seconds": round(sum(history["seconds"]), 2), "seconds_per_epoch": float(np.median(history["seconds"]))}
    run.add_metrics(
        training={"epochs": len(losses), "best_epoch": best + 1, **seconds}, validation=evaluation.to_json()
    )
    shutil.rmtree(run.backup_folder, ignore_errors=True)


def _best_epoch(values: list[float], monitor: str) -> int | None:
    """The epoch that the checkpoint kept; None if there is no figure to go by."""
    sign = 1 if monitor.endswith("loss") else -1
    finite = [epoch for epoch, value in enumerate(values) if math.isfinite(value)]
    return min(finite, key=lambda epoch: sign * values[epoch], default=None)
