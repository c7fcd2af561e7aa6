"""Varied copies of training images: turned, sheared, moved, mirrored, lit otherwise, and partly erased.

What happens to an image depends on a seed, the epoch and the image's own number alone: not on the order of the images,
on the batch it is in, or on the thread that works on it.
"""

from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

# entropy of the two streams of random numbers for one seed and epoch
_FLIP, _OTHERS = 1, 2
# the numbers that are drawn for an image, whether they are needed or not: switching one change on alters no other
_NUMBERS = (
    "horizontal_flip", "vertical_flip", "rotation", "zoom", "shear", "shift_x", "shift_y", "crop", "crop_x", "crop_y",
    "brightness", "contrast", "erase", "erase_area", "erase_shape", "erase_x", "erase_y",
)  # fmt: skip
_COLUMN = {name: column for column, name in enumerate(_NUMBERS)}
# height over width of an erased rectangle, one way or the other
_MOST_OBLONG = 3.3

Draws = NDArray[np.float64]
Probability = Annotated[float, Field(ge=0, le=1)]
Part = Annotated[float, Field(ge=0, lt=1)]
Factors = tuple[Annotated[float, Field(ge=0, le=10)], Annotated[float, Field(ge=0, le=10)]]


def draw(count: int, seed: int, epoch: int) -> Draws:
    """Draw the random numbers of one epoch: float64 (count, numbers) in [0, 1), a row for each image.

    Args:
        count: Images; a larger count adds rows and changes none.
        seed: At least 0.
        epoch: At least 0.
    """
    flips = np.random.default_rng((seed, epoch, _FLIP)).random((count, 1))
    others = np.random.default_rng((seed, epoch, _OTHERS)).random((count, len(_NUMBERS) - 1))
    return np.concatenate([flips, others], axis=1)


class Augmentation(BaseModel):
    """By how much images are varied; every change is off where it is left out.

    The image is mirrored, shifted and cropped, then rotated, zoomed and sheared about its middle; all but mirroring is
    a single bilinear warp, filled by reflection (`dcba|abcd|dcba`). Then contrast and brightness change, and last a
    part is erased. All magnitudes are drawn evenly.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Up to so many degrees either way."""
    zoom: Part = 0.0
    """Larger or smaller by up to this share, both sides alike."""
    shear: Annotated[float, Field(ge=0, le=2)] = 0.0
    """Rows move sideways by up to this share of their distance from the middle row."""
    shift: Part = 0.0
    """Up to this share of the width sideways and of the height up or down."""
    crop: Part = 0.0
    """The sides of a random window are shorter than the image's by up to this share; it is enlarged to the
    image's size."""
    horizontal_flip: bool = False
    """Whether half of the images are mirrored left to right."""
    vertical_flip: bool = False
    """Whether half of the images are turned upside down."""
    brightness: Factors = (1.0, 1.0)
    """Least and largest factor of all pixels."""
    contrast: Factors = (1.0, 1.0)
    """Least and largest factor of the pixels' distance from their mean."""
    erasing: Probability = 0.0
    """The share of images in which a rectangle is filled with their mean (Zhong et al., "Random Erasing Data
    Augmentation", https://arxiv.org/abs/1708.04896)."""
    erasing_area: tuple[Probability, Probability] = (0.02, 0.2)
    """Least and largest share of the image that is erased."""

    @field_validator("brightness", "contrast", "erasing_area")
    @classmethod
    def _ascending(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] > value[1]:
            raise ValueError(f"the first number must not be larger than the second, got {list(value)}")
        return value

    @property
    def changes_nothing(self) -> bool:
        """Whether every image stays as it is."""
        return not (self._mirrors or self._warps or self._relights or self.erasing)

    @property
    def _mirrors(self) -> bool:
        return self.horizontal_flip or self.vertical_flip

    @property
    def _warps(self) -> bool:
        return any((self.rotation, self.zoom, self.shear, self.shift, self.crop))

    @property
    def _relights(self) -> bool:
        return self.brightness != (1, 1) or self.contrast != (1, 1)

    def __call__(self, images: NDArray[np.uint8], draws: Draws) -> NDArray[np.uint8]:
        """Vary a batch of images.

        Args:
            images: uint8 (n, height, width, channels), with 1 or 3 channels; stays as it is.
            draws: float64 (n, numbers), their rows of `draw`.

        Returns:
            uint8 of the same shape; each image depends on its own pixels and row alone.
        """
        result = images.copy()
        if self.horizontal_flip:
            chosen = draws[:, _COLUMN["horizontal_flip"]] < 0.5
            result[chosen] = result[chosen, :, ::-1]
        if self.vertical_flip:
            chosen = draws[:, _COLUMN["vertical_flip"]] < 0.5
            result[chosen] = result[chosen, ::-1]
        if self._warps:
            result = _warp(result, self.matrices(draws, *images.shape[1:3]))
        if self._relights:
            _relight(result, *(_between(getattr(self, name), draws, name) for name in ("brightness", "contrast")))
        if self.erasing:
            self._erase(result, draws)
        return result

    def matrices(self, draws: Draws, height: int, width: int) -> NDArray[np.float64]:
        """Where each pixel of a varied image comes from: float64 (n, 2, 3), from (x, y, 1) to (x, y) of the original.

        Args:
            draws: Rows of `draw`.
            height: Of the images, in pixels.
            width: Of the images, in pixels.
        """
        angle = np.deg2rad(_around(self.rotation, draws, "rotation"))
        window = 1 - self.crop * draws[:, _COLUMN["crop"]]
        scale = window / (1 + _around(self.zoom, draws, "zoom"))
        shear = _around(self.shear, draws, "shear")
        cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
        # a positive angle turns the picture counter-clockwise, as y points down
        linear = np.stack([np.stack([cos, cos * shear - sin], -1), np.stack([sin, sin * shear + cos], -1)], -2)
        middle = np.array([(width - 1) / 2, (height - 1) / 2])
        moved = np.stack([_around(self.shift, draws, "shift_x"), _around(self.shift, draws, "shift_y")], -1)
        # the middle of the window keeps the whole window inside the image
        room = (1 - window)[:, None] * np.stack([draws[:, _COLUMN["crop_x"]], draws[:, _COLUMN["crop_y"]]], -1)
        centre = room - (1 - window)[:, None] / 2
        offset = middle + (centre - moved) * [width, height] - linear @ middle
        return np.concatenate([linear, offset[:, :, None]], axis=2)

    def _erase(self, images: NDArray[np.uint8], draws: Draws) -> None:
        height, width = images.shape[1:3]
        share = _between(self.erasing_area, draws, "erase_area")
        oblong = _MOST_OBLONG ** _around(1, draws, "erase_shape")
        rows = np.clip(np.rint(np.sqrt(share * oblong * height * width)), 1, height).astype(int)
        columns = np.clip(np.rint(np.sqrt(share / oblong * height * width)), 1, width).astype(int)
        # draws are below 1, so every place is as likely, and none lies outside
        tops = (draws[:, _COLUMN["erase_y"]] * (height - rows + 1)).astype(int)
        lefts = (draws[:, _COLUMN["erase_x"]] * (width - columns + 1)).astype(int)
        for number in np.flatnonzero(draws[:, _COLUMN["erase"]] < self.erasing):
            top, left = tops[number], lefts[number]
            image = images[number]
            image[top : top + rows[number], left : left + columns[number]] = np.rint(image.mean(axis=(0, 1)))


# what student projects on faces have in common
USUAL = Augmentation(rotation=15, zoom=0.1, shear=0.2, horizontal_flip=True, brightness=(0.7, 1.3))


def _between(ends: tuple[float, float], draws: Draws, name: str) -> NDArray[np.float64]:
    return ends[0] + (ends[1] - ends[0]) * draws[:, _COLUMN[name]]


def _around(most: float, draws: Draws, name: str) -> NDArray[np.float64]:
    return _between((-most, most), draws, name)


def _warp(images: NDArray[np.uint8], matrices: NDArray[np.float64]) -> NDArray[np.uint8]:
    # OpenCV lets other threads run meanwhile
    result = np.empty_like(images)
    size = (images.shape[2], images.shape[1])
    for image, matrix, target in zip(images, matrices, result, strict=True):
        cv2.warpAffine(
            image, matrix, size, target, cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT
        )
    return result


def _relight(images: NDArray[np.uint8], brightness: NDArray[np.float64], contrast: NDArray[np.float64]) -> None:
    # in place: both changes together are a table of 256 entries for each image
    levels = np.arange(256.0)
    means = images.mean(axis=(1, 2, 3))[:, None]
    tables = brightness[:, None] * (contrast[:, None] * (levels - means) + means)
    for image, table in zip(images, np.rint(np.clip(tables, 0, 255)).astype(np.uint8), strict=True):
        cv2.LUT(image, table, image)
