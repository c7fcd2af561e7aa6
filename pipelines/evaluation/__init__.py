"""How good a model is on labelled images.

`predictions` holds what a model said; every figure of `Evaluation` and every drawing is made of that alone.
"""

from pipelines.evaluation.drawing import draw_evaluation, save_evaluation_figures, save_matrix
from pipelines.evaluation.predictions import Predictions, load_predictions, predictions_of, save_predictions
from pipelines.evaluation.printing import print_evaluation
from pipelines.evaluation.result import Evaluation, evaluate_model, evaluate_predictions, evaluate_probabilities
from pipelines.evaluation.saving import save_evaluation
from pipelines.evaluation.selection import choose_samples, recorded_part

__all__ = [
    "Evaluation",
    "Predictions",
    "choose_samples",
    "draw_evaluation",
    "evaluate_model",
    "evaluate_predictions",
    "evaluate_probabilities",
    "load_predictions",
    "predictions_of",
    "print_evaluation",
    "recorded_part",
    "save_evaluation",
    "save_evaluation_figures",
    "save_matrix",
    "save_predictions",
]
