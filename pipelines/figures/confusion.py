"""Confusion matrices."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipelines.figures.text import plain

# inches of a cell, and of a whole matrix at least and at most; smaller cells than the last hold no numbers
CELL, SMALLEST, LARGEST, SMALLEST_WITH_TEXT = 0.6, 2.2, 15.0, 0.36


def draw_confusion_matrix(
    matrix: NDArray[np.int64], class_names: Sequence[str], title: str, *, normalised: bool = False
) -> Figure:
    """Draw counts, or their shares of each true class.

    Args:
        matrix: (classes, classes) counts; rows are true classes, columns predictions.
        class_names: in label order.
        title: above the matrix.
        normalised: draw shares of the rows, in per cent, instead of counts. The row of a class without images is
            empty.
    """
    classes = len(class_names)
    totals = matrix.sum(axis=1, keepdims=True)
    values = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0) if normalised else matrix
    largest = 1.0 if normalised else max(float(matrix.max()), 1.0)
    side = min(max(CELL * classes, SMALLEST), LARGEST)
    margin = 0.08 * max(len(name) for name in class_names)  # inches
    figure = Figure(figsize=(max(side + margin + 1.6, 4.6), side + 0.7 * margin + 0.85), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(values, cmap="Blues", vmin=0, vmax=largest)
    if side / classes >= SMALLEST_WITH_TEXT:
        for row, column in np.ndindex(matrix.shape):
            if not totals[row]:
                continue
            text = f"{100 * values[row, column]:.0f}" if normalised else f"{matrix[row, column]:,}"
            colour = "white" if values[row, column] > 0.55 * largest else "black"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    names = [plain(name) for name in class_names]
    axes.set_xticks(range(classes), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(classes), names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.suptitle(plain(title), fontsize=11)  # above the colour bar too, as a small matrix has no room
    axes.set(xlabel="predicted", ylabel="true")
    if normalised:
        figure.colorbar(image, ax=axes, label="% of the true class", shrink=0.8, format=lambda value, _: f"{value:.0%}")
    else:
        figure.colorbar(image, ax=axes, label="images", shrink=0.8)
    return figure
