"""What happens to an image between its file and the network, in training and in prediction alike."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.data.errors import DataError


@dataclass(frozen=True)
class Preprocessing:
    """Size, colour and number range of the network's input.

    Args:
        height: Rows, in pixels.
        width: Columns, in pixels. Images are stretched to this size, whatever their proportions.
        channels: 1 for grey, 3 for RGB.
        scale: Factor from 0..255 to the network's range.
        offset: Added after scaling: `scale=1 / 127.5, offset=-1` gives -1..1.

    Raises:
        DataError: A value is outside what is said above.
    """

    height: int
    width: int
    channels: int
    scale: float = 1 / 255
    offset: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values that no image can be brought to."""
        for name in ("height", "width"):
            value = getattr(self, name)
            if not _is_whole(value) or value < 1:
                raise DataError(f"preprocessing {name} must be a positive whole number, got {value!r}")
        if not _is_whole(self.channels) or self.channels not in (1, 3):
            raise DataError(f"preprocessing channels must be 1 (grey) or 3 (RGB), got {self.channels!r}")
        for name in ("scale", "offset"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise DataError(f"preprocessing {name} must be a finite number, got {value!r}")
        if self.scale == 0:
            raise DataError("preprocessing scale must not be 0, which would make all images alike")

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Bring one image to size and colour.

        Args:
            image: uint8, (height, width) grey, or (height, width, 1), or (height, width, 3) RGB; any size.

        Returns:
            uint8 (height, width, channels), the size of this preprocessing, C-contiguous.

        Raises:
            DataError: `image` has another dtype or shape.
        """
        shaped = image.ndim in (2, 3) and image.size and image.shape[2:] in {(), (1,), (3,)}
        if image.dtype != np.uint8 or not shaped:
            raise DataError(
                f"image must be uint8 of shape (height, width) or (height, width, 3), got {image.dtype} {image.shape}"
            )
        if image.ndim == 3 and image.shape[2] == 1:
            image = image[:, :, 0]
        if self.channels == 1 and image.ndim == 3:
            image = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
        image = _resize(image, self.height, self.width)
        if self.channels == 3 and image.ndim == 2:
            image = np.repeat(image[:, :, None], 3, axis=2)
        return np.ascontiguousarray(image).reshape(self.height, self.width, self.channels)

    def scaled(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Bring pixels to the network's range: `images * scale + offset` in float32.

        Args:
            images: uint8 (n, height, width, channels) as returned by calling this object; n may be 0.

        Raises:
            DataError: `images` has another dtype or shape.
        """
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (self.height, self.width, self.channels):
            raise DataError(
                f"images must be uint8 of shape (n, {self.height}, {self.width}, {self.channels}), "
                f"got {images.dtype} {images.shape}"
            )
        result = np.multiply(images, np.float32(self.scale), dtype=np.float32)
        if self.offset:
            result += np.float32(self.offset)
        return result

    def to_config(self) -> dict[str, Any]:
        """The arguments as plain numbers, for JSON."""
        return asdict(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Preprocessing":
        """The inverse of `to_config`; `DataError` if an argument is missing, unknown or out of range."""
        if not isinstance(config, Mapping):
            raise DataError(f"the preprocessing config must be a mapping, got {type(config).__name__}")
        known = {entry.name for entry in fields(cls)}
        for name in config:
            if name not in known:
                raise DataError(f"the preprocessing config has the unknown entry {name!r}")
        for name in ("height", "width", "channels"):
            if name not in config:
                raise DataError(f"the preprocessing config lacks the entry {name!r}")
        return cls(**config)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    # INTER_AREA averages only where both sides shrink, so shrinking one way and enlarging the other takes two steps
    rows, columns = image.shape[:2]
    smaller = (min(width, columns), min(height, rows))
    if smaller != (columns, rows):
        image = np.asarray(cv2.resize(image, smaller, interpolation=cv2.INTER_AREA), np.uint8)
    if smaller != (width, height):
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    return image
