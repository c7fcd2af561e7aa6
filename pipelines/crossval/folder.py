"""The folder of a cross-validation: everything that it leaves behind.

crossval.json            the resolved recipe, folds, seed, data and versions; the figures when all folds are done
split.csv                which sample is held out by which fold, or set aside
fold_1/ fold_2/ ...      a run folder per fold; predictions_held_out.csv in it has what its network says of the images
                         that were held out, and "held_out" in metrics.json its figures
folds.csv                the figures of each fold, their mean and standard deviation
accuracy_per_fold.png loss_per_fold.png fold_accuracies.png confusion_matrix.png
"""

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from pipelines.crossval.folds import Folds
from pipelines.files import write_json
from pipelines.measured import EvaluationFigures
from pipelines.parsing import Count, Share, Told
from pipelines.run import Run
from pipelines.started import Settings, StartedFolder, describe_parts

FIGURES = ("accuracy_per_fold.png", "loss_per_fold.png", "fold_accuracies.png", "confusion_matrix.png")


class FoldFigures(Told):
    """What one fold measured."""

    fold: Count
    images: Count
    epochs: Count
    epoch: Count
    accuracy: Share
    macro_f1: Share
    loss: float
    seconds: float


class Averages(Told):
    """Over the folds."""

    accuracy: float
    macro_f1: float
    loss: float


class Results(Told):
    """What all folds measured; see `pipelines.crossval.results.Summary`."""

    folds: Annotated[list[FoldFigures], Field(min_length=2)]
    mean: Averages
    standard_deviation: Averages
    pooled: EvaluationFigures


class CrossvalSettings(Settings):
    """What a cross-validation is started with, and its results."""

    folds: Annotated[Count, Field(ge=2)]
    grouped: bool
    inner_validation: float | None
    protocol: str
    results: Results | None = None


class CrossvalFolder(StartedFolder):
    """The files of one cross-validation."""

    kind = "cross-validation"
    format = "scratchnet crossval"
    config_name = "crossval.json"
    settings = CrossvalSettings

    def __init__(self, folder: Path) -> None:
        """Nothing is read or written yet."""
        super().__init__(folder)
        self.table_path = folder / "folds.csv"

    def run(self, fold: int) -> Run:
        """The run of a fold, from 1."""
        return Run(self.folder / f"fold_{fold}")

    @property
    def finished(self) -> bool:
        """Whether all folds are done and summed up."""
        return "results" in self.config()

    def finish(self, **results: Any) -> None:
        """Put the figures beside the configuration."""
        write_json(self.config_path, {**self.config(), **results})

    def clear(self) -> None:
        """Delete what a cross-validation writes, and nothing else."""
        for path in self.folder.glob("fold_*"):
            if Run(path).is_started:
                Run(path).clear()
                with suppress(OSError):  # there may be something of the user's
                    path.rmdir()
        # the configuration last: until then an interrupted deletion can be repeated
        for path in (self.table_path, *(self.folder / name for name in FIGURES), self.split_path, self.config_path):
            path.unlink(missing_ok=True)


def describe_folds(folds: Folds, class_names: tuple[str, ...]) -> str:
    """Which sample is held out by which fold, or set aside for the test, as csv."""
    held_out = {f"fold_{number}": samples for number, samples in enumerate(folds.held_out, 1)}
    return describe_parts({**held_out, "test": folds.test}, class_names)
