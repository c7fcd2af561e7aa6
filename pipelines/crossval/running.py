"""The whole of a cross-validation: folds, trainings, figures."""

import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from joblib import delayed, effective_n_jobs
from joblib.externals.loky.process_executor import TerminatedWorkerError
from joblib.parallel import get_active_backend

from pipelines.console import console, errors, progress, report_data
from pipelines.crossval.fold import Task, run_fold
from pipelines.crossval.folder import CrossvalFolder, describe_folds
from pipelines.crossval.folds import Folds, lacking, make_folds
from pipelines.crossval.progress import told
from pipelines.crossval.results import HELD_OUT, FoldResult, Summary, results_csv, summarize
from pipelines.curation.scan import examine_all
from pipelines.data.content import content_hash
from pipelines.data.opening import open_data, resolve_name
from pipelines.data.parts import set_test_aside
from pipelines.data.preprocessing import Preprocessing
from pipelines.data.sample import Sample, Source
from pipelines.engines import Engine
from pipelines.errors import TrainingInterruptedError, UserError
from pipelines.evaluation import load_predictions
from pipelines.figures.confusion import draw_confusion_matrix
from pipelines.figures.folds import draw_fold_bars, draw_fold_curves
from pipelines.figures.saving import save_figure
from pipelines.files import write_text
from pipelines.machine import available_cores
from pipelines.recipe import Recipe
from pipelines.started import repeating
from pipelines.workers import remove_leftovers_below, started_workers


def run_crossval(
    recipe: Recipe,
    data: str,
    folder: Path,
    *,
    folds: int = 4,
    engine: Engine = "scratch",
    epochs: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    jobs: int | None = None,
    overwrite: bool = False,
) -> Summary:
    """Train a recipe once per fold, each time without the images of the fold, and measure it on these.

    The test part of the data is set aside and never touched. Where the recipe chooses nothing by validation, the fold
    is watched at every epoch, and its figures are those of the last one. Where it chooses its epoch, stops early or
    lowers the learning rate, it does so by a part of the other folds' images, and the fold is measured once.

    Folds run in parallel through joblib. With `jobs` None they follow `joblib.parallel_config`, which may name another
    backend that is registered, such as Dask's or Ray's, as long as all machines see `folder` and the data:

        with joblib.parallel_config(backend="dask", n_jobs=4):
            run_crossval(recipe, "faces.zip", Path("runs/faces-crossval"))

    Our engine's results are the same bits for any number of jobs. What was interrupted goes on when it is called again:
    finished folds are kept, a fold under way goes on after its last whole epoch.

    Args:
        recipe: what to train.
        data: name of labelled images, as `pipelines.data.opening.open_data` takes it.
        folder: for everything; see `pipelines.crossval.folder`.
        folds: how many, at least 2.
        engine: that trains.
        epochs: instead of the recipe's.
        limit: the largest number of images in all folds together.
        seed: decides folds and test part, and of each training the same as in `pipelines.training.train`.
        jobs: processes at a time; None as joblib is configured, one fold after the other by default.
        overwrite: whether an earlier cross-validation in the folder may be deleted.

    Raises:
        UserError: the data, the recipe or the folder cannot be used, or there are too few images for so many folds.
        TrainingInterruptedError: Ctrl-C was pressed.
    """
    store = CrossvalFolder(folder)
    with store.locked():
        return _run_crossval(recipe, data, store, folds, engine, epochs, limit, seed, jobs, overwrite)


def _run_crossval(
    recipe: Recipe,
    data: str,
    store: CrossvalFolder,
    folds: int,
    engine: Engine,
    epochs: int | None,
    limit: int | None,
    seed: int,
    jobs: int | None,
    overwrite: bool,
) -> Summary:
    name = resolve_name(data)
    source = open_data(name, recipe.preprocessing, chosen=recipe.data.classes)
    classes = source.class_names
    aside = set_test_aside(source, recipe.data.test, seed)[1]

    def contents(samples: Sequence[Sample]) -> list[str | None]:
        report_data(name, source, {"cross-validated": len(samples), "test": len(aside)}, limit=limit)
        return _contents(source, recipe.preprocessing, samples)

    made = make_folds(source, folds, recipe.data.test, seed, limit, contents)
    inner = recipe.data.validation if recipe.training.selects else None
    parts = [made.parts(fold, inner, seed, classes) for fold in range(folds)]
    recipe.build_model(classes)  # a mistake in it is told before anything is written
    _check_backend()
    config = {
        "recipe": recipe.model_dump(mode="json"),
        "origin": recipe.origin,
        "changes": list(recipe.changes),
        "engine": engine,
        "data": name,
        "classes": list(classes),
        "epochs": epochs or recipe.training.epochs,
        "limit": limit,
        "seed": seed,
        "folds": folds,
        **describe_protocol(made, inner),
    }
    goes_on = store.start(config, describe_folds(made, classes), overwrite)
    _announce(recipe, made, classes, config["protocol"])
    if goes_on:
        console.print(f"going on with the interrupted cross-validation in {store.folder}")
    at_once = min(effective_n_jobs(jobs), folds)
    tasks = [
        Task(
            recipe=recipe,
            data=name,
            folder=store.run(fold + 1).folder,
            fold=fold + 1,
            folds=folds,
            parts=parts[fold],
            held_out=made.held_out[fold],
            engine=engine,
            epochs=config["epochs"],
            seed=seed,
            threads=max(available_cores() // at_once, 1),
            main_process=os.getpid(),
        )
        for fold in range(folds)
    ]
    with told([store.run(task.fold) for task in tasks], config["epochs"]):
        results = _train_all(tasks, None if jobs is None else at_once, store.folder, repeating(overwrite))
    said = [load_predictions(store.run(task.fold), HELD_OUT) for task in tasks] if made.grouped else []
    summary = summarize(results, classes, said)
    _save(store, summary, recipe, inner)
    return summary


def _contents(source: Source, preprocessing: Preprocessing, samples: Sequence[Sample]) -> list[str | None]:
    """What a network sees of each sample, as a hash; None for one that cannot be read."""

    def content(sample: Sample) -> bytes:
        return content_hash(preprocessing(source.read(sample))).encode()

    with progress("looking for copies") as advance:
        found = examine_all(samples, content, advance)
    return [one.decode() if isinstance(one, bytes) else None for one in found]


def describe_protocol(folds: Folds, inner: float | None) -> dict[str, Any]:
    """How the folds are used, for crossval.json."""
    if inner is None:
        protocol = (
            "nothing is chosen by validation images, so each held-out fold is watched at every epoch, and its figures "
            "are those of the last one"
        )
    else:
        protocol = (
            f"the recipe chooses by validation images, and does so by {inner:.0%} of the other folds' images; each "
            "held-out fold is measured once, at the end"
        )
    return {"grouped": folds.grouped, "inner_validation": inner, "protocol": protocol}


def _announce(recipe: Recipe, folds: Folds, class_names: tuple[str, ...], protocol: str) -> None:
    sizes = [len(part) for part in folds.held_out]
    span = f"{min(sizes):,}" if min(sizes) == max(sizes) else f"{min(sizes):,} to {max(sizes):,}"
    whole = "; images of one scene and copies of one image stay in one fold" if folds.grouped else ""
    if augmented := sum(map(len, folds.augmented)):
        whole += f"; {augmented:,} augmented images are only learnt from, and never while their originals are held out"
    console.print(
        f"{recipe.name}: {len(sizes)} folds of {span} images, {len(folds.test):,} test images set aside{whole}\n"
        f"{protocol}"
    )
    for number, name in lacking(folds, class_names):
        errors.print(f"fold {number} holds out no image of the class {name}, whose scenes are few")


def _check_backend() -> None:
    backend, _ = get_active_backend()
    # others derive from it, with processes of their own
    if type(backend).__name__ == "MultiprocessingBackend" and multiprocessing.get_start_method() == "fork":
        raise UserError(
            "joblib's backend 'multiprocessing' forks, which OpenCV and TensorFlow do not survive; choose loky, its "
            "usual one, or another whose workers are fresh processes"
        )


def _train_all(tasks: Sequence[Task], jobs: int | None, folder: Path, again: str) -> list[FoldResult]:
    try:
        with started_workers(jobs, len(tasks)) as parallel:
            return list(parallel(delayed(run_fold)(task) for task in tasks))
    except (KeyboardInterrupt, TrainingInterruptedError) as error:
        remove_leftovers_below(folder)
        raise TrainingInterruptedError(
            f"interrupted; {again} goes on in {folder}, after the last whole epoch of each fold"
        ) from error
    except TerminatedWorkerError as error:
        raise UserError(
            "a process that trained a fold was ended from outside, perhaps for want of memory; what was done is kept, "
            f"and {again}, perhaps with fewer --jobs, goes on in {folder}"
        ) from error


def _save(store: CrossvalFolder, summary: Summary, recipe: Recipe, inner: float | None) -> None:
    """Write the figures of all folds, those that say that it is finished last."""
    published = recipe.published.folds if recipe.published else []
    histories = [fold.history for fold in summary.folds]
    watched = "per fold" if inner is None else "per fold (images of the other folds)"
    mean = sum(published) / len(published) if published else None
    for name, title, reference in (("accuracy", "Validation accuracy", mean), ("loss", "Validation loss", None)):
        figure = draw_fold_curves(histories, f"val_{name}", f"{title} {watched}", published=reference)
        save_figure(figure, store.folder / f"{name}_per_fold.png")
    accuracies = [fold.accuracy for fold in summary.folds]
    bars = draw_fold_bars(accuracies, "Accuracy of the held-out folds", published)
    save_figure(bars, store.folder / "fold_accuracies.png")
    pooled = summary.pooled
    title = f"all held-out images: accuracy {pooled.accuracy:.1%}, macro F1 {pooled.macro_f1:.3f}"
    save_figure(draw_confusion_matrix(pooled.matrix, pooled.class_names, title), store.folder / "confusion_matrix.png")
    write_text(store.table_path, results_csv(summary))
    store.finish(results=summary.to_json())
