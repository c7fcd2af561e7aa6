"""How many images there are of each class."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from pipelines.figures.colours import class_colours


def draw_class_bars(class_names: Sequence[str], counts: Mapping[str, ArrayLike]) -> Figure:
    """Draw the number of images of each class, a panel for each part.

    Args:
        class_names: in label order.
        counts: (classes,) of each part.
    """
    figure = Figure(figsize=(max(4.2, 3.6 * len(counts)), 0.9 + 0.34 * len(class_names)), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(counts), sharey=True))
    for axes, (part, found) in zip(panels, counts.items(), strict=True):
        numbers = np.asarray(found)
        bars = axes.barh(range(len(class_names)), numbers, color=class_colours(len(class_names)))
        total = max(int(numbers.sum()), 1)
        axes.bar_label(bars, [f"{n:,}  {n / total:.0%}" for n in numbers], padding=3, fontsize=8)
        axes.set_xlim(0, max(int(numbers.max()), 1) * 1.32)
        axes.set_title(f"{'not divided' if part == 'all' else part}: {int(numbers.sum()):,} images", fontsize=10)
        axes.set_xticks([])
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.tick_params(left=False)
    panels[0].set_yticks(range(len(class_names)), class_names)
    panels[0].invert_yaxis()
    return figure
