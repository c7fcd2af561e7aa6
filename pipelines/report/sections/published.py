"""What others have reported of the same system, beside what was measured here."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.evaluation.published import caveats, published_figures, told_caveats
from pipelines.recipe import Published
from pipelines.report.blocks import Block, Remark, Section, Table, Text
from pipelines.report.commands import evaluate_command
from pipelines.report.material import PARTS, Material, RunMaterial, StudyMaterial
from pipelines.report.sections.processing import alike
from pipelines.report.wording import UNKNOWN, decimal, listed, percent, points, readable


def published_section(material: Material) -> Section:
    """Published figures of each recipe that has some, beside those of its runs and cross-validations."""
    everything = material.everything
    groups = alike([each for each in everything if each.recipe.published], lambda each: each.recipe.published)
    if not groups:
        names = sorted({each.recipe.name for each in everything})
        whose = f"The recipe {names[0]} names no" if len(names) == 1 else f"None of the recipes {listed(names)} names"
        text = f"{whose} published figures; the table [published] in a recipe's TOML holds them."
        return Section("Published figures", "published", [Text(text)])
    parts = []
    for group in groups:
        published = group[0].recipe.published
        assert published is not None
        parts.append((published.system, _blocks(published, group)))
    if len(parts) == 1:
        return Section("Published figures", "published", parts[0][1])
    return Section("Published figures", "published", [], [Section(title, "", blocks) for title, blocks in parts])


def _blocks(published: Published, everything: Sequence[RunMaterial | StudyMaterial]) -> list[Block]:
    runs = [each for each in everything if isinstance(each, RunMaterial)]
    studies = [each for each in everything if isinstance(each, StudyMaterial)]
    blocks: list[Block] = [Text(f"Source: {published.system}. {published.note}".strip())]
    for each in everything:
        if reasons := caveats(published, each.files if isinstance(each, StudyMaterial) else each.run):
            blocks.append(Remark(f"{each.label} is {readable(told_caveats(reasons))}."))
    rows = [row for part in PARTS if (row := _accuracy(published, part, runs)) is not None]
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
        blocks.append(_folds(published, studies))
    for run in runs:
        if published.accuracy.get("test") is not None and not run.measured("test"):
            blocks.append(Remark(f"{run.label} has not been measured on test images; to do so:", evaluate_command(run)))
        if published.accuracy.get("train") is not None and not run.measured("train"):
            command = evaluate_command(run, "train")
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


def _folds(published: Published, studies: Sequence[StudyMaterial]) -> Table:
    mean = sum(published.folds) / len(published.folds)
    rows = [[f"fold {number}", percent(value)] for number, value in enumerate(published.folds, 1)]
    rows.append(["mean", percent(mean)])
    for study in studies:
        folds = study.results["folds"] if study.results else []
        values = [fold["accuracy"] for fold in folds][: len(published.folds)]
        cells = [*map(percent, values), *[UNKNOWN] * (len(published.folds) - len(values))]
        ours = study.results["mean"]["accuracy"] if study.results else None
        cells.append(UNKNOWN if ours is None else f"{percent(ours)} ({points(ours, mean)})")
        rows = [[*row, cell] for row, cell in zip(rows, cells, strict=True)]
    caption = "Accuracies of the folds of a cross-validation."
    return Table(caption, ["", "published", *(study.label for study in studies)], rows)
