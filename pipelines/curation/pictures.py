"""Pictures of a dataset: how many of each class, and what the images look like."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from pipelines.figures.colours import class_colours
from pipelines.figures.saving import save_figure

# inches of an image in a sheet
CELL = 0.85


class Cell(NamedTuple):
    """An image in a sheet, and what stands below it.

    Attributes:
        image: uint8, (height, width), (height, width, 1) or (height, width, 3) RGB.
        caption: May be empty.
    """

    image: NDArray[np.uint8]
    caption: str = ""


def save_class_bars(class_names: Sequence[str], counts: Mapping[str, NDArray[np.int64]], path: Path) -> None:
    """Draw the number of images of each class, a panel for each split.

    Args:
        class_names: In label order.
        counts: (classes,) of each split.
        path: Of the PNG.
    """
    figure = Figure(figsize=(max(4.2, 3.6 * len(counts)), 0.9 + 0.34 * len(class_names)), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(counts), sharey=True))
    for axes, (split, numbers) in zip(panels, counts.items(), strict=True):
        bars = axes.barh(range(len(class_names)), numbers, color=class_colours(len(class_names)))
        total = max(int(numbers.sum()), 1)
        axes.bar_label(bars, [f"{n:,}  {n / total:.0%}" for n in numbers], padding=3, fontsize=8)
        axes.set_xlim(0, max(int(numbers.max()), 1) * 1.32)
        axes.set_title(f"{_title(split)}: {int(numbers.sum()):,} images", fontsize=10)
        axes.set_xticks([])
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.tick_params(left=False)
    panels[0].set_yticks(range(len(class_names)), class_names)
    panels[0].invert_yaxis()
    save_figure(figure, path)


def save_class_pies(class_names: Sequence[str], counts: Mapping[str, NDArray[np.int64]], path: Path) -> None:
    """Draw the shares of the classes as a pie for each split; arguments as in `save_class_bars`."""
    figure = Figure(figsize=(max(4.2, 3.4 * len(counts)), 4.1), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(counts)))
    colours = class_colours(len(class_names))
    for axes, (split, numbers) in zip(panels, counts.items(), strict=True):
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
        axes.set_title(f"{_title(split)}: {int(numbers.sum()):,} images", fontsize=10, pad=0)
    handles = [Patch(color=colour) for colour in colours]
    figure.legend(handles, class_names, loc="outside lower center", ncols=min(len(class_names), 7), fontsize=8)
    save_figure(figure, path)


def save_reason_bars(counts: Mapping[str, int], path: Path) -> None:
    """Draw how many faces were rejected for each reason.

    Args:
        counts: By reason, in the order in which they are drawn.
        path: Of the PNG.
    """
    figure = Figure(figsize=(5.2, 0.8 + 0.34 * len(counts)), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh(range(len(counts)), list(counts.values()), color="tab:gray")
    axes.bar_label(bars, [f"{n:,}" for n in counts.values()], padding=3, fontsize=8)
    axes.set_xlim(0, max(*counts.values(), 1) * 1.15)
    axes.set_title(f"Rejected faces by reason: {sum(counts.values()):,}", fontsize=10)
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(left=False)
    axes.set_yticks(range(len(counts)), list(counts))
    axes.invert_yaxis()
    save_figure(figure, path)


def save_groups(groups: Sequence[Sequence[Cell]], title: str, path: Path, columns: int = 3) -> None:
    """Draw groups of images that belong together, several groups in a row.

    Args:
        groups: Each of at least one cell.
        title: Above everything.
        path: Of the PNG.
        columns: Groups in a row.
    """
    width = max(map(len, groups))
    columns = min(columns, len(groups))
    rows = -(-len(groups) // columns)
    lines = max(cell.caption.count("\n") + 1 for group in groups for cell in group)
    height = CELL + 0.17 * lines
    # an empty place, half as wide, divides neighbouring groups
    widths = ([1.0] * width + [0.5]) * columns
    figure = Figure(figsize=(sum(widths) * CELL + 0.3, rows * height + 0.75), layout="constrained")
    figure.suptitle(title, fontsize=10)
    grid = figure.add_gridspec(rows, len(widths), width_ratios=widths)
    for number, group in enumerate(groups):
        row, column = divmod(number, columns)
        for place, cell in enumerate(group):
            _draw(figure.add_subplot(grid[row, column * (width + 1) + place]), cell)
    save_figure(figure, path)


def save_sheet(
    rows: Sequence[tuple[str, Sequence[Cell]]], title: str, path: Path, headings: Sequence[str] = ()
) -> None:
    """Draw rows of images, each with its name on the left.

    Args:
        rows: (name, cells) of each row; rows may differ in length.
        title: Above everything.
        path: Of the PNG.
        headings: Above the columns.
    """
    columns = max(len(cells) for _, cells in rows)
    aspect = max(cell.image.shape[0] / cell.image.shape[1] for _, cells in rows for cell in cells)
    margin = 0.15 + 0.075 * max(len(line) for name, _ in rows for line in name.split("\n"))
    size = (columns * CELL + margin, len(rows) * CELL * max(aspect, 0.4) + 0.45 + 0.15 * bool(headings))
    figure = Figure(figsize=size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)  # type: ignore[call-arg, union-attr]
    figure.suptitle(title, fontsize=10)
    panels = figure.subplots(len(rows), columns, squeeze=False)
    for (name, cells), line in zip(rows, panels, strict=True):
        for axes in line[len(cells) :]:
            axes.set_axis_off()
        for axes, cell in zip(line, cells, strict=False):
            _draw(axes, cell)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
    for axes, heading in zip(panels[0], headings, strict=False):
        axes.set_title(heading, fontsize=7, pad=2)
    save_figure(figure, path)


def _draw(axes: Axes, cell: Cell) -> None:
    image = cell.image[:, :, 0] if cell.image.shape[2:] == (1,) else cell.image
    axes.imshow(
        image, cmap="gray", vmin=0, vmax=255, interpolation="nearest" if max(image.shape) < 200 else "antialiased"
    )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if cell.caption:
        axes.set_xlabel(cell.caption, fontsize=7, labelpad=2)


def _title(split: str) -> str:
    return "not divided" if split == "all" else split
