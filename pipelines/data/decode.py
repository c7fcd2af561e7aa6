"""Bytes of an image file to pixels."""

import struct

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.data.errors import DataError
from pipelines.data.jpeg import sound_jpeg
from pipelines.data.png import SIGNATURE, sound_png

# a sentence of ours says what cannot be read; OpenCV's notes, with paths in its sources, would stand between them
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

_JPEG = b"\xff\xd8"
_TIFF = {b"II*\0": "<", b"MM\0*": ">"}  # and the order of bytes
_PHOTOMETRIC, _CMYK, _LAB = 262, 5, {8, 9, 10}  # a tag of TIFF, and values that it has
# cameras and scanners put 12 bits into 16
_TWELVE_BITS = 4095


def decode_image(data: bytes, name: str) -> NDArray[np.uint8]:
    """Decode an image file of any common format.

    An EXIF orientation is applied, 16 bits per channel become 8, and transparent parts become white. (The turn of an
    image that has both an orientation and transparency is not applied.) Where no 16-bit value is above 4095, these are
    taken for 12 bits, since the image would be all but black otherwise.

    Args:
        data: The whole file.
        name: What messages call it.

    Returns:
        uint8, (height, width) for a grey file, (height, width, 3) in RGB order for a coloured one.

    Raises:
        DataError: The bytes are no image, a damaged one, or one whose values do not say which of them is white.
    """
    if not data:
        raise DataError(f"{name}: the file is empty")
    if data.startswith(_JPEG):
        data = sound_jpeg(data, name)
    elif data.startswith(SIGNATURE):
        data = sound_png(data, name)
    photometric = _photometric(data)
    if photometric in _LAB:
        raise DataError(f"{name}: its colours are Lab values, which are not read; convert it to RGB")
    buffer = np.frombuffer(data, np.uint8)
    try:
        mode = cv2.IMREAD_ANYCOLOR
        if _needs_a_look(data):
            # unlike the other modes, this one keeps depth and transparency, and ignores the orientation
            image = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
            if image is not None and image.dtype not in (np.uint8, np.uint16):
                raise DataError(
                    f"{name}: its values are {image.dtype} numbers, which are not read; convert it to 8 bits"
                )
            if image is not None and image.ndim == 3 and image.shape[2] == 4 and photometric != _CMYK:
                return _on_white(image)
            if image is not None and image.dtype == np.uint16 and 0 < image.max() <= _TWELVE_BITS:
                mode |= cv2.IMREAD_ANYDEPTH
        image = cv2.imdecode(buffer, mode)
        if image is None:
            raise DataError(f"{name}: not a readable image")
        if image.ndim == 3:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    except cv2.error as error:
        raise DataError(f"{name}: not a readable image ({error.err or error})") from error
    if image.dtype == np.uint16:
        image = np.rint(image * (255 / _TWELVE_BITS))
    return np.asarray(image, np.uint8)


def _needs_a_look(data: bytes) -> bool:
    # whether it may be transparent, or have more than 8 bits
    if data.startswith(_JPEG):
        return False
    if data.startswith(SIGNATURE):
        return data[24:25] > b"\x08" or data[25:26] not in {b"\x00", b"\x02"}  # colour types: plain grey, plain RGB
    return True


def _photometric(data: bytes) -> int | None:
    """What the values of a TIFF's first image mean; None for other files."""
    order = _TIFF.get(data[:4])
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        entries = [struct.unpack_from(f"{order}HHIH", data, start + 2 + 12 * number) for number in range(count)]
    except struct.error:
        return None
    return next((value for tag, _, _, value in entries if tag == _PHOTOMETRIC), None)


def _on_white(image: NDArray[np.uint8 | np.uint16]) -> NDArray[np.uint8]:
    # BGRA -> RGB
    full = np.float32(255 if image.dtype == np.uint8 else 65535 if image.max() > _TWELVE_BITS else _TWELVE_BITS)
    unit = image.astype(np.float32) / full
    opacity = unit[..., 3:]
    mixed = unit[..., 2::-1] * opacity + (1 - opacity)
    return np.asarray(np.rint(mixed * 255), np.uint8)
