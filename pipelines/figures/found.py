"""Query images, and beside each the images most like it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipelines.figures.augmented import fit
from pipelines.figures.fonts import text_width, wrap
from pipelines.figures.sheets import CELL, LETTER_7, Cell, draw_sheet
from pipelines.figures.sizing import shortened

QUERY, COPY = "#2166ac", "#1b7837"
# images beside a query in one line
LINE = 8
# letters in a line of a caption
CAPTION = 16


class Match(NamedTuple):
    """An image like a query.

    Attributes:
        image: uint8, (height, width), (height, width, 1) or (height, width, 3) RGB.
        class_name: of it.
        figure: how similar it is, as text.
        copy: whether it is the query itself.
    """

    image: NDArray[np.uint8]
    class_name: str
    figure: str
    copy: bool


def draw_found(queries: Sequence[tuple[str, NDArray[np.uint8], Sequence[Match]]], title: str) -> Figure:
    """Each query in a blue frame, the images most like it on its right; copies of the query in green frames.

    Args:
        queries: (name, image, matches) of each; at least one match.
        title: above everything.
    """
    rows: list[tuple[str, list[Cell]]] = []
    for name, image, matches in queries:
        cells = [_cell(match) for match in matches]
        lines = -(-len(cells) // LINE)
        wide = -(-len(cells) // lines)
        shown = fit(image)
        for start in range(0, len(cells), wide):
            first = Cell(shown, f"query\n{shortened(name, CAPTION)}", QUERY) if not start else Cell(_blank(shown))
            rows.append(("", [first, *cells[start : start + wide]]))
    widest = max(text_width(line) for _, cells in rows for cell in cells for line in cell.caption.split("\n"))
    return draw_sheet(rows, title, cell_width=max(CELL, LETTER_7 * widest + 0.1))


def _cell(match: Match) -> Cell:
    said = f"{match.figure}, copy" if match.copy else match.figure
    return Cell(fit(match.image), f"{wrap(match.class_name, CAPTION)}\n{said}", COPY if match.copy else None)


def _blank(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.full(image.shape, 255, np.uint8)
