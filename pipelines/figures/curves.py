"""Losses and accuracies against epochs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipelines.figures.saving import save_figure
from pipelines.figures.text import legend_entry

History = Mapping[str, Sequence[float]]
TITLES = {"loss": "Loss", "accuracy": "Accuracy"}


def save_curves(history: History, path: Path) -> None:
    """Draw loss and accuracy against epochs, training and validation.

    Args:
        history: the values of each figure by epoch: `loss`, `accuracy`, and both with `val_` before.
        path: of the PNG.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for position, name in enumerate(TITLES, 1):
        axes = figure.add_subplot(1, 2, position)
        for key, label in {name: "training", f"val_{name}": "validation"}.items():
            if key in history:
                axes.plot(_epochs(history[key]), history[key], marker=".", label=label)
        axes.set(title=TITLES[name], xlabel="epoch")
        _tidy(axes)
        axes.legend()
    save_figure(figure, path)


def draw_curves(histories: Mapping[str, History], name: str, best: Mapping[str, int]) -> Figure:
    """Draw one figure of several trainings against epochs: a colour each, training dashed and validation whole.

    Args:
        histories: by the name of the training; the values of each figure by epoch.
        name: `loss` or `accuracy`.
        best: the epoch that was kept, from 1, which gets a ring.
    """
    figure = Figure(figsize=(5.6, 3.9), layout="constrained")
    axes = figure.add_subplot()
    palette = matplotlib.colormaps["tab10"]
    for number, (label, history) in enumerate(histories.items()):
        colour = palette(number % palette.N)
        several = legend_entry(f"{label}, ") if len(histories) > 1 else ""
        if name in history:
            axes.plot(
                _epochs(history[name]), history[name], color=colour, linestyle="--", marker=".", linewidth=1.2,
                label=f"{several}training",
            )  # fmt: skip
        if validation := history.get(f"val_{name}"):
            axes.plot(_epochs(validation), validation, color=colour, marker=".", label=f"{several}validation")
            if 1 <= best.get(label, 0) <= len(validation):
                kept = best[label]
                axes.plot(kept, validation[kept - 1], "o", markersize=10, fillstyle="none", color=colour)
    axes.set(xlabel="epoch", ylabel=TITLES[name].lower())
    _tidy(axes)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False, fontsize=9)
    return figure


def _epochs(values: Sequence[float]) -> range:
    return range(1, len(values) + 1)


def _tidy(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
