"""How the number of clusters is chosen."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipelines.figures.text import plain

CURVE, CHORD, TAKEN = "#0072b2", "0.6", "#d55e00"


def draw_cluster_numbers(
    numbers: Sequence[int],
    inertia: Sequence[float],
    silhouette: Sequence[float | None],
    by_elbow: int,
    by_silhouette: int | None,
    taken: int | None,
    title: str,
    sampled: int | None = None,
) -> Figure:
    """Draw inertia and silhouette against the number of clusters, with what each would choose and what was taken.

    Args:
        numbers: of clusters, rising.
        inertia: of each; a chord joins its ends, from which the elbow is furthest.
        silhouette: of each; None where it is not known.
        by_elbow: one of the numbers.
        by_silhouette: one of the numbers; None if no silhouette is known.
        taken: the number of clusters that was taken, which may lie outside; None if no method was told one.
        title: above everything.
        sampled: how many of the images the silhouette is of; None if of all.
    """
    figure = Figure(figsize=(8.6, 3.7), layout="constrained")
    figure.suptitle(plain(title), fontsize=11)
    panels = figure.subplots(1, 2)
    known = [np.nan if value is None else value for value in silhouette]
    for axes, values, best, name in (
        (panels[0], inertia, by_elbow, "elbow"),
        (panels[1], known, by_silhouette, "largest"),
    ):
        axes.plot(numbers, values, "o-", color=CURVE, markersize=4, linewidth=1.5, clip_on=False)
        if best is None:
            axes.text(0.5, 0.5, "unknown", ha="center", va="center", transform=axes.transAxes, backgroundcolor="white")
        else:
            axes.plot(
                best, values[list(numbers).index(best)], "o", markersize=11, fillstyle="none", color=CURVE,
                label=f"{name}: {best}",
            )  # fmt: skip
        _tidy(axes, taken)
    panels[0].plot([numbers[0], numbers[-1]], [inertia[0], inertia[-1]], ":", color=CHORD, label="chord")
    panels[0].set_ylabel("inertia (sum of squared distances)")
    panels[1].set_ylabel("mean silhouette" + ("" if sampled is None else f" ({sampled:,} of the images)"))
    for axes in panels:
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=9)
    return figure


def _tidy(axes: Axes, taken: int | None) -> None:
    if taken is not None:
        axes.axvline(taken, color=TAKEN, linestyle="--", linewidth=1.2, label=f"taken: {taken}", zorder=0)
    axes.set_xlabel("clusters")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
