"""What came out, up front."""

from collections.abc import Sequence

from pipelines.report.blocks import Block, Remark, Section, Text, Tile, Tiles
from pipelines.report.commands import evaluate_command, train_command
from pipelines.report.material import RunMaterial
from pipelines.report.wording import counted, decimal, decimal_interval, percent, percent_interval, points, readable

EXPRESSION = (
    "Recognising emotion from a face here means recognising an apparent expression, as annotators named it. It says "
    "little about what a person feels. People who label FER-2013 again agree with its labels in 65 ± 5% of the cases "
    "(Goodfellow et al., Challenges in Representation Learning, 2013). The figures hold for images like the ones that "
    "were measured, and for nobody's feelings."
)


def overview_section(runs: Sequence[RunMaterial]) -> Section:
    """The main figures of each run, a sentence of them, and what faces can tell."""
    blocks: list[Block] = []
    for run in runs:
        blocks += _one(run, several=len(runs) > 1)
    return Section("What came out", "overview", [*blocks, Text(EXPRESSION)])


def _one(run: RunMaterial, several: bool) -> list[Block]:
    part = run.judged_part
    name = f"{run.label}: " if several else ""
    if part is None:
        state = (
            f"its training was interrupted after {counted(run.epochs, 'epoch')}"
            if run.epochs
            else "its training was interrupted before the first epoch had ended"
        )
        return [Remark(f"{name}Nothing has been measured, because {state}. To go on, repeat its command:", train_command(run))]
    figures = run.measured(part) or {}
    intervals = figures.get("intervals", {})
    shown = f"{part} " if part in ("test", "validation", "train") else ""
    tiles = [
        Tile(
            percent(figures["accuracy"]),
            f"{name}{shown}accuracy",
            f"95% interval {percent_interval(intervals.get('accuracy'))}" if intervals.get("accuracy") else "",
        ),
        Tile(
            decimal(figures["macro_f1"]),
            f"{name}{shown}macro F1",
            f"95% interval {decimal_interval(intervals.get('macro_f1'))}" if intervals.get("macro_f1") else "",
        ),
    ]
    tiles += _training_tiles(run, name)
    return [Tiles(tiles), Text(_sentence(run, part)), *_warnings(run, part)]


def _training_tiles(run: RunMaterial, name: str) -> list[Tile]:
    training = run.metrics.get("training")
    tiles = [Tile(f"{run.network.count_params():,}", f"{name}weights", run.recipe.name)]
    if training:
        best = f"the kept one is number {training['best_epoch']}"
        tiles.append(Tile(f"{training['epochs']:,}", f"{name}epochs", f"{best}; {run.engine_name}"))
    return tiles


def _sentence(run: RunMaterial, part: str) -> str:
    figures = run.measured(part) or {}
    accuracy, images = figures["accuracy"], figures["images"]
    sentence = (
        f"{run.label}: the recipe {run.recipe.name}, trained with {run.engine_name}, names the class of "
        f"{percent(accuracy)} of {counted(images, f'{readable(part)} image')} rightly."
    )
    published = run.recipe.published
    if published is not None and part in published.accuracy:
        theirs = published.accuracy[part]
        sentence += f" {published.system} reports {percent(theirs)}: {points(accuracy, theirs)}."
    return sentence


def _warnings(run: RunMaterial, part: str) -> list[Block]:
    if part == "test":
        return []
    blocks: list[Block] = []
    if run.counts().get("test"):
        test = f"{run.label}: test images have not been looked at. To measure on them:"
        blocks.append(Remark(test, evaluate_command(run)))
    if part == "validation" and run.recipe.training.selects:
        blocks.append(
            Remark("The validation images have chosen the epoch that was kept, so figures on them are a little too good.")
        )
    return blocks

