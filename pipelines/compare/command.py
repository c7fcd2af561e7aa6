"""What `scratchnet compare` does."""

from pathlib import Path

from pipelines.compare.comparison import compare_models
from pipelines.compare.figures import save_comparison
from pipelines.compare.report import print_comparison, write_comparison
from pipelines.compare.subject import Subject
from pipelines.console import console
from pipelines.errors import UserError
from pipelines.lock import WRITING_SECONDS, folder_lock
from pipelines.twin import import_keras
from scratchnet.formats.keras_description import model_to_keras, training_to_keras


def run_compare(path: Path, data: str | None, out: Path | None, steps: int, seed: int) -> bool:
    """Compare, print, draw and write; whether both are the same function.

    Args:
        path: a run's folder or a model file.
        data: labelled images, or None.
        out: folder for everything written; `compare` in the run's folder, or `runs/compare`, by default.
        steps: of training.
        seed: of what is drawn or chosen.

    Raises:
        UserError: TensorFlow is not installed, or the model or the data cannot be used.
    """
    folder = out or (path / "compare" if path.is_dir() else Path("runs/compare"))
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; choose another --out")
    import_keras()  # before any work, if TensorFlow is missing
    subject = Subject(path, data, seed)
    images = sum(len(x[0]) for x, _ in subject.batches)
    size = len(subject.batches[0][0][0])
    console.print(
        f"{path}: {subject.model.count_params():,} weights, beside its Keras twin on {images:,} samples "
        f"({subject.data}) in batches of {size}"
    )
    try:
        model_to_keras(subject.model)
        training_to_keras(subject.model)
    except ValueError as error:
        raise UserError(f"{path} has no Keras twin: {error}") from error
    comparison = compare_models(subject.model, subject.batches, steps)
    print_comparison(comparison)
    about = {"model": str(path), "data": subject.data, "samples": images, "batch_size": size, "seed": seed}
    with folder_lock(folder, WRITING_SECONDS):
        write_comparison(comparison, folder / "compare.json", **about)
        figures = save_comparison(comparison, folder)
    console.print(f"everything is in {folder}: compare.json, {', '.join(figure.name for figure in figures)}")
    return comparison.fault is None
