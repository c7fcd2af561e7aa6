"""What others have reported of the same system, beside what was measured here."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.evaluation.published import published_figures
from pipelines.recipe import Published
from pipelines.report.blocks import Block, Remark, Section, Table, Text
from pipelines.report.commands import evaluate_command, shell
from pipelines.report.material import RunMaterial
from pipelines.report.sections.processing import alike
from pipelines.report.wording import UNKNOWN, decimal, listed, percent, points, readable

_PARTS = ("train", "validation", "test")


def published_section(runs: Sequence[RunMaterial]) -> Section:
    """Published figures of each recipe that has some, beside those of its runs."""
    groups = alike([run for run in runs if run.recipe.published], lambda run: run.recipe.published)
    if not groups:
        names = listed(sorted({run.recipe.name for run in runs}))
        text = (
            f"The recipe {names} names no published figures; the table [published] in a recipe's TOML holds them."
            if len({run.recipe.name for run in runs}) == 1
            else f"None of the recipes {names} names published figures; the table [published] in a TOML holds them."
        )
        return Section("Published figures", "published", [Text(text)])
    parts = []
    for group in groups:
        published = group[0].recipe.published
        assert published is not None
        parts.append((f"{published.system}", _blocks(published, group)))
    if len(parts) == 1:
        return Section("Published figures", "published", parts[0][1])
    return Section("Published figures", "published", [], [Section(title, "", blocks) for title, blocks in parts])


def _blocks(published: Published, runs: Sequence[RunMaterial]) -> list[Block]:
    blocks: list[Block] = [Text(f"Source: {published.system}. {published.note}".strip())]
    rows = [row for part in _PARTS if (row := _accuracy(published, part, runs)) is not None]
    if published.macro_f1 is not None:
        rows.append(
            ["test macro F1", decimal(published.macro_f1), *_cells(runs, "macro_f1", published.macro_f1, decimal)]
        )
    headings = ["figure", "published", *(run.label for run in runs)]
    if rows:
        blocks.append(Table("Figures of the authors, and ours with the distance from theirs.", headings, rows))
    for key, name in (("f1", "F1"), ("recall", "Recall")):
        theirs: dict[str, float] = {}
        for run in runs:
            found = published_figures(run.run, "test")
            theirs |= getattr(found, key) if found else {}
        if theirs:
            blocks.append(_by_class(key, name, theirs, runs))
    if published.folds:
        blocks.append(_folds(published))
    for run in runs:
        if published.accuracy.get("test") is not None and not run.measured("test"):
            blocks.append(Remark(f"{run.label} has not been measured on test images; to do so:", evaluate_command(run)))
        if published.accuracy.get("train") is not None and not run.measured("train"):
            command = shell("evaluate", run.path, "--split", "train")
            blocks.append(Remark(f"{run.label} has not been measured on its training images; to do so:", command))
    blocks.append(
        Text("Images and their division differ from the authors', so small distances between figures mean nothing.")
    )
    return blocks


def _accuracy(published: Published, part: str, runs: Sequence[RunMaterial]) -> list[str] | None:
    theirs = dict(published.accuracy).get(part)  # type: ignore[call-overload]
    if theirs is None:
        return None
    cells = []
    for run in runs:
        figures = run.measured(part)
        cells.append(f"{percent(figures['accuracy'])} ({points(figures['accuracy'], theirs)})" if figures else UNKNOWN)
    return [f"{part} accuracy", percent(theirs), *cells]


def _cells(runs: Sequence[RunMaterial], key: str, theirs: float, wording: Any) -> list[str]:
    cells = []
    for run in runs:
        figures = run.measured("test")
        cells.append(
            f"{wording(figures[key])} ({figures[key] - theirs:+.3f})".replace("-", "\N{MINUS SIGN}")
            if figures
            else UNKNOWN
        )
    return cells


def _by_class(key: str, name: str, theirs: Mapping[str, float], runs: Sequence[RunMaterial]) -> Table:
    rows = []
    for class_name, value in theirs.items():
        cells = []
        for run in runs:
            figures = (run.measured("test") or {}).get("per_class", {}).get(class_name, {})
            cells.append(decimal(figures.get(key)))
        rows.append([readable(class_name), decimal(value), *cells])
    return Table(f"{name} of each class on test images.", ["class", "published", *(run.label for run in runs)], rows)


def _folds(published: Published) -> Table:
    mean = sum(published.folds) / len(published.folds)
    rows = [[f"fold {number}", percent(value)] for number, value in enumerate(published.folds, 1)]
    return Table("Accuracies of the authors' cross-validation.", ["", "published"], [*rows, ["mean", percent(mean)]])
