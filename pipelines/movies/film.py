"""A film as a stream of frames, with the time of each as the film itself gives it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.data.errors import DataError
from pipelines.reading import open_regular

# the decoder's own notes on damaged films would run between our sentences; -8 is FFmpeg's AV_LOG_QUIET
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

# after so many frames in a row that cannot be decoded the film is over; after fewer it goes on behind the damage
PATIENCE = 500
# where the film states no rate, or an absurd one
USUAL_RATE = 25.0


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a film.

    Args:
        number: 0-based, as decoded; what the film's header says plays no part.
        seconds: From the film's time stamps; each frame's is larger than the one's before.
        pixels: uint8 (height, width, 3) in BGR order, turned upright as the film's metadata ask.
    """

    number: int
    seconds: float
    pixels: NDArray[np.uint8]


class Film:
    """A film file, opened for one pass from front to back; use it in a `with` block.

    It is decoded in one thread: with several, the frames of a damaged film would depend on their number.

    Args:
        path: Of any format that OpenCV's FFmpeg reads.

    Raises:
        DataError: The file is missing, empty, or no film that can be read.
        OSError: The file must not be read.
    """

    def __init__(self, path: Path) -> None:
        """Open the film; nothing is decoded yet."""
        check_file(path)
        # FFmpeg takes what stands before a colon for a protocol, unless the path begins with a slash
        name = os.path.abspath(path)  # noqa: PTH100  # a link may lead to a name without the film's extension
        # what is no film gets our sentence, and not OpenCV's warning besides
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            self._capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        except (cv2.error, UnicodeError, SystemError) as error:
            raise DataError(f"{path} cannot be opened as a film ({error}); try another file name") from error
        finally:
            cv2.utils.logging.setLogLevel(level)
        if not self._capture.isOpened():
            raise DataError(f"{path} cannot be read as a film: it is of another kind, or its index is lost")
        self._path = path
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self._spacing = 1 / rate if 0.1 <= rate <= 1000 else 1 / USUAL_RATE
        announced = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        # a wrong header can claim anything, also less than nothing
        self.announced = int(announced) if 0 < announced < 1e12 else None

    @property
    def announced_seconds(self) -> float | None:
        """How long the film is if its header speaks the truth."""
        return None if self.announced is None else self.announced * self._spacing

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """Yield the frames from `start` on, until nothing more can be decoded.

        Earlier frames are decoded and passed over, since seeking is not exact to the frame in every film.
        """
        number, seconds, missed = -1, -1.0, 0
        while missed < PATIENCE:
            if not self._capture.grab():
                missed += 1
                continue
            missed = 0
            number += 1
            stamp = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
            # some containers have no time stamps, and damaged ones have stamps that stand still or run back
            advances = stamp > seconds if number else stamp >= 0
            seconds = stamp if advances else (seconds + self._spacing if number else 0.0)
            if number < start:
                continue
            intact, pixels = self._capture.retrieve()
            if intact and pixels is not None and pixels.size:
                yield Frame(number, seconds, np.asarray(pixels, np.uint8))

    def close(self) -> None:
        """Let go of the file."""
        self._capture.release()

    def __enter__(self) -> "Film":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_file(path: Path) -> None:
    """Refuse what is no file with something in it, in one sentence.

    Raises:
        DataError: The file is missing, empty, or a folder.
        OSError: It must not be read.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder; name the films in it, as in {path}/*.mp4")
    if not path.exists():
        raise DataError(f"{path}: there is no such film")
    with open_regular(path) as file:
        if not file.read(1):
            raise DataError(f"{path} is empty")


def time_code(seconds: float) -> str:
    """A time in a film as HH:MM:SS.mmm."""
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
