"""Faces, and below each what speaks for the class that a model gives it: Grad-CAM and saliency."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipelines.figures.filters import show_image
from pipelines.figures.sizing import shortened, text_width
from scratchnet.arrays import FloatArray

# lengths in inches, sizes of text in points
CELL = 1.05
APART = 0.06
LEFT = 0.75
BAR = 1.8
TEXT = 8.0
MOST_COLUMNS = 8
MOST_LETTERS = 16
STRONGEST = 99  # per cent: what lies above is drawn alike, so that one pixel does not hide the others
COLOURS = {True: "#1a7f37", False: "#c1121f", None: "black"}
HEAT = "turbo"
ROWS = ("face", "Grad-CAM", "saliency")


class Explained(NamedTuple):
    """A face and its explanation.

    Attributes:
        image: uint8 (height, width, 1 or 3), what the network sees.
        class_map: (height, width) from 0 to 1, of Grad-CAM.
        saliency: (height, width), at least 0.
        predicted: the class whose score is explained.
        probability: of that class.
        true: the class that the face has, or None.
    """

    image: NDArray[np.uint8]
    class_map: FloatArray
    saliency: FloatArray
    predicted: str
    probability: float
    true: str | None = None

    @property
    def right(self) -> bool | None:
        """Whether the model is right; None where nobody knows."""
        return None if self.true is None else self.true == self.predicted

    @property
    def caption(self) -> str:
        """The prediction, and the true class below it if it is another."""
        lines = [f"{shortened(self.predicted, MOST_LETTERS)} {self.probability:.0%}"]
        if self.right is False:
            lines.append(f"true: {shortened(str(self.true), MOST_LETTERS)}")
        return "\n".join(lines)


def draw_explanations(explained: Sequence[Explained], title: str) -> Figure:
    """Draw faces with Grad-CAM over them and saliency below, right predictions in green and wrong ones in red.

    Args:
        explained: at least one; so many stand side by side as fit, the others below.
        title: above everything.
    """
    aspect = explained[0].image.shape[0] / explained[0].image.shape[1]
    wide = max(text_width(line, TEXT) for one in explained for line in one.caption.split("\n")) + 0.08
    cell = max(CELL, wide)
    columns = min(MOST_COLUMNS, len(explained))
    groups = [explained[start : start + columns] for start in range(0, len(explained), columns)]
    caption = 0.32 if any(one.right is False for one in explained) else 0.18
    group_height = caption + 3 * (CELL * aspect + APART) + 0.12
    head, foot = 0.42, 0.4
    width = max(LEFT + columns * (cell + APART) + 0.15, text_width(title, 10) + 0.4, LEFT + 2 * BAR + 0.5)
    height = head + len(groups) * group_height + foot
    figure = Figure(figsize=(width, height))
    figure.suptitle(title, fontsize=10, y=1 - 0.12 / height, va="top")
    for number, group in enumerate(groups):
        top = height - head - number * group_height - caption
        for column, one in enumerate(group):
            for row in range(3):
                x = LEFT + column * (cell + APART) + (cell - CELL) / 2
                y = top - (row + 1) * CELL * aspect - row * APART
                axes = figure.add_axes((x / width, y / height, CELL / width, CELL * aspect / height))
                _draw(axes, one, row)
                if column == 0:
                    axes.set_ylabel(ROWS[row], rotation=0, ha="right", va="center", fontsize=TEXT)
    _draw_bars(figure, width, height)
    return figure


def _draw(axes: Axes, one: Explained, row: int) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    class_map, saliency = np.nan_to_num(one.class_map), np.nan_to_num(one.saliency)
    if row == 2:
        most = float(np.percentile(saliency, STRONGEST)) or float(saliency.max()) or 1.0
        axes.imshow(saliency, cmap="magma", vmin=0, vmax=most, aspect="auto")
        return
    show_image(axes, one.image)
    if row == 1:
        # where nothing speaks for the class the face is seen as it is
        if not class_map.any():
            axes.text(
                0.5, 0.03, "nothing speaks for it", transform=axes.transAxes, ha="center", va="bottom",
                fontsize=TEXT - 2, bbox={"facecolor": "white", "alpha": 0.7, "pad": 1, "linewidth": 0},
            )  # fmt: skip
        axes.imshow(class_map, cmap=HEAT, vmin=0, vmax=1, alpha=0.65 * np.sqrt(class_map), aspect="auto")
    else:
        axes.set_title(one.caption, fontsize=TEXT, color=COLOURS[one.right], pad=3, parse_math=False)


def _draw_bars(figure: Figure, width: float, height: float) -> None:
    """What the colours mean."""
    for x, colours, words in ((LEFT, HEAT, "speaks for the class"), (width - 0.2 - BAR, "magma", "changes the score")):
        axes = figure.add_axes((x / width, 0.26 / height, BAR / width, 0.09 / height))
        bar = figure.colorbar(
            ScalarMappable(cmap=matplotlib.colormaps[colours]), cax=axes, orientation="horizontal", ticks=[]
        )
        bar.outline.set_linewidth(0.5)
        axes.set_xlabel(f"{words}, none to most", fontsize=TEXT - 1, labelpad=2)
