"""Images beside varied copies of them."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipelines.data.augmentation import Augmentation, draw
from pipelines.figures.sheets import Cell, draw_sheet

VARIED_COPIES = 7
# images in figures are no larger than this, in pixels
LARGEST = 160


class Original(NamedTuple):
    """An image to be shown with its copies.

    Attributes:
        name: What stands beside it, such as its class.
        image: uint8, (height, width), (height, width, 1) or (height, width, 3) RGB.
        row: Its position among the images that are varied, which decides on its random numbers.
    """

    name: str
    image: NDArray[np.uint8]
    row: int


def draw_augmented(
    originals: Sequence[Original],
    augmentation: Augmentation,
    seed: int = 0,
    *,
    title: str = "Originals and varied copies of them",
    copy: str = "copy",
) -> Figure:
    """Each image beside the copies that it gives in the first epochs with this seed.

    Args:
        originals: At least one.
        augmentation: How the copies are varied.
        seed: That of the training makes them the copies that it sees, if `row` is the image's position in the dataset.
        title: Above everything.
        copy: What a copy is called above its column; a number from 1 follows.
    """
    draws = [draw(max(original.row for original in originals) + 1, seed, epoch) for epoch in range(VARIED_COPIES)]
    rows = []
    for name, image, row in originals:
        # varied at its own size, as in training, and only then made smaller
        batch = image.reshape(1, *image.shape[:2], -1)
        copies = [augmentation(batch, numbers[row : row + 1])[0].reshape(image.shape) for numbers in draws]
        rows.append((name, [Cell(fit(shown)) for shown in (image, *copies)]))
    return draw_sheet(rows, title, ["original", *(f"{copy} {number}" for number in range(1, VARIED_COPIES + 1))])


def fit(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image, made smaller if it is larger than a figure needs."""
    factor = LARGEST / max(image.shape[:2])
    if factor >= 1:
        return image
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
