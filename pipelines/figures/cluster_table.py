"""How many images of each class each cluster has."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from pipelines.figures.fonts import text_width, wrap
from pipelines.figures.text import plain

CELL_WIDTH, CELL_HEIGHT = 0.72, 0.36  # inches
LETTER = 0.075  # inches
BAR = 3.0  # inches of the colour bar at most
MOST_ROWS = MOST_COLUMNS = 30
LONGEST = 18  # letters of a line of a class name
EDGE = "#d55e00"  # told apart from the blues by people with colour blindness too


def draw_cluster_table(
    table: NDArray[np.int64],
    noise: NDArray[np.int64],
    class_names: Sequence[str],
    matching: Mapping[int, int],
    title: str,
) -> Figure:
    """Draw counts, shaded by the share of the cluster; the class that a cluster is matched with has a frame.

    Args:
        table: (clusters, classes) images. Of many clusters the first ones are drawn, and all others in one row; of
            many classes the first ones, and all others in one column.
        noise: (classes,) images in no cluster.
        class_names: in label order.
        matching: the class of each cluster that has one.
        title: above the table.
    """
    rows = [(f"{number}", counts) for number, counts in enumerate(table[:MOST_ROWS])]
    if len(table) > MOST_ROWS:
        rows.append((f"{len(table) - MOST_ROWS} more", table[MOST_ROWS:].sum(axis=0)))
    if noise.any():
        rows.append(("noise", noise))
    counts = np.stack([row for _, row in rows])
    shown = list(class_names[:MOST_COLUMNS])
    if others := len(class_names) - len(shown):
        shown.append(f"{others} more")
        counts = np.column_stack([counts[:, :MOST_COLUMNS], counts[:, MOST_COLUMNS:].sum(axis=1)])
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    names = [plain(wrap(name, LONGEST)) for name in shown]
    longest = max(text_width(line) for name in names for line in name.split("\n"))
    size = (
        max(CELL_WIDTH * len(names) + 2.6, 0.09 * text_width(title) + 0.4),
        CELL_HEIGHT * len(rows) + 0.72 * LETTER * longest + 1.35,
    )
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(plain(title), fontsize=11)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(counts.shape):
        colour = "white" if shares[row, column] > 0.55 else "black"
        axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color=colour, fontsize=8)
    for row, column in matching.items():
        if row < MOST_ROWS and column < MOST_COLUMNS:
            axes.add_patch(Rectangle((column - 0.47, row - 0.45), 0.94, 0.9, fill=False, edgecolor=EDGE, linewidth=1.8))
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=9)
    axes.set_yticks(
        range(len(rows)),
        [f"{name}  ({int(total):,})" for (name, _), total in zip(rows, totals[:, 0], strict=True)],
        fontsize=9,
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="class", ylabel="cluster (images)")
    bar = min(0.9, BAR / (CELL_HEIGHT * len(rows)))  # no taller than it must be
    figure.colorbar(image, ax=axes, label="share of the cluster", format=lambda value, _: f"{value:.0%}", shrink=bar)
    return figure
