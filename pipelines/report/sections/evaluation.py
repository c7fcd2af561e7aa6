"""How good each run is: every figure of every part that was measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pipelines.crossval.results import HELD_OUT
from pipelines.evaluation import draw_evaluation, evaluate_probabilities, load_predictions
from pipelines.evaluation.predictions import predictions_name
from pipelines.evaluation.selection import Recorded
from pipelines.figures.confusion import draw_confusion_matrix
from pipelines.report.blocks import Block, Gallery, Picture, Remark, Section, Table, Text
from pipelines.report.commands import evaluate_command
from pipelines.report.material import PARTS, RunMaterial
from pipelines.report.pictures import embed
from pipelines.report.wording import (
    counted,
    decimal,
    decimal_interval,
    listed,
    percent,
    percent_interval,
    points,
    readable,
)

# what metrics.json calls it, what readers call it, and how it is written
_FIGURES: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("accuracy", "accuracy", percent),
    ("majority_baseline", "majority-class baseline: the accuracy of always answering the largest class", percent),
    ("error_rate", "error rate", percent),
    ("balanced_accuracy", "balanced accuracy (mean recall of the classes)", percent),
    ("top2_accuracy", "right class among the two most probable", percent),
    ("macro_f1", "macro F1", decimal),
    ("cohen_kappa", "Cohen's kappa", decimal),
    ("macro_roc_auc", "area under the ROC curve, mean of the classes", decimal),
    ("macro_average_precision", "average precision, mean of the classes", decimal),
    ("log_loss", "log loss", decimal),
    ("brier_score", "Brier score (0 to 2)", decimal),
    ("ece", "expected calibration error", decimal),
)
# the figures that are drawn, with what to say of them
_DRAWN = {
    "confusion_matrix": ("Confusion matrix in images", "Rows are true classes, columns predictions; in images."),
    "confusion_matrix_normalised": (
        "Confusion matrix in per cent of the true class",
        "The same in per cent of each true class; the diagonal is the recall.",
    ),
    "roc": ("ROC curves of the classes", "True against false positive rate of each class against the others."),
    "precision_recall": ("Precision against recall of the classes", "Precision against recall of each class."),
    "calibration": (
        "Reliability diagram",
        "How often predictions of a probability are right; on the dashed line a model is as often right as it is sure.",
    ),
}


def evaluation_section(runs: Sequence[RunMaterial]) -> Section | None:
    """All figures of all parts of each run; None without runs."""
    if not runs:
        return None
    if len(runs) == 1:
        blocks, parts = _run(runs[0])
        return Section("Evaluation", "evaluation", blocks, parts)
    return Section("Evaluation", "evaluation", [], [Section(run.label, "", *_run(run)) for run in runs])


def _run(run: RunMaterial) -> tuple[list[Block], list[Section]]:
    blocks: list[Block] = []
    parts = run.measured_parts
    if "test" not in parts and (run.counts().get("test") or not parts):
        if run.run.model_path.exists():
            blocks.append(Remark("The test images have not been evaluated. To do so:", evaluate_command(run)))
        else:
            blocks.append(Remark("There is nothing to evaluate: the first epoch has not ended yet."))
    return blocks, [Section(_title(run, part), "", _part(run, part)) for part in parts]


def _title(run: RunMaterial, part: str) -> str:
    names = {
        "test": "Test images",
        "validation": "Validation images",
        HELD_OUT: "Held-out images",
        "train": "Training images",
    }
    if part in names:
        return names[part]
    data = (run.measured(part) or {}).get("data")
    return f"Images of {readable(Path(str(data)).name)} ({part})" if data else f"Images: {part}"


def _part(run: RunMaterial, part: str) -> list[Block]:
    figures = run.measured(part) or {}
    blocks: list[Block] = []
    if part == "validation" and run.recipe.training.selects:
        blocks.append(Remark("These images have chosen the epoch that was kept, which flatters the figures a little."))
    blocks += _recorded(figures)
    blocks += figures_of(figures)
    blocks += _leakage(figures)
    return [*blocks, *_pictures(run, part, figures)]


def _recorded(figures: Mapping[str, Any]) -> list[Block]:
    given = figures.get("recorded")
    if given is None:
        return []
    recorded = Recorded(given["images"], given["found"], given["relabelled"], given["new"])
    return [Remark(f"These are not the images of the training: {recorded}.")] if recorded.differs else []


def figures_of(figures: Mapping[str, Any]) -> list[Block]:
    """All that `Evaluation.to_json` says: tables of all classes and of each, and the worst confusions in words."""
    blocks: list[Block] = [_overall(figures), _classes(figures)]
    if absent := figures.get("absent_classes"):
        names = listed([readable(name) for name in absent])
        blocks.append(Text(f"No image is of {names}; means leave such classes out."))
    return [*blocks, *_confusions(figures)]


def matrix_pictures(figures: Mapping[str, Any], title: str) -> list[Picture]:
    """The confusion matrix in images and in per cent of the true class."""
    names = [readable(name) for name in figures["per_class"]]
    matrix, heading = (
        np.array(figures["confusion_matrix"], np.int64),
        f"{title}: accuracy {percent(figures['accuracy'])}",
    )
    return [
        _embed(kind, draw_confusion_matrix(matrix, names, heading, normalised=normalised), title, figures)
        for kind, normalised in (("confusion_matrix", False), ("confusion_matrix_normalised", True))
    ]


def _embed(kind: str, figure: Figure, title: str, figures: Mapping[str, Any]) -> Picture:
    alt, caption = _DRAWN[kind]
    words = _matrix_words(figures) if "matrix" in kind else ""
    return embed(figure, f"{alt}, {title}. {words}".strip(), caption)


def _overall(figures: Mapping[str, Any]) -> Table:
    intervals = figures.get("intervals", {})
    rows = [["images", f"{figures['images']:,}", ""]]
    for key, name, wording in _FIGURES:
        if figures.get(key) is not None:
            bounds = intervals.get(key)
            interval = (percent_interval if wording is percent else decimal_interval)(bounds) if bounds else ""
            rows.append([name, wording(figures[key]), interval])
    groups = figures.get("interval_groups")
    over = "the images" if groups is None else f"{groups:,} groups of images that belong together, such as scenes"
    caption = f"All classes together; 95% intervals by bootstrap over {over}."
    return Table(caption, ["figure", "value", "95% interval"], rows)


def _classes(figures: Mapping[str, Any]) -> Table:
    columns = {
        "precision": "precision",
        "recall": "recall",
        "f1": "F1",
        "roc_auc": "ROC area",
        "average_precision": "average precision",
    }
    known = [key for key in columns if any(own.get(key) is not None for own in figures["per_class"].values())]
    rows = [
        [readable(name), *(decimal(own.get(key)) for key in known), f"{own['images']:,}"]
        for name, own in figures["per_class"].items()
    ]
    for key, name in (("macro", "mean of the classes"), ("weighted", "mean, weighted by images")):
        if key in figures:
            rows.append(
                [name, *(decimal(figures[key].get(column)) if column in figures[key] else "" for column in known), ""]
            )
    headings = ["class", *(columns[key] for key in known), "images"]
    return Table("Each class.", headings, rows)


def _confusions(figures: Mapping[str, Any]) -> list[Block]:
    worst = [readable(entry["words"]) for entry in figures.get("worst_confusions", [])]
    if not worst:
        return [Text("No image was confused.")] if figures["accuracy"] == 1 else []
    return [Text(f"The most frequent confusions: {'; '.join(worst)}.")]


def _leakage(figures: Mapping[str, Any]) -> list[Block]:
    copies = figures.get("copies_of_training_images")
    if not copies:
        if figures.get("trained_on"):  # as earlier versions counted them, by name
            return [Remark(f"Leakage: {counted(figures['trained_on'], 'image')} of these were trained on.")]
        unknown = "trained_on" in figures and figures["trained_on"] is None
        return [Remark("Leakage is unknown: it is not recorded which images were trained on.")] if unknown else []
    if not copies["images"]:
        return [Text("None of these images is, pixel by pixel, a copy of a training image.")]
    said = (
        f"Leakage: {copies['images']:,} of these {counted(copies['of'], 'image')} are, pixel by pixel, copies of "
        f"training images. Accuracy is {percent(copies['accuracy'])} with them"
    )
    without = copies["accuracy_without_copies"]
    if without is None:
        return [Remark(f"{said}; nothing is left without them.")]
    on_them = f"and {percent(copies['accuracy_of_copies'])} on them alone"
    return [Remark(f"{said}, {percent(without)} without ({points(without, copies['accuracy'])}), {on_them}.")]


def _pictures(run: RunMaterial, part: str, figures: Mapping[str, Any]) -> list[Block]:
    if not (run.run.folder / predictions_name(part)).exists():
        said = (
            "ROC and precision-recall curves and the calibration of these images need what the network says of each, "
            "which is kept by:"
        )
        known = part in PARTS
        return [
            Gallery(matrix_pictures(figures, part)),
            *([Remark(said, evaluate_command(run, part))] if known else []),
        ]
    names = tuple(readable(name) for name in figures["per_class"])
    predictions = replace(load_predictions(run.run, part), class_names=names)
    drawn = draw_evaluation(predictions, evaluate_probabilities(predictions), part)
    return [Gallery([_embed(kind, figure, part, figures) for kind, figure in drawn.items()])]


def _matrix_words(figures: Mapping[str, Any]) -> str:
    names = [readable(name) for name in figures["per_class"]]
    matrix = figures["confusion_matrix"]
    return "; ".join(
        f"{name}: {row[label]:,} of {sum(row):,} right"
        for label, (name, row) in enumerate(zip(names, matrix, strict=True))
    )
