"""The figures of a run that show images: what it was trained on, and what it says of others."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.data.augmentation import Augmentation
from pipelines.data.dataset import Dataset
from pipelines.data.sample import Sample
from pipelines.figures.augmented import Original, draw_augmented
from pipelines.figures.classes import draw_class_bars
from pipelines.figures.samples import choose_mistakes, choose_right, draw_prediction_samples
from pipelines.figures.saving import save_figure
from scratchnet.arrays import FloatArray

MISTAKES, RIGHT = 24, 16


def count_classes(samples: Sequence[Sample], classes: int) -> NDArray[np.int64]:
    """The number of samples of each class: int64 (classes,)."""
    return np.bincount([sample.label for sample in samples], minlength=classes).astype(np.int64)


def save_training_figures(
    folder: Path,
    training: Dataset,
    augmentation: Augmentation,
    parts: Mapping[str, Sequence[Sample]],
    seed: int = 0,
) -> list[Path]:
    """Draw what a run is trained on, into its folder.

    `class_distribution.png` has the number of images of each class in each part; `augmented.png` an image of each class
    beside the copies of it that the first epochs see, unless nothing is varied.

    Args:
        folder: Of the run.
        training: The training images.
        augmentation: How they are varied.
        parts: The samples of each part that has any, by its name; `Parts._asdict()` for instance.
        seed: Of the training.

    Returns:
        What was written.
    """
    written = [folder / "class_distribution.png"]
    counts = {part: count_classes(samples, len(training.class_names)) for part, samples in parts.items() if samples}
    save_figure(draw_class_bars(training.class_names, counts), written[0])
    varied = folder / "augmented.png"
    if augmentation.changes_nothing:
        varied.unlink(missing_ok=True)  # of an earlier run
        return written
    originals = one_of_each_class(training, seed)
    save_figure(draw_augmented(originals, augmentation, seed, title="What the first epochs see", copy="epoch"), varied)
    return [*written, varied]


def one_of_each_class(dataset: Dataset, seed: int = 0) -> list[Original]:
    """A preprocessed image of each class that has any, by lot, with its position in the dataset."""
    lots = np.random.default_rng(seed)
    originals = []
    for label, name in enumerate(dataset.class_names):
        own = np.flatnonzero(dataset.labels == label)
        if len(own):
            row = int(lots.choice(own))
            originals.append(Original(name, dataset.image(row), row))
    return originals


def save_prediction_samples(
    folder: Path, part: str, dataset: Dataset, probabilities: FloatArray, seed: int = 0
) -> Path:
    """Draw the mistakes of which a model is surest and some right predictions: `predictions_PART.png`.

    Args:
        folder: Of the run.
        part: What the images are called.
        dataset: The images, as the network sees them.
        probabilities: (images, classes), in the dataset's order.
        seed: For the choice of the right ones.

    Returns:
        The path.
    """
    wrong = choose_mistakes(dataset.labels, probabilities, MISTAKES)
    right = choose_right(dataset.labels, probabilities, RIGHT, seed)
    chosen = np.concatenate([wrong, right])
    mistakes = int((probabilities.argmax(axis=1) != dataset.labels).sum())
    figure = draw_prediction_samples(
        [dataset.image(int(index)) for index in chosen],
        dataset.labels[chosen].tolist(),
        probabilities[chosen].argmax(axis=1).tolist(),
        probabilities[chosen].max(axis=1).tolist(),
        dataset.class_names,
        f"{part}: the {len(wrong):,} surest of {mistakes:,} mistakes in red,\n"
        f"{len(right):,} of {len(dataset.labels) - mistakes:,} right predictions in green",
    )
    path = folder / f"predictions_{part}.png"
    save_figure(figure, path)
    return path
