"""Single predictions: the most confident mistakes first, then right ones."""

from collections.abc import Sequence

import numpy as np

from pipelines.evaluation import load_predictions
from pipelines.evaluation.predictions import predictions_name
from pipelines.figures.samples import choose_mistakes, choose_right, draw_prediction_samples
from pipelines.report.blocks import Block, Remark, Section, Table, Text
from pipelines.report.commands import evaluate_command
from pipelines.report.illustrations import read_image
from pipelines.report.material import PARTS, RunMaterial
from pipelines.report.pictures import embed
from pipelines.report.wording import counted, percent, readable

MISTAKES, RIGHT = 24, 16
NAMED = 10


def samples_section(runs: Sequence[RunMaterial]) -> Section:
    """Predictions of each run."""
    if len(runs) == 1:
        return Section("Predictions", "predictions", _run(runs[0]))
    return Section("Predictions", "predictions", [], [Section(run.label, "", _run(run)) for run in runs])


def predicted_part(run: RunMaterial) -> str | None:
    """The part of the run's own data of which single predictions are kept, the test before others."""
    kept = [part for part in reversed(PARTS) if (run.run.folder / predictions_name(part)).exists()]
    return kept[0] if kept else None


def _run(run: RunMaterial) -> list[Block]:
    part = predicted_part(run)
    if part is None:
        if not run.run.model_path.exists():
            return [Remark("There are no predictions: the first epoch of the training has not ended yet.")]
        return [Remark("Single predictions have not been kept; they are written by:", evaluate_command(run))]
    found = load_predictions(run.run, part)
    names = [readable(name) for name in found.class_names]
    wrong = int((found.predicted != found.labels).sum())
    chosen = np.concatenate(
        [
            choose_mistakes(found.labels, found.probabilities, MISTAKES),
            choose_right(found.labels, found.probabilities, RIGHT, int(run.config["seed"])),
        ]
    )
    images = len(found.labels)
    share = percent(wrong / images)
    blocks: list[Block] = [Text(f"Of {counted(images, f'{part} image')}, {wrong:,} were named wrongly ({share}).")]
    if run.data.source is None:
        blocks.append(Remark(f"The images cannot be shown, because the data are not there: {run.data.fault}."))
    else:
        blocks += _picture(run, part, names, chosen.tolist())
    if wrong:
        blocks.append(_table(run, part, names, chosen[: min(wrong, NAMED)].tolist()))
    return blocks


def _picture(run: RunMaterial, part: str, names: list[str], chosen: list[int]) -> list[Block]:
    found = load_predictions(run.run, part)
    there = {sample.name: sample for sample in run.data.samples}
    shown, images = [], []
    for place in chosen:
        sample = there.get(found.names[place])
        image = read_image(run, sample) if sample is not None else None
        if image is not None:
            shown.append(place)
            images.append(image)
    if not shown:
        return [Remark("The images of the predictions can no longer be read.")]
    right = [place for place in shown if found.predicted[place] == found.labels[place]]
    figure = draw_prediction_samples(
        images,
        found.labels[shown].tolist(),
        found.predicted[shown].tolist(),
        found.probabilities[shown].max(axis=1).tolist(),
        names,
        f"{part}: the surest mistakes (red), and right predictions of all classes (green)",
    )
    mistakes = len(shown) - len(right)
    alt = (
        f"{counted(mistakes, 'wrong prediction')} in red frames, the most confident first, and "
        f"{counted(len(right), 'right one')} in green frames; below each what the network says, how sure it is, and "
        "the true class where it is another"
    )
    return [embed(figure, alt, "What the network says of single images, and how sure it is of that.", photographs=True)]


def _table(run: RunMaterial, part: str, names: list[str], mistakes: list[int]) -> Table:
    found = load_predictions(run.run, part)
    rows = [
        [
            readable(found.names[place]),
            names[found.labels[place]],
            names[found.predicted[place]],
            percent(float(found.probabilities[place].max())),
            percent(float(found.probabilities[place, found.labels[place]])),
        ]
        for place in mistakes
    ]
    headings = ["image", "true class", "prediction", "its probability", "that of the true class"]
    return Table("The most confident mistakes by name.", headings, rows, words=3)
