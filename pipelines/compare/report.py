"""The comparison in the terminal and as JSON."""

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from pipelines.compare.comparison import ACTIVATIONS, GRADIENTS, Comparison
from pipelines.compare.differences import NUDGE, Difference
from pipelines.console import console, table
from pipelines.files import write_json
from pipelines.machine import versions
from pipelines.parsing import Told

SHOWN_STEPS = 10
COLUMNS = ["largest difference", "as a share", "judged"]
LEGEND = (
    "as a share: of the largest value in Keras; by rounding alone: how far a copy of our own model is, whose weights "
    f"were moved by {NUDGE:.0e}; judged: above a limit is more than rounding"
)


def print_comparison(comparison: Comparison) -> None:
    """Print everything as tables, and the verdict last."""
    rows = [_cells(entry, ACTIVATIONS) for entry in comparison.activations]
    console.print(table("activations of each layer", ["layer", "kind", *COLUMNS], rows))
    if comparison.gradients:
        rows = [_cells(entry, GRADIENTS) for entry in comparison.gradients]
        console.print(table("gradients by each weight, in training, in float64", ["weight", "shape", *COLUMNS], rows))
    if comparison.trajectory is not None:
        _print_trajectory(comparison)
    if comparison.speed:
        rows = [
            [
                entry.what,
                f"{1e3 * entry.ours:.3f}",
                f"{1e3 * entry.theirs:.3f}",
                f"{entry.theirs / entry.ours:.2f}x",
            ]
            for entry in comparison.speed
        ]
        console.print(table("milliseconds, the median of turns", ["", "scratchnet", "Keras", "Keras takes"], rows))
    console.print(LEGEND)
    for note in comparison.notes:
        console.print(f"note: {note}")
    console.print(f"\n{comparison.verdict}")


def _cells(entry: Difference, tolerance: float) -> list[str]:
    judged = _judged(entry.relative, tolerance)
    return [entry.name, entry.kind, f"{entry.largest:.1e}", f"{entry.relative:.1e}", judged]


def _judged(relative: float, tolerance: float) -> str:
    return "same" if relative <= tolerance else f"above {tolerance:.0e}"


def _print_trajectory(comparison: Comparison) -> None:
    trajectory = comparison.trajectory
    assert trajectory is not None
    steps = len(trajectory.ours)
    shown = sorted({int(step) for step in np.linspace(0, steps - 1, min(SHOWN_STEPS, steps))})
    apart, rounding = trajectory.apart(), trajectory.rounding()
    rows = [
        [
            str(step + 1),
            f"{trajectory.ours[step]:.6f}",
            f"{trajectory.theirs[step]:.6f}",
            f"{apart[step]:.1e}",
            f"{rounding[step]:.1e}",
            _judged(apart[step], comparison.loss_tolerance),
        ]
        for step in shown
    ]
    columns = ["step", "scratchnet", "Keras", "apart, as a share", "by rounding alone", "judged"]
    console.print(table(f"losses of {steps} training steps on the same batches", columns, rows))


Written = float | Literal["inf", "-inf", "nan"]  # JSON has no numbers for some


class DifferenceEntry(Told):
    """Two arrays that should be one."""

    relative: Written


class LossEntry(Told):
    """The training of both."""

    ours: list[Any]
    apart: Annotated[list[Written], Field(min_length=1)]


class SpeedEntry(Told):
    """Seconds of both."""

    what: str
    ours: Annotated[float, Field(gt=0)]
    theirs: Annotated[float, Field(gt=0)]


class Tolerances(Told):
    """What is more than rounding."""

    activations: float
    gradients: float
    losses: float


class CompareFile(Told):
    """What `write_comparison` writes, as far as it is read again."""

    verdict: str
    notes: list[str]
    tolerances: Tolerances
    activations: list[DifferenceEntry]
    gradients: list[DifferenceEntry]
    training: LossEntry | None
    seconds: list[SpeedEntry]


def write_comparison(comparison: Comparison, path: Path, **about: Any) -> None:
    """Write every figure as JSON, whole or not at all.

    Args:
        comparison: what was found.
        path: of the file.
        about: what was compared, on which data.
    """
    trajectory = comparison.trajectory
    content = {
        **about,
        "same": comparison.fault is None,
        "verdict": comparison.verdict,
        "notes": comparison.notes,
        "tolerances": {
            "activations": ACTIVATIONS,
            "gradients": GRADIENTS,
            "losses": comparison.loss_tolerance,
        },
        "activations": [entry._asdict() for entry in comparison.activations],
        "gradients": [entry._asdict() for entry in comparison.gradients],
        "training": None
        if trajectory is None
        else {**trajectory._asdict(), "apart": trajectory.apart(), "rounding": trajectory.rounding()},
        "seconds": [entry._asdict() for entry in comparison.speed],
        "versions": versions(),
    }
    write_json(path, _valid(content))


def _valid(value: Any) -> Any:
    """The same with words for infinity and NaN, for which JSON has no numbers."""
    if isinstance(value, dict):
        return {key: _valid(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_valid(entry) for entry in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
