"""Sheets of images: rows with a name each, groups that belong together, and images with a verdict around them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipelines.figures.fonts import text_width, wrap
from pipelines.figures.text import plain

# inches of an image in a sheet
CELL = 0.85
# inches of a letter at 7, 8 and 10 points, roughly
LETTER_7, LETTER_8, LETTER_10 = 0.065, 0.075, 0.09
LONGEST_NAME = 24


class Cell(NamedTuple):
    """An image in a sheet, and what stands below it.

    Attributes:
        image: uint8, (height, width), (height, width, 1) or (height, width, 3) RGB.
        caption: May be empty, and may have several lines; drawn as it is, without formulas.
        colour: Of a frame around it and of the caption; None for neither.
    """

    image: NDArray[np.uint8]
    caption: str = ""
    colour: str | None = None


def draw_groups(groups: Sequence[Sequence[Cell]], title: str, columns: int = 3) -> Figure:
    """Groups of images that belong together, several groups in a row.

    Args:
        groups: Each of at least one cell.
        title: Above everything.
        columns: Groups in a row.
    """
    width = max(map(len, groups))
    columns = min(columns, len(groups))
    rows = -(-len(groups) // columns)
    lines = max(cell.caption.count("\n") + 1 for group in groups for cell in group)
    height = CELL + 0.17 * lines
    # an empty place, half as wide, divides neighbouring groups
    widths = ([1.0] * width + [0.5]) * columns
    size = (max(sum(widths) * CELL + 0.3, _title_width(title)), rows * height + 0.75)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(plain(title), fontsize=10)
    grid = figure.add_gridspec(rows, len(widths), width_ratios=widths)
    for number, group in enumerate(groups):
        row, column = divmod(number, columns)
        for place, cell in enumerate(group):
            _draw(figure.add_subplot(grid[row, column * (width + 1) + place]), cell)
    return figure


def draw_sheet(
    rows: Sequence[tuple[str, Sequence[Cell]]], title: str, headings: Sequence[str] = (), cell_width: float = CELL
) -> Figure:
    """Rows of images, each with its name on the left.

    Args:
        rows: (name, cells) of each row; rows may differ in length.
        title: Above everything.
        headings: Above the columns.
        cell_width: Inches of an image, or of the room that its caption needs.
    """
    names = ["\n".join(wrap(line, LONGEST_NAME) for line in name.split("\n")) for name, _ in rows]
    columns = max(len(cells) for _, cells in rows)
    aspect = max(cell.image.shape[0] / cell.image.shape[1] for _, cells in rows for cell in cells)
    lines = max((cell.caption.count("\n") + 1 for _, cells in rows for cell in cells if cell.caption), default=0)
    margin = 0.15 + LETTER_8 * max(text_width(line) for name in names for line in name.split("\n"))
    height = cell_width * max(aspect, 0.4) + 0.13 * lines + 0.05 * bool(lines)
    size = (
        max(columns * cell_width + margin, _title_width(title)),
        len(rows) * height + 0.3 + 0.15 * (title.count("\n") + 1) + 0.15 * bool(headings),
    )
    figure = Figure(figsize=size, layout="constrained")
    # frames of neighbours must not touch
    pad = 0.05 if any(cell.colour for _, cells in rows for cell in cells) else 0.02
    figure.get_layout_engine().set(w_pad=pad, h_pad=0.025, wspace=0, hspace=0)  # type: ignore[call-arg, union-attr]
    figure.suptitle(plain(title), fontsize=10)
    panels = figure.subplots(len(rows), columns, squeeze=False)
    for name, (_, cells), line in zip(names, rows, panels, strict=True):
        for axes in line[len(cells) :]:
            axes.set_axis_off()
        for axes, cell in zip(line, cells, strict=False):
            _draw(axes, cell)
        line[0].set_ylabel(plain(name), rotation=0, ha="right", va="center", fontsize=8)
    for axes, heading in zip(panels[0], headings, strict=False):
        axes.set_title(plain(heading), fontsize=7, pad=2)
    return figure


def _draw(axes: Axes, cell: Cell) -> None:
    image = cell.image[:, :, 0] if cell.image.shape[2:] == (1,) else cell.image
    axes.imshow(
        image, cmap="gray", vmin=0, vmax=255, interpolation="nearest" if max(image.shape) < 200 else "antialiased"
    )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(cell.colour is not None)
    if cell.colour is not None:
        axes.spines[:].set(color=cell.colour, linewidth=2)
    if cell.caption:
        colour = cell.colour or "black"
        axes.set_xlabel(plain(cell.caption), fontsize=7, labelpad=3, color=colour, linespacing=1.15)


def _title_width(title: str) -> float:
    return LETTER_10 * max(map(text_width, title.split("\n"))) + 0.2
