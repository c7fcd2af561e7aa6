"""The whole way on drawn faces: train, evaluate, use, compare, report; beside Keras where TensorFlow is installed."""

import errno
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import scratchnet as sn
from pipelines import evaluation
from pipelines.commands import cluster, compare_features, search
from pipelines.console import console, table
from pipelines.data.dataset import Dataset
from pipelines.data.drawn import DrawnFaces
from pipelines.data.opening import drawn_name
from pipelines.data.parts import divide
from pipelines.demo_dataset import make_demo_dataset
from pipelines.errors import TrainingInterruptedError, UserError
from pipelines.files import write_whole
from pipelines.predicting.stream import predict_images
from pipelines.recipe import Recipe
from pipelines.recipe_files import load_recipe
from pipelines.report.compose import write_report
from pipelines.run import Run, load_run_model
from pipelines.training import make_dataset, train

RECIPE = "drawn-faces"
# that the classifiers on vectors learn from
VECTOR_IMAGES = 1000


def run_demo(folder: Path, images: int, epochs: int, seed: int) -> None:
    """Run everything; see `scratchnet demo`."""
    with Run(folder).locked():
        try:
            _run_demo(folder, images, epochs, seed)
        except TrainingInterruptedError as error:
            raise TrainingInterruptedError("interrupted; the same command starts the demo anew") from error


def _run_demo(folder: Path, images: int, epochs: int, seed: int) -> None:
    recipe = load_recipe(RECIPE)
    source = DrawnFaces(images, size=recipe.input.height, seed=seed)
    console.print(f"1. {images:,} faces with {len(source.class_names)} expressions, drawn by the program")
    if Run(folder).is_started and Run(folder).recipe.name != RECIPE:
        raise UserError(f"{folder} holds a run that is not a demo; choose another --out")
    run = train(recipe, source, drawn_name(images, seed), folder, epochs=epochs, seed=seed, overwrite=True)

    parts = divide(source, recipe.data.validation, recipe.data.test, seed)
    test = make_dataset(source, parts.test, recipe, "test", False, seed)
    model = load_run_model(folder)
    predictions = evaluation.predictions_of(model, test)
    result = evaluation.evaluate_probabilities(predictions)
    console.print("\n2. Its best epoch on faces it has never seen")
    evaluation.print_evaluation(result, "test")
    evaluation.save_evaluation(run, "test", test, predictions, result)

    console.print("\n3. The saved model on new images")
    new_faces = _predict_new_faces(model, folder, seed)

    console.print("\n4. The same network in Keras, from the same initial weights on the same batches")
    _compare_with_keras(recipe, source, drawn_name(images, seed), test, run, epochs, seed)

    console.print("\n5. Faces out of a film, which the program draws as well, and a dataset of them")
    make_demo_dataset(folder, seed)

    console.print("\n6. The faces as vectors: those that nobody has trained, and the network's own")
    _show_vectors(folder, new_faces[0], seed)

    console.print("\n7. All of it on one page")
    others = [folder / "keras"] if (folder / "keras").exists() else []
    write_report([folder, *others], folder / "report.html")
    console.print(f"Open {folder / 'report.html'} in any browser; it needs no network.")
    console.print(f"\nEverything is in {folder}: the model, its figures, a dataset of faces, clusters, the report.")


def _predict_new_faces(model: sn.Model, folder: Path, seed: int) -> list[Path]:
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
    return paths


def _write_png(image: NDArray[np.uint8], path: Path) -> None:
    if not cv2.imwrite(str(path), image):
        raise OSError(errno.EIO, "cannot be written; check that there is room", str(path))


def _show_vectors(folder: Path, query: Path, seed: int) -> None:
    """Cluster the network's vectors of the test faces, compare vectors, and look for faces like a new one."""
    cluster.cluster(str(folder), seeds=3, seed=seed)
    compare_features.compare_features(folder, training_images=VECTOR_IMAGES, seed=seed)
    search.search(str(folder), [query], count=6, seed=seed)


def _compare_with_keras(
    recipe: Recipe, source: DrawnFaces, data_name: str, test: Dataset, run: Run, epochs: int, seed: int
) -> None:
    if find_spec("tensorflow") is None:
        console.print(
            'TensorFlow is not installed, so this part is left out: pip install -e ".[keras]" in the checkout'
        )
        return
    folder = run.folder / "keras"
    other = train(recipe, source, data_name, folder, engine="keras", epochs=epochs, seed=seed, overwrite=True)
    predictions = evaluation.predictions_of(load_run_model(folder), test, "keras")
    evaluation.save_evaluation(other, "test", test, predictions, evaluation.evaluate_probabilities(predictions))
    histories = [one.history() for one in (run, other)]
    measured = [one.metrics() for one in (run, other)]
    rows = [
        [name, *(str_format.format(value) for value in values)]
        for name, str_format, values in (
            ("seconds per epoch (median)", "{:.2f}", [np.median(history["seconds"]) for history in histories]),
            ("seconds of the first epoch", "{:.2f}", [history["seconds"][0] for history in histories]),
            ("training loss, last epoch", "{:.3f}", [history["loss"][-1] for history in histories]),
            ("validation accuracy, best epoch", "{:.3f}", [figures["validation"]["accuracy"] for figures in measured]),
            ("test accuracy", "{:.3f}", [figures["test"]["accuracy"] for figures in measured]),
            ("test macro F1", "{:.3f}", [figures["test"]["macro_f1"] for figures in measured]),
        )
    ]
    compiling = measured[0]["training"]["compile_seconds"]
    rows.insert(2, ["seconds of compiling kernels, besides", f"{compiling:.2f}", ""])
    console.print(table("side by side", ["", "scratchnet", "Keras"], rows))
    console.print(
        "Compiling is done once for a machine, and is in none of the epochs; Keras traces its graph in the first epoch."
    )
    console.print("Both see the same batches; they differ by their dropout, which each draws for itself.")
