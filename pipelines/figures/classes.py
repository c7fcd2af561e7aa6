"""How many images there are of each class."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from pipelines.figures.colours import class_colours
from pipelines.figures.fonts import text_width, wrap
from pipelines.figures.text import legend_entry, plain

# inches of a letter at 8 and at 10 points, roughly
LETTER, BIG_LETTER = 0.075, 0.09
# longer names of classes are broken or cut
LONGEST_NAME = 28
# a part's panel, in inches
PANEL = 2.7


def draw_class_bars(class_names: Sequence[str], counts: Mapping[str, NDArray[np.int64]]) -> Figure:
    """The number of images of each class, a panel for each part of the data.

    Args:
        class_names: In label order.
        counts: (classes,) of each part.
    """
    names = [plain(wrap(name, LONGEST_NAME)) for name in class_names]
    margin = LETTER * _longest(names) + 0.3
    lines = max(name.count("\n") + 1 for name in names)
    size = (margin + PANEL * len(counts) + 0.2, 0.9 + (0.2 + 0.14 * lines) * len(names))
    figure = Figure(figsize=size, layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(counts), sharey=True))
    for axes, (part, numbers) in zip(panels, counts.items(), strict=True):
        total = max(int(numbers.sum()), 1)
        labels = [f"{n:,}  {n / total:.0%}" for n in numbers]
        _draw_bars(axes, numbers, labels, _heading(part, numbers), class_colours(len(names)))
        axes.set_xlim(0, max(int(numbers.max()), 1) * 1.42)
    panels[0].set_yticks(range(len(names)), names, fontsize=9)
    panels[0].invert_yaxis()
    return figure


def draw_class_pies(class_names: Sequence[str], counts: Mapping[str, NDArray[np.int64]]) -> Figure:
    """The shares of the classes as a pie for each part; arguments as in `draw_class_bars`."""
    names = [wrap(name, LONGEST_NAME) for name in class_names]
    width = max(4.2, 3.4 * len(counts))
    columns = max(1, min(len(names), 7, int(width / (LETTER * _longest(names) + 0.6))))
    rows = -(-len(names) // columns)
    lines = max(name.count("\n") + 1 for name in names)
    figure = Figure(figsize=(width, 3.75 + 0.17 * rows * lines), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(counts)))
    colours = class_colours(len(names))
    for axes, (part, numbers) in zip(panels, counts.items(), strict=True):
        present = np.flatnonzero(numbers)
        axes.pie(
            numbers[present],
            colors=[colours[label] for label in present],
            autopct=lambda share: f"{share:.0f}%" if share >= 4 else "",
            pctdistance=0.75,
            startangle=90,
            counterclock=False,
            wedgeprops={"edgecolor": "white", "linewidth": 1},
            textprops={"fontsize": 8, "color": "white", "fontweight": "bold"},
        )
        axes.set_title(_heading(part, numbers), fontsize=10, pad=0)
    handles = [Patch(color=colour) for colour in colours]
    labels = [legend_entry(name) for name in names]
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8)
    return figure


def draw_reason_bars(counts: Mapping[str, int]) -> Figure:
    """How many faces were rejected for each reason, in the order given."""
    figure = Figure(figsize=(5.2, 0.8 + 0.34 * len(counts)), layout="constrained")
    axes = figure.add_subplot()
    title = f"Rejected faces by reason: {sum(counts.values()):,}"
    _draw_bars(axes, list(counts.values()), [f"{n:,}" for n in counts.values()], title, "tab:gray")
    axes.set_xlim(0, max(*counts.values(), 1) * 1.15)
    axes.set_yticks(range(len(counts)), list(counts))
    axes.invert_yaxis()
    return figure


def _draw_bars(
    axes: Axes,
    numbers: NDArray[np.int64] | Sequence[int],
    labels: Sequence[str],
    title: str,
    colours: Sequence[tuple[float, float, float, float]] | str,
) -> None:
    bars = axes.barh(range(len(numbers)), numbers, color=colours)
    axes.bar_label(bars, labels, padding=3, fontsize=8)
    axes.set_title(title, fontsize=10)
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(left=False)


def _heading(part: str, numbers: NDArray[np.int64]) -> str:
    return f"{'not divided' if part == 'all' else part}: {int(numbers.sum()):,} images"


def _longest(names: Sequence[str]) -> int:
    return max(text_width(line) for name in names for line in name.split("\n"))
