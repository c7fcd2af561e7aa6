"""Images with what a model says of them: right in green, wrong in red."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipelines.figures.augmented import fit
from pipelines.figures.fonts import text_width, wrap
from pipelines.figures.sheets import CELL, LETTER_7, Cell, draw_sheet
from scratchnet.arrays import FloatArray

Labels = NDArray[np.int64]

# told apart by people who do not tell red from green, and each right one says so in a letter too
RIGHT, WRONG = "#1b7837", "#b2182b"
COLUMNS = 8
# letters in a line of a caption
CAPTION = 16


def choose_mistakes(labels: Labels, probabilities: FloatArray, count: int) -> Labels:
    """The wrong predictions of which the model is surest, surest first: positions, at most `count`.

    Args:
        labels: (images,), the true classes.
        probabilities: (images, classes).
        count: How many to choose.
    """
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    surest = np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")
    return wrong[surest][:count].astype(np.int64)


def choose_right(labels: Labels, probabilities: FloatArray, count: int, seed: int = 0) -> Labels:
    """Right predictions by lot, all classes in turn: positions, at most `count`; arguments as in `choose_mistakes`."""
    right = np.flatnonzero(probabilities.argmax(axis=1) == labels)
    right = np.random.default_rng(seed).permutation(right)
    # the n-th image of every class comes before the next one of any
    turn = np.zeros(len(right), np.int64)
    for label in np.unique(labels[right]):
        own = labels[right] == label
        turn[own] = np.arange(own.sum())
    return right[np.lexsort((labels[right], turn))][:count].astype(np.int64)


def draw_prediction_samples(
    images: Sequence[NDArray[np.uint8]],
    labels: Sequence[int],
    predicted: Sequence[int],
    probabilities: Sequence[float],
    class_names: Sequence[str],
    title: str,
) -> Figure:
    """Images in the order given, framed in green where the prediction is right, in red where it is wrong.

    Below each stands what the model says and how sure it is; below a wrong one the true class too.

    Args:
        images: At least one; uint8, (height, width), (height, width, 1) or (height, width, 3) RGB.
        labels: The true class of each.
        predicted: The class that the model gives it.
        probabilities: Of that class, 0 to 1.
        class_names: In label order.
        title: Above everything.
    """
    cells = []
    for image, label, said, probability in zip(images, labels, predicted, probabilities, strict=True):
        # the name of the class may be long, and may not push the probability out of sight
        lines = [wrap(f"{class_names[said]} {probability:.0%}", CAPTION)]
        if text_width(class_names[said]) > 2 * CAPTION - 6:
            lines = [wrap(class_names[said], CAPTION), f"{probability:.0%}"]
        if label != said:
            lines.append(wrap(f"true: {class_names[label]}", CAPTION))
        cells.append(Cell(fit(image), "\n".join(lines), RIGHT if label == said else WRONG))
    widest = max(text_width(line) for cell in cells for line in cell.caption.split("\n"))
    rows = [("", cells[start : start + COLUMNS]) for start in range(0, len(cells), COLUMNS)]
    return draw_sheet(rows, title, cell_width=max(CELL, LETTER_7 * widest + 0.1))
