"""What run folders hold, read once and made ready for the sections of a report."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import scratchnet as sn
from pipelines.compare.report import CompareFile
from pipelines.crossval.folder import CrossvalFolder
from pipelines.crossval.results import HELD_OUT
from pipelines.data.errors import DataError
from pipelines.data.sample import Sample, Source
from pipelines.engines import Engine
from pipelines.errors import UserError
from pipelines.parsing import checked, read_json
from pipelines.recipe import Recipe
from pipelines.recipe_files import parse_recipe
from pipelines.report.wording import readable
from pipelines.run import Run, open_model

PARTS = ("train", "validation", "test")
ENGINES = {"scratch": "scratchnet", "keras": "Keras"}


@dataclass(frozen=True, eq=False)
class RunMaterial:
    """One run.

    Attributes:
        run: its folder.
        label: what it is called on the page, unlike that of any other run there.
        config: as it was started.
        engine: `scratch` or `keras`.
        recipe: what was trained.
        metrics: what has been measured; empty before the training has ended.
        history: the figures of each epoch by name; empty before the first has ended.
        split: (sample's name, class, part) of all that were divided.
        fold: its number in a cross-validation, from 1; None for a run by itself.
    """

    run: Run
    label: str
    config: Mapping[str, Any]
    engine: Engine
    recipe: Recipe
    metrics: Mapping[str, Any]
    history: Mapping[str, list[float]]
    split: Sequence[tuple[str, str, str]] = field(repr=False)
    fold: int | None = None

    @property
    def path(self) -> str:
        """The folder as it was named, for commands."""
        return str(self.run.folder)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in label order, as they are called in the data."""
        return tuple(self.config["classes"])

    @property
    def engine_name(self) -> str:
        """The engine as readers know it."""
        return ENGINES[self.engine]

    @property
    def epochs(self) -> int:
        """How often the training went through its images, so far."""
        return len(self.history.get("loss", []))

    @property
    def training(self) -> Mapping[str, Any]:
        """What the training took, and what ended it; empty before it has ended."""
        return self.metrics.get("training") or {}

    @property
    def best_epoch(self) -> int | None:
        """The epoch that was kept, from 1; None before the training has ended."""
        return self.training.get("best_epoch")

    def measured(self, part: str) -> Mapping[str, Any] | None:
        """The evaluation of a part; None if there is none."""
        found = self.metrics.get(part)
        return found if isinstance(found, dict) and "confusion_matrix" in found else None

    @property
    def measured_parts(self) -> list[str]:
        """What was evaluated: the test first, then validation, then other data in the order of their evaluation."""
        known = [part for part in ("test", HELD_OUT, "validation", "train") if self.measured(part)]
        return known + [part for part in self.metrics if part not in known and self.measured(part)]

    @property
    def judged_part(self) -> str | None:
        """The part whose figures are the run's: the test, else what else was evaluated; None if nothing was."""
        return next(iter(self.measured_parts), None)

    def counts(self) -> dict[str, list[int]]:
        """Images of each class, in label order, by part."""
        found = Counter((part, name) for _, name, part in self.split)
        return {
            part: [found[part, name] for name in self.class_names]
            for part in PARTS
            if any(found[part, name] for name in self.class_names)
        }

    @cached_property
    def model(self) -> sn.Model | None:
        """The model that was kept; None before the first epoch has ended."""
        return open_model(self.run.folder) if self.run.model_path.exists() else None

    @cached_property
    def network(self) -> sn.Model:
        """The model, or the same layers with fresh weights where there is no model yet."""
        return self.model or self.recipe.build_model(self.class_names)

    @cached_property
    def data(self) -> "RunData":
        """The run's images, as far as they are still there."""
        try:
            return RunData(self.run.open_data(), self.split)
        except (DataError, OSError) as error:
            return RunData(None, self.split, readable(str(error)))

    @cached_property
    def comparison(self) -> Mapping[str, Any] | None:
        """What `scratchnet compare` found; None if it was not asked."""
        path = self.run.folder / "compare" / "compare.json"
        if not path.exists():
            return None
        remedy = "run scratchnet compare again"
        content: dict[str, Any] = read_json(path, remedy)
        checked(content, CompareFile, path, remedy)
        return content


class RunData:
    """A run's images where they can be read again.

    Args:
        source: the data; None if they are not there.
        split: (sample's name, class, part).
        fault: why they are not there.

    Attributes:
        samples: those that are there, in the order of the split, each with the part of the run as its `split`.
        missing: how many are not.
    """

    def __init__(self, source: Source | None, split: Sequence[tuple[str, str, str]], fault: str = "") -> None:
        self.source = source
        self.fault = fault
        there = {sample.name: sample for sample in source.samples} if source else {}
        self.samples = [
            Sample(name, there[name].label, part, there[name].group) for name, _, part in split if name in there
        ]
        self.missing = len(split) - len(self.samples)
        if source and not self.samples:
            self.source, self.fault = None, "none of the images that the run was made of is in the data any more"

    def part(self, part: str) -> list[Sample]:
        """The samples of a part."""
        return [sample for sample in self.samples if sample.split == part]


@dataclass(frozen=True, eq=False)
class StudyMaterial:
    """One cross-validation.

    Attributes:
        files: of its folder.
        label: what it is called on the page.
        config: as it was started.
        recipe: what was trained.
        folds: the runs of the folds that have been begun, by number from 1.
        results: of all folds together; None before the last is done.
    """

    files: CrossvalFolder
    label: str
    config: Mapping[str, Any]
    recipe: Recipe
    folds: Mapping[int, "RunMaterial"]
    results: Mapping[str, Any] | None

    @property
    def path(self) -> str:
        """The folder as it was named, for commands."""
        return str(self.files.folder)

    @property
    def engine_name(self) -> str:
        """The engine as readers know it."""
        return ENGINES[str(self.config["engine"])]


@dataclass(frozen=True)
class Material:
    """Everything that a report is of.

    Attributes:
        runs: trained by themselves.
        studies: cross-validations.
    """

    runs: Sequence[RunMaterial]
    studies: Sequence[StudyMaterial]

    @property
    def examples(self) -> list[RunMaterial]:
        """The runs, and for each cross-validation its first fold, which shows what all folds share."""
        return [*self.runs, *(study.folds[min(study.folds)] for study in self.studies if study.folds)]

    @property
    def everything(self) -> "list[RunMaterial | StudyMaterial]":
        """The runs, then the cross-validations."""
        return [*self.runs, *self.studies]


def gather(folders: Sequence[Path]) -> Material:
    """Read folders of runs and of cross-validations.

    Raises:
        UserError: one of them is neither, or something in it is damaged.
    """
    runs, studies = [], []
    for folder, label in zip(folders, _labels(folders), strict=True):
        if CrossvalFolder(folder).is_started:
            studies.append(_gather_study(folder, label))
        else:
            runs.append(_gather_run(folder, label))
    return Material(runs, studies)


def _gather_study(path: Path, label: str) -> StudyMaterial:
    folder = CrossvalFolder(path)
    config = folder.config()
    folds = {
        number: _gather_run(folder.run(number).folder, f"{label}, fold {number}", number)
        for number in range(1, config["folds"] + 1)
        if folder.run(number).config_path.exists()
    }
    recipe = parse_recipe(config["recipe"], f"of {path}")
    return StudyMaterial(folder, label, config, recipe, folds, config.get("results"))


def _labels(folders: Sequence[Path]) -> list[str]:
    # as much of the end of each path as tells it from the others
    parts = [readable(str(folder.resolve())).strip("/").split("/") for folder in folders]
    if len({tuple(path) for path in parts}) < len(parts):
        raise UserError("the same run is named twice; name each once")
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(path[-depth:]) for path in parts]
        if len(set(names)) == len(names):
            break
    return names


def _gather_run(folder: Path, label: str, fold: int | None = None) -> RunMaterial:
    run = Run(folder)
    history = run.history() if run.history_path.exists() else {}
    return RunMaterial(run, label, run.config(), run.engine, run.recipe, run.metrics(), history, run.split(), fold)
