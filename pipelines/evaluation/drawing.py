"""The figures of an evaluation, as files."""

from collections.abc import Mapping
from textwrap import fill

from matplotlib.figure import Figure

from pipelines.data.dataset import Dataset
from pipelines.evaluation.calibration import reliability
from pipelines.evaluation.predictions import Predictions
from pipelines.evaluation.ranking import precision_recall_curves, roc_curves
from pipelines.evaluation.result import Evaluation
from pipelines.figures.calibration import draw_calibration
from pipelines.figures.confusion import draw_confusion_matrix
from pipelines.figures.of_run import save_prediction_samples
from pipelines.figures.ranking import draw_precision_recall, draw_roc
from pipelines.figures.saving import save_figure
from pipelines.run import Run

# characters of a title that fit above the narrowest figure
LINE = 42
# the names of the files by what they show
_FILES = {
    "confusion_matrix": "confusion_matrix_{}.png",
    "confusion_matrix_normalised": "confusion_matrix_{}_normalised.png",
    "roc": "roc_{}.png",
    "precision_recall": "precision_recall_{}.png",
    "calibration": "calibration_{}.png",
}


def draw_evaluation(predictions: Predictions, evaluation: Evaluation, title: str) -> dict[str, Figure]:
    """Draw everything there is to see of an evaluation.

    Args:
        predictions: what was evaluated.
        evaluation: of the predictions.
        title: what the figures are of, such as `test`.

    Returns:
        `confusion_matrix`, `confusion_matrix_normalised`, `roc`, `precision_recall` and, where the numbers are
        probabilities, `calibration`.
    """
    roc, bins = roc_curves(predictions), reliability(predictions)
    against = "each class against the others" if len(roc) > 2 else f"{evaluation.class_names[-1]} against the other"
    figures = {
        **_matrices(evaluation, title),
        "roc": draw_roc(roc, _heading(title, f"ROC, {against}")),
        "precision_recall": draw_precision_recall(
            precision_recall_curves(predictions), _heading(title, "precision against recall")
        ),
    }
    if bins is not None:
        figures["calibration"] = draw_calibration(*bins, ece=bins.ece, title=_heading(title, "calibration"))
    return figures


def save_evaluation_figures(
    run: Run, part: str, dataset: Dataset, predictions: Predictions, evaluation: Evaluation
) -> list[str]:
    """Draw everything there is to see of an evaluation into the run folder; the names of the files."""
    names = _save(run, part, draw_evaluation(predictions, evaluation, part))
    return [*names, save_prediction_samples(run.folder, part, dataset, predictions.probabilities).name]


def save_matrix(run: Run, part: str, evaluation: Evaluation) -> None:
    """Draw the confusion matrix, as counts, into the run folder."""
    _save(run, part, {"confusion_matrix": _matrices(evaluation, part)["confusion_matrix"]})


def _matrices(evaluation: Evaluation, title: str) -> dict[str, Figure]:
    heading = _heading(title, f"accuracy {evaluation.accuracy:.1%}, macro F1 {evaluation.macro_f1:.3f}")
    matrix, names = evaluation.matrix, evaluation.class_names
    return {
        "confusion_matrix": draw_confusion_matrix(matrix, names, heading),
        "confusion_matrix_normalised": draw_confusion_matrix(matrix, names, heading, normalised=True),
    }


def _heading(title: str, what: str) -> str:
    together = f"{title}: {what}"
    return together if len(together) <= LINE else f"{fill(title, LINE)}\n{what}"


def _save(run: Run, part: str, figures: Mapping[str, Figure]) -> list[str]:
    names = []
    for kind, figure in figures.items():
        names.append(_FILES[kind].format(part))
        save_figure(figure, run.folder / names[-1])
    return names
