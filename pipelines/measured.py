"""What metrics.json holds, as far as it is read again."""

from typing import Annotated

from pydantic import Field, model_validator

from pipelines.parsing import Count, Share, Told


class TrainingFigures(Told):
    """What a training took, and what ended it."""

    epochs: Count
    best_epoch: Annotated[Count, Field(ge=1)]
    seconds: float
    seconds_per_epoch: float | None = None
    first_epoch_seconds: float | None = None
    compile_seconds: float | None = None
    ended: str | None = None


class ClassRow(Told):
    """The figures of one class."""

    images: Count
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    roc_auc: float | None = None
    average_precision: float | None = None


class Sentence(Told):
    """Something that is told in words."""

    words: str


class CopiesFigures(Told):
    """Test images that are copies of training images."""

    images: Count
    of: Count
    accuracy: float
    accuracy_of_copies: float | None
    accuracy_without_copies: float | None


class RecordedFigures(Told):
    """What a run recorded of a part; see `pipelines.evaluation.selection.Recorded`."""

    images: Count
    found: Count
    relabelled: Count
    new: Count


class EvaluationFigures(Told):
    """An evaluation; see `pipelines.evaluation.Evaluation.to_json`."""

    images: Count
    accuracy: Share
    macro_f1: Share
    per_class: dict[str, ClassRow]
    confusion_matrix: list[list[Count]]
    intervals: dict[str, Annotated[list[float], Field(min_length=2, max_length=2)] | None] = Field(default_factory=dict)
    macro: dict[str, float | None] = Field(default_factory=dict)
    weighted: dict[str, float | None] = Field(default_factory=dict)
    majority_baseline: float | None = None
    error_rate: float | None = None
    balanced_accuracy: float | None = None
    top2_accuracy: float | None = None
    cohen_kappa: float | None = None
    macro_roc_auc: float | None = None
    macro_average_precision: float | None = None
    log_loss: float | None = None
    brier_score: float | None = None
    ece: float | None = None
    loss: float | None = None
    absent_classes: list[str] = Field(default_factory=list)
    worst_confusions: list[Sentence] = Field(default_factory=list)
    interval_groups: Count | None = None
    recorded: RecordedFigures | None = None
    trained_on: Count | None = None
    copies_of_training_images: CopiesFigures | None = None

    @model_validator(mode="after")
    def _is_square(self) -> "EvaluationFigures":
        classes = len(self.per_class)
        if len(self.confusion_matrix) != classes or any(len(row) != classes for row in self.confusion_matrix):
            raise ValueError("confusion_matrix must have a row and a column for each class")
        return self


class Metrics(Told):
    """All of it; other keys are evaluations of other data."""

    training: TrainingFigures | None = None
    train: EvaluationFigures | None = None
    validation: EvaluationFigures | None = None
    test: EvaluationFigures | None = None
    held_out: EvaluationFigures | None = None
