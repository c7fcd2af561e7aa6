"""Whether a network is the same function in Keras, as `scratchnet compare` has found."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.report.blocks import Block, Remark, Section, Table, Text
from pipelines.report.commands import shell
from pipelines.report.material import RunMaterial
from pipelines.report.pictures import embed_file
from pipelines.report.wording import readable

_PICTURES = {
    "activations.png": "Largest difference of each layer's activations from Keras's, as a share of the largest.",
    "gradients.png": "The same of the gradient by each weight, computed in float64.",
    "training.png": "Losses of training steps on the same batches, and how far they are apart; beside them, what "
    "rounding alone does.",
    "times.png": "Time of a training step and of an image.",
}


def twin_section(runs: Sequence[RunMaterial]) -> Section:
    """The comparison of each run that has one."""
    if len(runs) == 1:
        return Section("Beside the Keras twin", "twin", _blocks(runs[0]))
    parts = [Section(run.label, "", _blocks(run)) for run in runs if run.comparison is not None]
    without = [run for run in runs if run.comparison is None]
    blocks: list[Block] = [_missing(without[0])] if without and not parts else []
    return Section("Beside the Keras twin", "twin", blocks, parts)


def _blocks(run: RunMaterial) -> list[Block]:
    if run.comparison is None:
        return [_missing(run)]
    folder = run.run.folder / "compare"
    return [*_compared(run.comparison), *_drawn(folder)]


def _compared(found: Mapping[str, Any]) -> list[Block]:
    rows = [["activations, layers", *_row(found["activations"], found["tolerances"]["activations"])]]
    if found["gradients"]:
        rows.append(["gradients, weights", *_row(found["gradients"], found["tolerances"]["gradients"])])
    training = found["training"]
    if training is not None:
        apart = max(map(float, training["apart"]))
        limit = found["tolerances"]["losses"]
        rows.append(["losses, training steps", str(len(training["ours"])), f"{apart:.1e}", f"{limit:.1e}"])
    headings = ["", "compared", "largest difference, as a share", "more than rounding from"]
    blocks: list[Block] = [
        Text(readable(found["verdict"])),
        Table("The network here and its twin in Keras, with the same weights and images.", headings, rows),
    ]
    if found["seconds"]:
        blocks.append(_times(found["seconds"]))
    return [*blocks, *(Text(f"Note: {readable(note)}.") for note in found["notes"])]


def _drawn(folder: Path) -> list[Block]:
    return [
        embed_file(folder / name, caption, caption) for name, caption in _PICTURES.items() if (folder / name).exists()
    ]


def _missing(run: RunMaterial) -> Remark:
    return Remark("Whether this network is the same function in Keras is shown by:", shell("compare", run.path))


def _row(found: Sequence[Mapping[str, Any]], tolerance: float) -> list[str]:
    largest = max((float(entry["relative"]) for entry in found), default=math.nan)
    return [f"{len(found):,}", f"{largest:.1e}", f"{tolerance:.0e}"]


def _times(seconds: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        [
            entry["what"],
            f"{1e3 * entry['ours']:.3f}",
            f"{1e3 * entry['theirs']:.3f}",
            f"{entry['theirs'] / entry['ours']:.2f}",
        ]
        for entry in seconds
    ]
    return Table("Milliseconds, the median of turns.", ["", "scratchnet", "Keras", "Keras takes so many times"], rows)
