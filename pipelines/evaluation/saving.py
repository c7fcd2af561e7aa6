"""What an evaluation leaves in a run folder."""

from typing import Any

from pipelines.console import progress
from pipelines.data.dataset import Dataset
from pipelines.evaluation.drawing import save_evaluation_figures
from pipelines.evaluation.predictions import Predictions, predictions_name, save_predictions
from pipelines.evaluation.result import Evaluation
from pipelines.run import Run


def save_evaluation(
    run: Run, part: str, dataset: Dataset, predictions: Predictions, evaluation: Evaluation, **more: Any
) -> list[str]:
    """Write predictions and figures, and put the evaluation into metrics.json.

    Args:
        run: whose folder it is.
        part: under which it is found again.
        dataset: the images.
        predictions: what was evaluated.
        evaluation: of the predictions.
        more: stands beside the figures in metrics.json.

    Returns:
        The names of the files.
    """
    save_predictions(run, part, predictions)
    with progress("drawing figures"):
        figures = save_evaluation_figures(run, part, dataset, predictions, evaluation)
    run.add_metrics(**{part: {**more, **evaluation.to_json()}})  # last, so that its figures are there when it is
    return [run.metrics_path.name, predictions_name(part), *figures]
