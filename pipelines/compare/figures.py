"""The pictures of a comparison."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipelines.compare.comparison import ACTIVATIONS, GRADIENTS, Comparison
from pipelines.compare.differences import Difference
from pipelines.compare.training import Speed, Trajectory
from pipelines.figures.saving import save_figure

NAMES = ("activations.png", "gradients.png", "training.png", "times.png")
SMALLEST = 1e-9  # where the axis begins; what does not differ at all has no logarithm
SMALLEST_EXACT = 1e-16  # the same for what was computed in float64
MOST_ROWS = 300  # of one figure, which is then some 70 inches high


def save_comparison(comparison: Comparison, folder: Path) -> list[Path]:
    """Draw activations.png, gradients.png, training.png and times.png, as far as there is anything to draw.

    Those of an earlier comparison go.

    Returns:
        The files.
    """
    drawn = {"activations.png": _differences(comparison.activations, "activations of each layer", ACTIVATIONS)}
    if comparison.gradients:
        drawn["gradients.png"] = _differences(
            comparison.gradients, "gradients by each weight, in float64", GRADIENTS, SMALLEST_EXACT
        )
    if comparison.trajectory is not None:
        drawn["training.png"] = _training(comparison.trajectory, comparison.loss_tolerance)
    if comparison.speed:
        drawn["times.png"] = _times(comparison.speed)
    for name in NAMES:
        if name in drawn:
            save_figure(drawn[name], folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
    return [folder / name for name in drawn]


def _differences(found: Sequence[Difference], what: str, tolerance: float, smallest: float = SMALLEST) -> Figure:
    """A bar for each entry, the first on top, with a line at the tolerance."""
    title = f"scratchnet and Keras: {what}"
    if len(found) > MOST_ROWS:
        largest = sorted(range(len(found)), key=lambda number: -found[number].relative)[:MOST_ROWS]
        found = [found[number] for number in sorted(largest)]
        title += f", the {MOST_ROWS} largest"
    figure = Figure(figsize=(8, 1.6 + 0.24 * len(found)), layout="constrained")
    axes = figure.add_subplot()
    ends = [min(max(entry.relative, smallest), 10.0) for entry in found]
    colours = ["tab:blue" if entry.relative <= tolerance else "tab:red" for entry in found]
    axes.barh(range(len(found)), ends, color=colours, label="scratchnet and Keras")
    axes.axvline(tolerance, color="black", linestyle="--", linewidth=1, label=f"more than rounding: {tolerance:.0e}")
    axes.set_yticks(range(len(found)), [f"{entry.name}  ({entry.kind})" for entry in found], fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(smallest, max(10 * tolerance, *(2 * end for end in ends)))
    axes.set(title=title, xlabel="largest difference, as a share of the largest value")
    axes.legend(loc="lower right", fontsize=8)
    return figure


def _training(trajectory: Trajectory, tolerance: float) -> Figure:
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    losses, apart = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)
    steps = range(1, len(trajectory.ours) + 1)
    losses.plot(steps, trajectory.ours, label="scratchnet")
    losses.plot(steps, trajectory.theirs, linestyle="--", label="Keras")
    losses.set(title="loss", xlabel="training step")
    apart.plot(steps, _shown(trajectory.apart()), marker=".", label="scratchnet and Keras")
    apart.plot(steps, _shown(trajectory.rounding()), marker=".", label="scratchnet, weights moved by 4e-6")
    apart.axhline(tolerance, color="black", linestyle="--", linewidth=1, label=f"more than rounding: {tolerance:.0e}")
    apart.set_yscale("log")
    apart.set(title="how far the losses are apart, as a share", xlabel="training step")
    for axes in (losses, apart):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return figure


def _shown(values: Sequence[float]) -> list[float]:
    return [min(max(value, SMALLEST), 10.0) for value in values]


def _times(speed: Sequence[Speed]) -> Figure:
    """Milliseconds of each work, scratchnet above Keras."""
    figure = Figure(figsize=(8, 1.2 + 0.7 * len(speed)), layout="constrained")
    axes: Axes = figure.add_subplot()
    for offset, label in ((-0.2, "scratchnet"), (0.2, "Keras")):
        values = [1e3 * (entry.ours if label == "scratchnet" else entry.theirs) for entry in speed]
        bars = axes.barh([row + offset for row in range(len(speed))], values, height=0.36, label=label)
        axes.bar_label(bars, fmt="%.3g", padding=3, fontsize=8)
    axes.set_yticks(range(len(speed)), [entry.what for entry in speed])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.set(title="time, the median of turns", xlabel="milliseconds")
    axes.legend(fontsize=8)
    return figure
