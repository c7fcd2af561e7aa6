"""The whole way on drawn faces: train, evaluate, save, use; beside Keras where TensorFlow is installed."""

import csv
import time
from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import scratchnet as sn
from pipelines import evaluation
from pipelines.console import console, table
from pipelines.data.dataset import Dataset
from pipelines.data.drawn import DrawnFaces
from pipelines.data.opening import drawn_name
from pipelines.data.parts import Parts, divide
from pipelines.demo_dataset import make_demo_dataset
from pipelines.errors import UserError
from pipelines.files import write_whole
from pipelines.keras_engine import fit_keras, predict_keras
from pipelines.predicting.stream import predict_images
from pipelines.recipe import Recipe, load_recipe
from pipelines.run import Run, load_run_model
from pipelines.training import make_dataset, train
from pipelines.twin import to_keras

RECIPE = "drawn-faces"


def run_demo(folder: Path, images: int, epochs: int, seed: int) -> None:
    """Run everything; see `scratchnet demo`."""
    recipe = load_recipe(RECIPE)
    source = DrawnFaces(images, size=recipe.input.height, seed=seed)
    console.print(f"1. {images:,} faces with {len(source.class_names)} expressions, drawn by the program")
    if Run(folder).config_path.exists() and Run(folder).config().get("recipe", {}).get("name") != RECIPE:
        raise UserError(f"{folder} holds a run that is not a demo; choose another --out")
    run = train(recipe, source, drawn_name(images, seed), folder, epochs=epochs, seed=seed, overwrite=True)

    parts = divide(source, recipe.data.validation, recipe.data.test, seed)
    test = make_dataset(source, parts.test, recipe, "test", False, seed)
    model = load_run_model(folder)
    result = evaluation.evaluate_model(model, test)
    console.print("\n2. Its best epoch on faces it has never seen")
    evaluation.print_evaluation(result, "test")
    evaluation.save_matrix(run, "test", result)
    run.add_metrics(test=result.to_json())

    console.print("\n3. The saved model on new images")
    _predict_new_faces(model, folder, seed)

    console.print("\n4. The same network in Keras, from the same initial weights on the same batches")
    if find_spec("tensorflow") is None:
        console.print(
            'TensorFlow is not installed, so this part is left out: pip install -e ".[keras]" in the checkout'
        )
    else:
        _compare_with_keras(recipe, source, parts, test, run, epochs, seed)

    console.print("\n5. Faces out of a film, which the program draws as well, and a dataset of them")
    make_demo_dataset(folder, seed)
    console.print(
        f"\nEverything is in {folder}: the model, its figures, curves.png, confusion matrices, a dataset of faces."
    )


def _predict_new_faces(model: sn.Model, folder: Path, seed: int) -> None:
    """Draw one more face of each expression, write them as PNG files, and ask the model about the files."""
    size = int(model.input_shape[1])
    fresh = DrawnFaces(7, size=size, seed=seed + 1, test_fraction=0)
    paths = []
    for sample in fresh.samples:
        path = folder / "new_faces" / f"{fresh.class_names[sample.label]}.png"
        image = fresh.read(sample)
        write_whole(path, partial(_write_png, image))
        paths.append(path)
    rows = [
        [path.name, str(answer.best), f"{max((answer.probabilities or {}).values()):.3f}"]
        for path, answer in zip(paths, predict_images(model, paths), strict=True)
    ]
    console.print(table("", ["image", "class", "probability"], rows))


def _write_png(image: NDArray[np.uint8], path: Path) -> None:
    if not cv2.imwrite(str(path), image):
        raise UserError(f"{path} cannot be written; check that there is room and that the folder can be written to")


def _compare_with_keras(
    recipe: Recipe, source: DrawnFaces, parts: Parts, test: Dataset, run: Run, epochs: int, seed: int
) -> None:
    sn.set_random_seed(seed)
    initial = recipe.build_model(source.class_names)  # the seed makes it the one that was trained
    twin = to_keras(initial)
    training = make_dataset(source, parts.train, recipe, "training", True, seed)
    validation = make_dataset(source, parts.validation, recipe, "validation", False, seed)
    started = time.perf_counter()
    history = fit_keras(twin, training, validation, recipe, epochs)
    console.print(f"Keras trained for {time.perf_counter() - started:.0f} s")
    predicted = predict_keras(twin, test).argmax(axis=-1)
    theirs = evaluation.evaluate_predictions(test.labels, predicted, test.class_names).to_json()
    measured = run.metrics()
    run.add_metrics(keras={"test": theirs, "history": history})
    ours = _read_history(run)
    rows = [
        [name, *(str_format.format(value) for value in values)]
        for name, str_format, values in (
            ("seconds per epoch (median)", "{:.2f}", (np.median(ours["seconds"]), np.median(history["seconds"]))),
            ("training loss, last epoch", "{:.3f}", (ours["loss"][-1], history["loss"][-1])),
            ("validation accuracy, best epoch", "{:.3f}", (_best(ours), _best(history))),
            ("test accuracy", "{:.3f}", (measured["test"]["accuracy"], theirs["accuracy"])),
            ("test macro F1", "{:.3f}", (measured["test"]["macro_f1"], theirs["macro_f1"])),
        )
    ]
    console.print(table("side by side", ["", "scratchnet", "Keras"], rows))
    console.print("Both see the same batches; they differ by their dropout, which each draws for itself.")


def _read_history(run: Run) -> dict[str, list[float]]:
    with run.history_path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def _best(history: Mapping[str, list[float]]) -> float:
    """The validation accuracy of the epoch with the smallest validation loss."""
    return history["val_accuracy"][int(np.argmin(history["val_loss"]))]
