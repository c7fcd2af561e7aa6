"""How good a model is on labelled images."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

import scratchnet as sn
from pipelines.console import console, table
from pipelines.data.dataset import Dataset
from pipelines.data.sample import Sample, Source
from pipelines.errors import UserError
from pipelines.figures.confusion import save_confusion_matrix
from pipelines.run import Run


@dataclass(frozen=True)
class Evaluation:
    """Figures over some images.

    Attributes:
        class_names: in label order.
        images: how many there were.
        accuracy: the share of right predictions.
        macro_f1: the mean over classes of the harmonic mean of precision and recall; classes without images left out.
        per_class: precision, recall, F1 and number of images of each class.
        matrix: (classes, classes); rows are true classes, columns predictions.
    """

    class_names: tuple[str, ...]
    images: int
    accuracy: float
    macro_f1: float
    per_class: dict[str, dict[str, float]]
    matrix: NDArray[np.int64]

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON can hold it."""
        return {
            "images": self.images,
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "per_class": self.per_class,
            "confusion_matrix": self.matrix.tolist(),
        }


def evaluate_predictions(labels: Any, predictions: Any, class_names: tuple[str, ...]) -> Evaluation:
    """Figures from true and predicted class numbers, both (images,)."""
    numbers = list(range(len(class_names)))
    present = sorted(set(np.asarray(labels).tolist()))
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predictions, labels=numbers, zero_division=0
    )
    return Evaluation(
        class_names,
        len(labels),
        float(accuracy_score(labels, predictions)),
        float(f1_score(labels, predictions, labels=present, average="macro", zero_division=0)),
        {
            name: {
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
                "images": int(support[i]),
            }
            for i, name in enumerate(class_names)
        },
        np.asarray(confusion_matrix(labels, predictions, labels=numbers), np.int64),
    )


def evaluate_model(model: sn.Model, dataset: Dataset) -> Evaluation:
    """A model's figures over a dataset, whose batches come in their own order."""
    predicted = model.predict(dataset).argmax(axis=-1)
    return evaluate_predictions(dataset.labels, predicted, dataset.class_names)


def choose_samples(source: Source, split: str | None, run: Run | None) -> tuple[list[Sample], str]:
    """The samples to evaluate, and what they are called.

    What the run recorded of its own data goes before the data's splits, because a part of their training images may
    have been held back. Without `split` the test images are meant, and all images where none are set aside.

    Args:
        source: where the samples come from.
        split: `train`, `validation`, `test`, `all` or None.
        run: that was made with these data; None for other data.

    Raises:
        UserError: there is no such part.
    """
    parts: dict[str, list[Sample]] = {"all": list(source.samples)}
    for sample in source.samples:
        if sample.split != "all":
            parts.setdefault(sample.split, []).append(sample)
    for part in ("train", "validation", "test"):
        recorded = run.part_of(part) if run else set()
        if recorded:
            parts[part] = [sample for sample in source.samples if sample.name in recorded]
    name = split or ("test" if "test" in parts else "all")
    if name not in parts:
        raise UserError(f"the data have no {name} images; choose --split from {', '.join(sorted(parts))}")
    return parts[name], name


def seen_in_training(samples: list[Sample], run: Run | None) -> int:
    """How many of the samples have the name of one that the run was trained on."""
    trained = run.part_of("train") if run else set()
    return sum(sample.name in trained for sample in samples)


def save_matrix(run: Run, part: str, evaluation: Evaluation) -> None:
    """Draw the confusion matrix into the run folder."""
    title = f"{part}: accuracy {evaluation.accuracy:.1%}, macro F1 {evaluation.macro_f1:.3f}"
    path = run.folder / f"confusion_matrix_{part}.png"
    save_confusion_matrix(evaluation.matrix, evaluation.class_names, title, path)


def print_evaluation(evaluation: Evaluation, title: str) -> None:
    """Print accuracy, macro F1 and the figures of each class."""
    rows = [
        [
            name,
            f"{figures['precision']:.3f}",
            f"{figures['recall']:.3f}",
            f"{figures['f1']:.3f}",
            f"{figures['images']:,}",
        ]
        for name, figures in evaluation.per_class.items()
    ]
    console.print(table(title, ["class", "precision", "recall", "F1", "images"], rows))
    console.print(
        f"accuracy {evaluation.accuracy:.4f}   macro F1 {evaluation.macro_f1:.4f}   images {evaluation.images:,}"
    )
