"""Filters that have names."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from pipelines.figures.text import plain
from scratchnet.arrays import FloatArray

COLUMNS = 8
TILE = 1.05  # inches, with room for a name


def draw_named_filters(kernels: FloatArray, names: Sequence[str]) -> Figure:
    """Draw filters as tiles with their weights in them, red for positive and blue for negative ones, on one scale.

    Args:
        kernels: (height, width, channels, filters); their mean over channels is drawn.
        names: of the filters.
    """
    weights = np.asarray(kernels, np.float64).mean(axis=2)
    limit = float(np.abs(weights).max()) or 1.0
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(columns * TILE + 0.1, rows * (TILE + 0.15) + 0.1), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat[len(names) :]:
        axes.set_axis_off()
    for number, (axes, name) in enumerate(zip(panels.flat, names, strict=False)):
        tile = weights[..., number]
        axes.imshow(tile, cmap="RdBu_r", vmin=-limit, vmax=limit)
        for (row, column), weight in np.ndenumerate(tile):
            shade = "white" if abs(weight) > 0.6 * limit else "0.2"
            axes.text(column, row, _weight(weight), ha="center", va="center", fontsize=6, color=shade)
        axes.set_title(plain(name), fontsize=8, pad=3)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_color("0.7")
    return figure


def _weight(weight: float) -> str:
    return f"{weight:.2f}".replace("-", "\N{MINUS SIGN}").replace("0.", ".") if abs(weight) >= 0.005 else "0"
