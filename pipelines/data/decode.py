"""Bytes of an image file to pixels."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.data.errors import DataError


def decode_image(data: bytes, name: str) -> NDArray[np.uint8]:
    """Decode an image file of any common format.

    An EXIF orientation is applied, 16 bits per channel become 8, and transparent parts become white. (The turn of an
    image that has both an orientation and transparency is not applied.)

    Args:
        data: The whole file.
        name: What messages call it.

    Returns:
        uint8, (height, width) for a grey file, (height, width, 3) in RGB order for a coloured one.

    Raises:
        DataError: The bytes are no image, or a broken one.
    """
    if not data:
        raise DataError(f"{name}: the file is empty")
    buffer = np.frombuffer(data, np.uint8)
    try:
        if _may_be_transparent(data):
            # unlike the other modes, this one keeps the transparency and ignores the orientation
            image = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
            if image is not None and image.ndim == 3 and image.shape[2] == 4:
                return _on_white(image)
        image = cv2.imdecode(buffer, cv2.IMREAD_ANYCOLOR)
        if image is None:
            raise DataError(f"{name}: not a readable image")
        if image.ndim == 3:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    except cv2.error as error:
        raise DataError(f"{name}: not a readable image ({error.err or error})") from error
    return np.asarray(image, np.uint8)


def _may_be_transparent(data: bytes) -> bool:
    if data.startswith(b"\xff\xd8"):  # JPEG
        return False
    if data.startswith(b"\x89PNG"):
        return data[25:26] not in {b"\x00", b"\x02"}  # colour types: plain grey, plain RGB
    return True


def _on_white(image: NDArray[np.uint8 | np.uint16]) -> NDArray[np.uint8]:
    # BGRA -> RGB
    full = np.float32(255 if image.dtype == np.uint8 else 65535)
    unit = image.astype(np.float32) / full
    opacity = unit[..., 3:]
    mixed = unit[..., 2::-1] * opacity + (1 - opacity)
    return np.asarray(np.rint(mixed * 255), np.uint8)
