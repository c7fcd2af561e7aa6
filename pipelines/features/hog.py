"""Histograms of oriented gradients, the features that were usual for faces before networks learned them."""

from collections.abc import Iterable

import cv2
import numpy as np

from pipelines.data.preprocessing import Preprocessing
from pipelines.features.vectors import FloatBatch, unit

CELL = 8  # pixels of a side
BLOCK = 2  # cells of a side
DIRECTIONS = 9
# larger images are shrunk to this side: a cell is to be a part of a face, such as an eye
LARGEST = 64
SMALLEST = CELL * BLOCK


class HogMaker:
    """Vectors from OpenCV's `HOGDescriptor` (Dalal & Triggs, 2005, https://doi.org/10.1109/CVPR.2005.177).

    The settings are the paper's: cells of 8x8 pixels with a histogram of 9 directions over 180 degrees each, blocks of
    2x2 cells a cell apart, each normalised to length 1 with values clipped at 0.2 in between (L2-Hys), square roots of
    pixels before gradients. Of a coloured image, each pixel counts in the channel of its strongest gradient.

    An image that is no multiple of 8 pixels wide and high is stretched to the nearest one; the longer side is at most
    64 pixels and the shorter one at least 16. So 48x48 pixels give 25 blocks of 36 numbers, 900 in all.

    Args:
        preprocessing: of the images; its size and colour count, its range of numbers does not.
        normalize: divide each vector by its length.

    Attributes:
        name: for tables.
        preprocessing: how images are wanted: pixels from 0 to 255, of the size that is looked at.
        dimension: numbers in a vector.
    """

    name = "HOG"

    def __init__(self, preprocessing: Preprocessing, normalize: bool = False) -> None:
        """Choose the size that is looked at."""
        sides = (preprocessing.height, preprocessing.width)
        shrunk = min(1.0, LARGEST / max(sides))
        rows, columns = (max(SMALLEST, CELL * round(side * shrunk / CELL)) for side in sides)
        self.preprocessing = Preprocessing(rows, columns, preprocessing.channels, scale=1.0)
        block, cell = (CELL * BLOCK, CELL * BLOCK), (CELL, CELL)
        self._descriptor = cv2.HOGDescriptor((columns, rows), block, cell, cell, DIRECTIONS)
        self.dimension = int(self._descriptor.getDescriptorSize())
        self._normalize = normalize

    def fit(self, batches: Iterable[FloatBatch]) -> None:
        """There is nothing to learn; the batches are left unread."""

    def __call__(self, images: FloatBatch) -> FloatBatch:
        """Float32 (n, dimension); see `pipelines.features.vectors.VectorMaker`."""
        result = np.empty((len(images), self.dimension), np.float32)
        for row, image in enumerate(np.clip(np.rint(images), 0, 255).astype(np.uint8)):
            result[row] = np.asarray(self._descriptor.compute(image), np.float32).reshape(-1)
        return unit(result) if self._normalize else result
