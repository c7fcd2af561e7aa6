"""Curves of how well probabilities rank images: ROC, and precision against recall."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipelines.figures.colours import class_colours
from pipelines.figures.text import legend_entry, plain

# inches: the axes with their labels, a line of the legend beside them, and a letter of it
SIDE, LINE, LETTER = 4.6, 0.2, 0.075
# letters of the legend beside the names, and its longest line that names no class
FIGURES, LONGEST = 7, len("area under the curve")


class Curve(NamedTuple):
    """A curve over [0, 1], and what it encloses.

    Attributes:
        x: (points,), rising.
        y: (points,).
        area: below the curve.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    area: float


def draw_roc(curves: Mapping[str, Curve | None], title: str) -> Figure:
    """Draw the ROC curve of each class against the others, and their mean.

    Args:
        curves: false positive rates as x, true positive rates as y, by class in label order; None for a class of
            which there is none. The curves of two classes mirror each other, so only the second one is drawn.
        title: above the curves.
    """
    figure, axes = _square(title, "false positive rate", "true positive rate", list(curves))
    axes.plot([0, 1], [0, 1], color="0.6", linestyle=":", linewidth=1, label="chance  0.500")
    drawn = _draw_classes(axes, curves, skip=1 if len(curves) == 2 else 0)
    if len(drawn) > 1:
        grid = np.unique(np.concatenate([curve.x for curve in drawn]))
        mean = np.mean([np.interp(grid, curve.x, curve.y) for curve in drawn], axis=0)
        area = sum(curve.area for curve in drawn) / len(drawn)
        # each curve rises from the origin
        axes.plot([0, *grid], [0, *mean], color="black", linestyle="--", label=f"macro average  {area:.3f}")
    _add_legend(axes, "area under the curve")
    return figure


def draw_precision_recall(curves: Mapping[str, Curve | None], title: str) -> Figure:
    """Draw precision against recall of each class.

    Args:
        curves: recall as x, precision as y, average precision as area, by class in label order; None for a class of
            which there is none.
        title: above the curves.
    """
    figure, axes = _square(title, "recall", "precision", list(curves))
    # scikit-learn's average precision is the area of these steps
    _draw_classes(axes, curves, drawstyle="steps-pre")
    _add_legend(axes, "average precision")
    return figure


def _square(title: str, x: str, y: str, names: list[str]) -> tuple[Figure, Axes]:
    letters = max(LONGEST, *(len(name) + FIGURES for name in names))
    size = (SIDE + 0.45 + LETTER * letters, max(SIDE, LINE * (len(names) + 5)))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(plain(title), fontsize=11)
    axes.set(xlabel=x, ylabel=y, xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal", anchor="W")
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _draw_classes(
    axes: Axes, curves: Mapping[str, Curve | None], skip: int = 0, drawstyle: str = "default"
) -> list[Curve]:
    drawn = []
    for (name, curve), colour in list(zip(curves.items(), class_colours(len(curves)), strict=True))[skip:]:
        if curve is None:
            axes.plot([], [], color=colour, linewidth=1.5, label=legend_entry(f"{name}  unknown"))
            continue
        axes.plot(
            curve.x,
            curve.y,
            color=colour,
            linewidth=1.5,
            drawstyle=drawstyle,
            label=legend_entry(f"{name}  {curve.area:.3f}"),
        )
        drawn.append(curve)
    return drawn


def _add_legend(axes: Axes, heading: str) -> None:
    axes.legend(title=heading, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9)
