"""What came out, up front."""

from collections.abc import Sequence

from pipelines.crossval.results import HELD_OUT
from pipelines.evaluation.published import caveats, told_caveats
from pipelines.recipe import Published
from pipelines.report.blocks import Block, Remark, Section, Text, Tile, Tiles
from pipelines.report.commands import evaluate_command, train_command
from pipelines.report.material import PARTS, RunMaterial, StudyMaterial
from pipelines.report.sections.curves import seconds_per_epoch
from pipelines.report.wording import (
    counted,
    decimal,
    decimal_interval,
    duration,
    percent,
    percent_interval,
    points,
    readable,
)
from pipelines.started import StartedFolder

EXPRESSION = (
    "Recognising emotion from a face here means recognising an apparent expression, as annotators named it. It says "
    "little about what a person feels. People who label FER-2013 again agree with its labels in 65 ± 5% of the cases "
    "(Goodfellow et al., Challenges in Representation Learning, 2013). The figures hold for images like the ones that "
    "were measured, and are no ground for judging people."
)


def overview_section(runs: Sequence[RunMaterial], studies: Sequence[StudyMaterial]) -> Section:
    """The main figures of each run and each cross-validation, a sentence of them, and what faces can tell."""
    title, anchor = "What came out", "overview"
    sections = [
        *(Section(run.label, "", _one(run)) for run in runs),
        *(Section(study.label, "", _study(study)) for study in studies),
    ]
    if len(sections) == 1:
        return Section(title, anchor, [*sections[0].blocks, Text(EXPRESSION)])
    return Section(title, anchor, [], [*sections, Section("What such figures mean", "", [Text(EXPRESSION)])])


def _one(run: RunMaterial) -> list[Block]:
    part = run.judged_part
    if part is None:
        state = (
            f"its training was interrupted after {counted(run.epochs, 'epoch')}"
            if run.epochs
            else "its training was interrupted before the first epoch had ended"
        )
        return [
            Remark(f"Nothing has been measured, because {state}. To go on, repeat its command:", train_command(run))
        ]
    figures = run.measured(part) or {}
    intervals = figures.get("intervals", {})
    shown = _prefix(part)
    tiles = [
        Tile(
            percent(figures["accuracy"]),
            f"{shown}accuracy",
            f"95% interval {percent_interval(intervals.get('accuracy'))}" if intervals.get("accuracy") else "",
        ),
        Tile(
            decimal(figures["macro_f1"]),
            f"{shown}macro F1",
            f"95% interval {decimal_interval(intervals.get('macro_f1'))}" if intervals.get("macro_f1") else "",
        ),
    ]
    return [Tiles([*tiles, *_training_tiles(run)]), Text(_sentence(run, part)), *_warnings(run, part)]


def _study(study: StudyMaterial) -> list[Block]:
    results = study.results
    if results is None:
        return [Remark("The cross-validation was interrupted. The same command goes on:", train_command(study))]
    mean, deviation = results["mean"], results["standard_deviation"]
    folds = counted(len(results["folds"]), "fold")
    tiles = [
        Tile(percent(mean["accuracy"]), "held-out accuracy, mean", f"± {percent(deviation['accuracy'])} over {folds}"),
        Tile(decimal(mean["macro_f1"]), "held-out macro F1, mean", f"± {decimal(deviation['macro_f1'])} over {folds}"),
        Tile(f"{results['pooled']['images']:,}", "held-out images", "each judged once, by a network that never saw it"),
    ]
    said = (
        f"The recipe {study.recipe.name}, trained with {study.engine_name} once for each of {folds}, names the class "
        f"of {percent(mean['accuracy'])} of the held-out images rightly, in the mean of the folds."
    )
    published = study.recipe.published
    if published is not None and published.folds:
        theirs = sum(published.folds) / len(published.folds)
        said += f" {published.system} reports {percent(theirs)}: {points(mean['accuracy'], theirs)}."
        said += caveat(published, study.files)
    return [Tiles(tiles), Text(said)]


def _training_tiles(run: RunMaterial) -> list[Tile]:
    tiles = [Tile(f"{run.network.count_params():,}", "parameters", f"recipe {run.recipe.name}")]
    if run.best_epoch is not None:
        seconds = duration(seconds_per_epoch(run))
        kept = f"number {run.best_epoch} was kept; {seconds} each with {run.engine_name}"
        tiles.append(Tile(f"{run.epochs:,}", "epochs", kept))
    return tiles


def _prefix(part: str) -> str:
    """What stands before the name of a figure; nothing for other data than the run's own."""
    return {HELD_OUT: "held-out "}.get(part, f"{part} " if part in PARTS else "")


def _sentence(run: RunMaterial, part: str) -> str:
    figures = run.measured(part) or {}
    accuracy, images = figures["accuracy"], figures["images"]
    sentence = (
        f"The recipe {run.recipe.name}, trained with {run.engine_name}, names the class of "
        f"{percent(accuracy)} of {counted(images, f'{_prefix(part)}image')} rightly."
    )
    published = run.recipe.published
    if published is not None and part in published.accuracy:
        theirs = published.accuracy[part]
        sentence += f" {published.system} reports {percent(theirs)}: {points(accuracy, theirs)}."
        sentence += caveat(published, run.run)
    if ended := run.training.get("ended"):
        sentence += f" Training {readable(ended)}."
    return sentence


def caveat(published: Published, folder: StartedFolder) -> str:
    """A sentence, after a space, of why figures cannot be compared with published ones; empty if they can."""
    found = caveats(published, folder)
    return f" This is {readable(told_caveats(found))}." if found else ""


def _warnings(run: RunMaterial, part: str) -> list[Block]:
    if part == "test":
        return []
    blocks: list[Block] = []
    if run.counts().get("test"):
        blocks.append(Remark("The test images have not been looked at. To measure on them:", evaluate_command(run)))
    if part == "validation" and run.recipe.training.selects:
        blocks.append(
            Remark(
                "The validation images have chosen the epoch that was kept, which flatters figures on them a little."
            )
        )
    return blocks
