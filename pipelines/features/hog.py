"""Histograms of oriented gradients, the features that were usual for faces before networks learned them."""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.data.errors import DataError
from pipelines.data.preprocessing import Preprocessing

CELL = 8  # pixels of a side
BLOCK = 2  # cells of a side
DIRECTIONS = 9
# larger images are shrunk to this side: cells are to be parts of a face, such as an eye
LARGEST = 64
SMALLEST = CELL * BLOCK


class HogVectors:
    """Vectors from OpenCV's `HOGDescriptor` (Dalal & Triggs, 2005, https://doi.org/10.1109/CVPR.2005.177).

    The settings are the paper's: cells of 8x8 pixels with a histogram of 9 directions over 180 degrees each, blocks of
    2x2 cells a cell apart, each normalised to length 1 with values clipped at 0.2 in between (L2-Hys), square roots of
    pixels before gradients. Of a coloured image, each pixel counts in the channel of its strongest gradient.

    An image that is no multiple of 8 pixels wide and high is stretched to the nearest one; the longer side is at most
    64 pixels and the shorter one at least 16. So 48x48 pixels give 25 blocks of 36 numbers, 900 in all.

    Args:
        size: (height, width, channels) of the images.

    Attributes:
        name: for tables.
        preprocessing: how images are wanted: pixels from 0 to 255.
        dimension: numbers in a vector.

    Raises:
        DataError: no image has such a size.
    """

    def __init__(self, size: tuple[int, int, int]) -> None:
        """Choose the window."""
        height, width, channels = size
        Preprocessing(height, width, channels)  # refuses what no image can be
        shrunk = min(1.0, LARGEST / max(height, width))
        rows, columns = (max(SMALLEST, CELL * round(side * shrunk / CELL)) for side in (height, width))
        self.name = "HOG"
        self.preprocessing = Preprocessing(rows, columns, channels, scale=1.0)
        block = (CELL * BLOCK, CELL * BLOCK)
        self._descriptor = cv2.HOGDescriptor((columns, rows), block, (CELL, CELL), (CELL, CELL), DIRECTIONS)
        self.dimension = int(self._descriptor.getDescriptorSize())

    def fit(self, batches: Iterable[NDArray[np.float32]]) -> None:
        """Nothing: the vectors depend on the image alone."""

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """The vectors of images.

        Args:
            images: float32 (n, height, width, channels), as `preprocessing` makes them.

        Returns:
            float32 (n, dimension), C-contiguous.

        Raises:
            DataError: `images` has another shape.
        """
        made = self.preprocessing
        if images.ndim != 4 or images.shape[1:] != (made.height, made.width, made.channels):
            raise DataError(
                f"images must be of shape (n, {made.height}, {made.width}, {made.channels}), got {images.shape}"
            )
        result = np.empty((len(images), self.dimension), np.float32)
        for row, image in enumerate(np.clip(np.rint(images), 0, 255).astype(np.uint8)):
            result[row] = self._descriptor.compute(image).reshape(-1)
        return result
