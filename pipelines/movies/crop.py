"""Pictures of faces: 640x480 or square, the face in the middle, nothing stretched."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.movies.detectors import Face

WIDTH, HEIGHT = 640, 480
# side of the head, in sides of the face's box
HEAD = 1.25


def window(face: Face, share: float) -> tuple[int, int, int, int]:
    """The part of the frame that becomes the picture: left, top, width, height, in the proportion 4:3 exactly.

    Args:
        face: It lies in the middle, to half a pixel.
        share: Of the picture's height, how much the face takes.
    """
    unit = max(1, round(face.side / share / 3))
    width, height = 4 * unit, 3 * unit
    x, y = face.middle
    return round(x - width / 2), round(y - height / 2), width, height


def inside(frame: tuple[int, ...], face: Face) -> float:
    """How much of the head the frame shows, 0 to 1; the head is the square around the face with a margin of an eighth.

    Args:
        frame: Height and width of the frame.
        face: Its box.
    """
    half = face.side * HEAD / 2
    x, y = face.middle
    shown_x = max(0.0, min(x + half, frame[1]) - max(x - half, 0))
    shown_y = max(0.0, min(y + half, frame[0]) - max(y - half, 0))
    return shown_x * shown_y / (2 * half) ** 2


def cut_out(pixels: NDArray[np.uint8], face: Face, share: float) -> NDArray[np.uint8]:
    """Cut a face out of a frame.

    Where the frame ends before the picture does, it is continued by its reflection.

    Args:
        pixels: The frame, BGR (height, width, 3).
        face, share: As for `window`.

    Returns:
        uint8 (480, 640, 3), RGB.
    """
    left, top, width, height = window(face, share)
    part = _part(pixels, left, top, width, height)
    way = cv2.INTER_AREA if height > HEIGHT else cv2.INTER_CUBIC
    picture = cv2.resize(part, (WIDTH, HEIGHT), interpolation=way)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def cut_square(pixels: NDArray[np.uint8], face: Face, sides: float) -> NDArray[np.uint8]:
    """Cut a square around a face out of a frame, at the frame's own scale.

    Where the frame ends before the square does, it is continued by its reflection.

    Args:
        pixels: The frame, BGR (height, width, 3).
        face: It lies in the middle, to half a pixel.
        sides: Side of the square, in sides of the face's box.

    Returns:
        uint8 (side, side, 3), RGB.
    """
    side = max(1, round(face.side * sides))
    x, y = face.middle
    part = _part(pixels, round(x - side / 2), round(y - side / 2), side, side)
    return np.asarray(cv2.cvtColor(part, cv2.COLOR_BGR2RGB), np.uint8)


def _part(pixels: NDArray[np.uint8], left: int, top: int, width: int, height: int) -> NDArray[np.uint8]:
    # pixels that are not wanted are not copied: a photograph may have many faces
    rows = _reflected(top, height, pixels.shape[0])
    columns = _reflected(left, width, pixels.shape[1])
    return np.ascontiguousarray(pixels[rows[:, None], columns])


def _reflected(start: int, count: int, length: int) -> NDArray[np.intp]:
    # indices start .. start + count, turned back at both ends as often as needed; the edge itself is not repeated
    index = np.arange(start, start + count)
    if length == 1:
        return np.zeros(count, np.intp)
    index = np.abs(index) % (2 * (length - 1))
    return np.minimum(index, 2 * (length - 1) - index).astype(np.intp)
