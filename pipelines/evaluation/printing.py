"""An evaluation for people, in the terminal."""

from pipelines.console import console, table
from pipelines.evaluation.published import PublishedFigures, told_caveats
from pipelines.evaluation.result import Evaluation

UNKNOWN = "-"


def print_evaluation(evaluation: Evaluation, title: str, published: PublishedFigures | None = None) -> None:
    """Print the figures of each class and of all, and the worst confusions.

    Args:
        evaluation: what is printed.
        title: above the table of classes.
        published: figures of others, for a column of their own.
    """
    _print_classes(evaluation, title, published)
    _print_summary(evaluation, published)
    if published is not None:
        console.print(f"published: {published.system}{f'. {published.note}' if published.note else ''}")
        if published.caveats:
            console.print(told_caveats(published.caveats))
    if evaluation.groups is not None:
        console.print(
            f"intervals resample {evaluation.groups:,} groups of images that belong together, as frames of one scene do"
        )
    if evaluation.absent:
        console.print(f"without images, and in no average: {', '.join(evaluation.absent)}")
    if evaluation.log_loss is None and evaluation.macro_roc_auc is not None:
        console.print("the outputs are no probabilities: log loss, Brier score and calibration error mean nothing")
    for confusion in evaluation.worst_confusions:
        console.print(str(confusion))
    console.print(
        f"accuracy {evaluation.accuracy:.4f}   macro F1 {evaluation.macro_f1:.4f}   images {evaluation.images:,}"
    )


def _print_classes(evaluation: Evaluation, title: str, published: PublishedFigures | None) -> None:
    others = {
        name: figures
        for name, figures in (
            ("published F1", published.f1 if published else {}),
            ("published recall", published.recall if published else {}),
        )
        if figures
    }
    rows = [
        [
            name,
            *map(_three, (figures.precision, figures.recall, figures.f1)),
            f"{figures.images:,}",
            *map(_three, (figures.roc_auc, figures.average_precision)),
            *(_three(other.get(name)) for other in others.values()),
        ]
        for name, figures in evaluation.per_class.items()
    ]
    areas = (evaluation.macro_roc_auc, evaluation.macro_average_precision)
    gap = [""] * len(others)
    rows.append(["macro average", *map(_three, evaluation.macro), "", *map(_three, areas), *gap])
    rows.append(["weighted average", *map(_three, evaluation.weighted), f"{evaluation.images:,}", "", "", *gap])
    columns = ["class", "precision", "recall", "F1", "images", "ROC AUC", "average precision", *others]
    console.print(table(title, columns, rows))


def _print_summary(evaluation: Evaluation, published: PublishedFigures | None) -> None:
    figures = {
        "accuracy": evaluation.accuracy,
        f"majority-class baseline ({evaluation.majority_class})": evaluation.majority_baseline,
        "error rate": evaluation.error_rate,
        "balanced accuracy": evaluation.balanced_accuracy,
        "macro F1": evaluation.macro_f1,
        "Cohen's kappa": evaluation.cohen_kappa,
        "top-2 accuracy": evaluation.top2_accuracy,
        "mean log loss": evaluation.log_loss,
        "Brier score": evaluation.brier_score,
        "expected calibration error": evaluation.ece,
    }
    intervals = {
        "accuracy": "accuracy",
        "balanced accuracy": "balanced_accuracy",
        "macro F1": "macro_f1",
        "Cohen's kappa": "cohen_kappa",
    }
    others = {"accuracy": published.accuracy, "macro F1": published.macro_f1} if published else {}
    rows = []
    for name, value in figures.items():
        ends = evaluation.intervals.get(intervals.get(name, ""))
        between = "" if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"
        if value is not None:
            rows.append([name, _three(value), between, *([_three(others.get(name), "")] if others else [])])
    console.print(table("", ["", "value", "95% interval", *(["published"] if others else [])], rows))


def _three(value: float | None, unknown: str = UNKNOWN) -> str:
    return unknown if value is None else f"{value:.3f}"
