"""The folder of a cross-validation: everything that it leaves behind.

crossval.json            the resolved recipe, folds, seed, data and versions; the figures when all folds are done
split.csv                which sample is held out by which fold, or set aside
fold_1/ fold_2/ ...      a run folder per fold; predictions_held_out.csv in it has what its network says of the images
                         that were held out, and "held_out" in metrics.json its figures
folds.csv                the figures of each fold, their mean and standard deviation
accuracy_per_fold.png loss_per_fold.png fold_accuracies.png confusion_matrix.png
"""

import csv
import io
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipelines.crossval.folds import Folds
from pipelines.errors import UserError
from pipelines.files import write_json, write_text
from pipelines.run import TEXT, Run, versions

FORMAT = "scratchnet crossval"
FIGURES = ("accuracy_per_fold.png", "loss_per_fold.png", "fold_accuracies.png", "confusion_matrix.png")


class CrossvalFolder:
    """The files of one cross-validation.

    Args:
        path: where they are.
    """

    def __init__(self, path: Path) -> None:
        """Nothing is read or written yet."""
        self.path = path
        self.config_path = path / "crossval.json"
        self.split_path = path / "split.csv"
        self.table_path = path / "folds.csv"

    def run(self, fold: int) -> Run:
        """The run of a fold, from 1."""
        return Run(self.path / f"fold_{fold}")

    def config(self) -> dict[str, Any]:
        """What it was started with, and its figures once it is finished.

        Raises:
            UserError: the folder is not a cross-validation's.
        """
        try:
            content: dict[str, Any] = json.loads(self.config_path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"{self.path} is not a cross-validation: it has no readable crossval.json") from error
        except ValueError as error:
            raise UserError(f"{self.config_path} is damaged: {error}") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise UserError(f"{self.config_path} is not a cross-validation's")
        return content

    @property
    def finished(self) -> bool:
        """Whether all folds are done and summed up."""
        return "results" in self.config()

    def start(self, config: dict[str, Any], split: str, overwrite: bool) -> bool:
        """Make the folder ready for a cross-validation of this configuration; nothing is written if it is refused.

        Args:
            config: what decides the result.
            split: from `describe_folds`.
            overwrite: whether an earlier cross-validation in this folder may be deleted.

        Returns:
            Whether an interrupted one of the same configuration goes on.

        Raises:
            UserError: the folder holds a finished one, one of another configuration or other data, or something else.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"{self.path} is a file; choose another --out")
        if self.path.is_dir() and any(self.path.iterdir()):
            if not self.config_path.exists():
                raise UserError(f"{self.path} is not empty and is not a cross-validation; choose another --out")
            if overwrite:
                self.config()
                self._clear()
            elif self.finished:
                raise UserError(
                    f"{self.path} holds a finished cross-validation; choose another --out, or pass --overwrite"
                )
            else:
                self._check_same(config, split)
                write_text(self.split_path, split)
                return True
        write_json(self.config_path, {"format": FORMAT, **config, "versions": versions()})
        write_text(self.split_path, split)
        return False

    def finish(self, **results: Any) -> None:
        """Put the figures beside the configuration."""
        write_json(self.config_path, {**self.config(), **results})

    def _clear(self) -> None:
        """Delete what a cross-validation writes, and nothing else."""
        for path in self.path.glob("fold_*"):
            if Run(path).is_run:
                Run(path).clear()
                with suppress(OSError):  # there may be something of the user's
                    path.rmdir()
        # the configuration last: until then an interrupted deletion can be repeated
        for path in (self.table_path, *(self.path / name for name in FIGURES), self.split_path, self.config_path):
            path.unlink(missing_ok=True)

    def _check_same(self, config: dict[str, Any], split: str) -> None:
        earlier = self.config()
        remedy = "choose another --out, or pass --overwrite"
        for key, value in json.loads(json.dumps(config)).items():
            if key not in ("origin", "changes") and earlier.get(key) != value:  # one recipe may come from two files
                raise UserError(
                    f"{self.path} holds an unfinished cross-validation with another {key}; "
                    f"repeat its command to go on, {remedy}"
                )
        if self.split_path.exists() and self.split_path.read_text(**TEXT) != split:
            raise UserError(
                f"the data have changed since the cross-validation in {self.path} was interrupted; restore them, "
                f"{remedy}"
            )


def describe_folds(folds: Folds, class_names: tuple[str, ...]) -> str:
    """Which sample is held out by which fold, or set aside for the test, as csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "class", "part"])
    for part, samples in (*((f"fold_{k}", part) for k, part in enumerate(folds.held_out, 1)), ("test", folds.test)):
        writer.writerows([sample.name, class_names[sample.label], part] for sample in samples)
    return text.getvalue()
