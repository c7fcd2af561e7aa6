"""Images as points in a plane or in space, coloured by class and by cluster."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from pipelines.figures.colours import Colour, class_colours
from pipelines.figures.fonts import shorten, text_width
from pipelines.figures.text import legend_entry, plain

Labels = NDArray[np.int64]

PANEL = 3.6  # inches of a panel's side
SHOWN = 14  # entries of a legend at most
LONGEST = 24  # letters of an entry
LETTER, LINE = 0.075, 0.19  # inches of a letter and of a line of a legend
NOISE_COLOUR: Colour = (0.75, 0.75, 0.75, 1.0)


class Embedding(NamedTuple):
    """Points of images.

    Attributes:
        title: such as `PCA`.
        points: (n, 2) or (n, 3).
        axes: what stands at each axis; none where the axes mean nothing.
    """

    title: str
    points: NDArray[np.float64]
    axes: tuple[str, ...] = ()


def draw_embeddings(
    embeddings: Sequence[Embedding],
    labels: Labels,
    clusters: Labels,
    class_names: Sequence[str],
    matching: Mapping[int, int],
    title: str,
) -> Figure:
    """Draw points twice, a row for each embedding: on the left coloured by class, on the right by cluster.

    A cluster has the colour of the class that it is matched with; noise is grey.

    Args:
        embeddings: of the same images.
        labels: (n,) classes.
        clusters: (n,) clusters from 0, or -1 for noise.
        class_names: in label order.
        matching: the class of each cluster that has one.
        title: above everything.
    """
    of_class = class_colours(len(class_names))
    of_cluster = cluster_colours(clusters, of_class, matching)
    left = [(legend_entry(shorten(name, LONGEST)), of_class[label]) for label, name in enumerate(class_names)]
    right = [(_cluster_entry(number, class_names, matching), colour) for number, colour in of_cluster.items()]
    left, right = _cut(left), _cut(right)
    columns = [max(text_width(name) for name, _ in entries) for entries in (left, right)]
    lines = max(len(left), len(right))
    width = 2 * PANEL + LETTER * sum(columns) + 1.4
    figure = Figure(figsize=(width, max(PANEL * len(embeddings), LINE * lines) + 0.75), layout="constrained")
    figure.suptitle(plain(title), fontsize=11)
    shown = (
        ([of_class[label] for label in labels], left, "class"),
        ([of_cluster[int(c)] for c in clusters], right, ""),
    )
    for row, embedding in enumerate(embeddings):
        for column, (colours, entries, heading) in enumerate(shown):
            flat = embedding.points.shape[1] == 2
            place = (len(embeddings), 2, 2 * row + column + 1)
            axes = figure.add_subplot(*place) if flat else figure.add_subplot(*place, projection="3d")
            _scatter(axes, embedding, colours)
            axes.set_title(f"{embedding.title}, by {heading or 'cluster'}", fontsize=10)
            if row == 0:
                _add_legend(axes, entries, heading or "cluster")
    return figure


def cluster_colours(clusters: Labels, of_class: Sequence[Colour], matching: Mapping[int, int]) -> dict[int, Colour]:
    """The colour of each cluster that occurs, in their order, noise last: that of its class, or one that no class has.

    Args:
        clusters: (n,) clusters from 0, or -1 for noise.
        of_class: the colours of the classes.
        matching: the class of each cluster that has one.
    """
    others = matplotlib.colormaps["Set2"]
    result: dict[int, Colour] = {}
    free = 0
    for number in sorted({int(each) for each in clusters} - {-1}):
        if number in matching:
            result[number] = of_class[matching[number]]
        else:
            result[number] = others(free % others.N)
            free += 1
    if (clusters == -1).any():
        result[-1] = NOISE_COLOUR
    return result


def _cluster_entry(number: int, class_names: Sequence[str], matching: Mapping[int, int]) -> str:
    if number == -1:
        return "noise"
    return legend_entry(
        shorten(f"{number}" + (f"  {class_names[matching[number]]}" if number in matching else ""), LONGEST)
    )


def _cut(entries: list[tuple[str, Colour]]) -> list[tuple[str, Colour]]:
    if len(entries) <= SHOWN:
        return entries
    return [*entries[: SHOWN - 1], (f"and {len(entries) - SHOWN + 1} more", (1.0, 1.0, 1.0, 0.0))]


def _scatter(axes: Axes, embedding: Embedding, colours: list[Colour]) -> None:
    size = float(np.clip(4000 / max(len(colours), 1), 4, 30))
    style: Any = {"c": colours, "s": size, "alpha": 0.75, "linewidths": 0}
    axes.scatter(*embedding.points.T, **style)
    flat = embedding.points.shape[1] == 2
    names = ("x", "y") if flat else ("x", "y", "z")
    for axis, name in zip(names, embedding.axes or ("",) * len(names), strict=True):
        getattr(axes, f"set_{axis}ticks")([])
        getattr(axes, f"set_{axis}label")(name, fontsize=8, labelpad=2 if flat else -12)
    if flat:
        axes.set_box_aspect(1)
        axes.spines[["top", "right"]].set_visible(bool(not embedding.axes))


def _add_legend(axes: Axes, entries: list[tuple[str, Colour]], heading: str) -> None:
    marks = [Line2D([], [], marker="o", linestyle="", color=colour, markersize=5) for _, colour in entries]
    axes.legend(
        marks, [name for name, _ in entries], title=heading, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False,
        fontsize=8, title_fontsize=9, handletextpad=0.2, borderaxespad=0,
    )  # fmt: skip
