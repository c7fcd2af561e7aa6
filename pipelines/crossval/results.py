"""What the folds of a cross-validation measured, one by one and together."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from sklearn.metrics import log_loss

from pipelines.console import table
from pipelines.evaluation import Evaluation, Predictions, evaluate_predictions, evaluate_probabilities
from pipelines.parsing import damaged
from pipelines.run import Run

HELD_OUT = "held_out"  # where metrics.json of a fold's run has them
FIGURES = ("accuracy", "macro_f1", "loss")
COLUMNS = ("fold", "images", "epochs", "epoch", "accuracy", "macro_f1", "loss", "seconds")


@dataclass(frozen=True)
class FoldResult:
    """The figures of one fold's network on the images that were held out.

    Attributes:
        fold: its number, from 1.
        images: how many were held out and could be read.
        epochs: how many it was trained for.
        epoch: the one whose weights were measured, from 1.
        accuracy: the share of right predictions.
        macro_f1: as in `Evaluation`.
        loss: the mean cross-entropy, without penalties on weights.
        seconds: of training, without compiling kernels.
        matrix: int64 (classes, classes); rows are true classes, columns predictions.
        history: the figures of each epoch, as history.csv has them.
    """

    fold: int
    images: int
    epochs: int
    epoch: int
    accuracy: float
    macro_f1: float
    loss: float
    seconds: float
    matrix: NDArray[np.int64]
    history: dict[str, list[float]]

    @classmethod
    def read(cls, fold: int, run: Run) -> "FoldResult | None":
        """The figures that a fold's run folder has; None while it has none."""
        metrics = run.metrics()
        held_out, training = metrics.get(HELD_OUT), metrics.get("training")
        if held_out is None:
            return None
        if training is None or "loss" not in held_out:
            raise damaged(run.metrics_path, "it lacks figures", f"delete {run.folder} to train this fold anew")
        return cls(
            fold=fold,
            epochs=training["epochs"],
            epoch=training["best_epoch"],
            seconds=training["seconds"],
            **{name: held_out[name] for name in ("images", *FIGURES)},
            matrix=np.array(held_out["confusion_matrix"], np.int64),
            history=run.history(),
        )

    def to_json(self) -> dict[str, Any]:
        """Everything but the history, which the fold's own folder has."""
        return {**{name: getattr(self, name) for name in COLUMNS}, "confusion_matrix": self.matrix.tolist()}


@dataclass(frozen=True)
class Summary:
    """All folds together.

    Attributes:
        folds: in order.
        mean: of accuracy, macro F1 and loss over folds.
        deviation: their standard deviation over folds, with n - 1.
        pooled: of all held-out images, each judged by the network that never saw it.
    """

    folds: tuple[FoldResult, ...]
    mean: dict[str, float]
    deviation: dict[str, float]
    pooled: Evaluation

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON can hold it."""
        return {
            "folds": [fold.to_json() for fold in self.folds],
            "mean": self.mean,
            "standard_deviation": self.deviation,
            "pooled": self.pooled.to_json(),
        }


def measure(predictions: Predictions) -> dict[str, Any]:
    """The figures of a held-out fold as metrics.json keeps them."""
    # Keras's guard against the logarithm of nothing, so that the loss is the one that a training watches
    clipped = np.clip(predictions.probabilities, 1e-7, 1)
    clipped /= clipped.sum(axis=1, keepdims=True)
    loss = log_loss(predictions.labels, clipped, labels=range(len(predictions.class_names)))
    return {**evaluate_probabilities(predictions).to_json(), "loss": float(loss)}


def summarize(folds: Sequence[FoldResult], class_names: tuple[str, ...], said: Sequence[Predictions] = ()) -> Summary:
    """Mean and deviation over at least two folds, and the figures of all held-out images together.

    Args:
        folds: what they measured.
        class_names: in label order.
        said: what each network said of its images, needed only where images belong together, which intervals resample.
    """
    values = {name: [getattr(fold, name) for fold in folds] for name in FIGURES}
    matrix = np.sum([fold.matrix for fold in folds], axis=0)
    true, predicted = np.divmod(np.repeat(np.arange(matrix.size), matrix.reshape(-1)), len(class_names))
    groups = None
    if said:
        true = np.concatenate([own.labels for own in said])
        predicted = np.concatenate([own.predicted for own in said])
        # no group is in two folds, so that numbers of one fold are others than those of the next
        starts = np.cumsum([0, *(len(own.names) for own in said)])
        own_groups = [np.arange(len(own.names)) if own.groups is None else own.groups for own in said]
        groups = np.concatenate([numbers + start for numbers, start in zip(own_groups, starts, strict=False)])
    return Summary(
        tuple(folds),
        {name: float(np.mean(figures)) for name, figures in values.items()},
        {name: float(np.std(figures, ddof=1)) for name, figures in values.items()},
        evaluate_predictions(true, predicted, class_names, groups=groups),
    )


def results_csv(summary: Summary) -> str:
    """A line per fold, and the mean and the standard deviation of what has one."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(fold, name) for name in COLUMNS] for fold in summary.folds)
    for name, figures in (("mean", summary.mean), ("standard deviation", summary.deviation)):
        writer.writerow([name, *(figures.get(column, "") for column in COLUMNS[1:])])
    return text.getvalue()


def results_table(summary: Summary, title: str, published: Sequence[float]) -> Table:
    """The folds, their mean and deviation, and published accuracies beside them, of which there may be none.

    Args:
        summary: of the folds.
        title: above everything.
        published: accuracies of folds.
    """
    columns = ["fold", "images", "epoch", "accuracy", "macro F1", "loss"]
    rows = [
        [str(fold.fold), f"{fold.images:,}", f"{fold.epoch} of {fold.epochs}", *_figures(fold)]
        for fold in summary.folds
    ]
    rows += [[str(number), "", "", "", "", ""] for number in range(len(rows) + 1, len(published) + 1)]
    mean, deviation = (
        [name, "", "", *(f"{figures[key]:.4f}" for key in FIGURES)]
        for name, figures in (("mean", summary.mean), ("std (n - 1)", summary.deviation))
    )
    mean[1] = f"{sum(fold.images for fold in summary.folds):,}"
    rows += [mean, deviation]
    if published:
        columns.append("published accuracy")
        spread = f"{np.std(published, ddof=1):.4f}" if len(published) > 1 else ""
        told = [*(f"{value:.4f}" for value in published), *[""] * (len(rows) - 2 - len(published))]
        for row, value in zip(rows, [*told, f"{np.mean(published):.4f}", spread], strict=True):
            row.append(value)
    return table(title, columns, rows)


def _figures(fold: FoldResult) -> list[str]:
    return [f"{getattr(fold, name):.4f}" for name in FIGURES]
