"""Labelled images in a text file of the form of `fer2013.csv`: one image per row, its pixels as decimal numbers."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.data.class_names import class_key, order_classes
from pipelines.data.errors import DataError
from pipelines.data.sample import SPLITS, LeftOut, Sample
from pipelines.reading import open_regular

# the meaning of the numbers 0..6 in the column `emotion`
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
USAGE_SPLITS = {"training": "train", "publictest": "validation", "privatetest": "test"}
COLUMNS = ("emotion", "pixels", "usage")
# how many rows vote on the size of the images, so that one bad row among the first does not decide it
SIZE_VOTERS = 64
LONGEST_HEADER_BYTES = 4096


class CsvSource:
    """A csv with the columns `emotion,pixels,Usage`, indexed once and then read row by row; see `open_source`.

    A sample is named after its line, `fer2013.csv:17`, counting the header as line 1. Rows without a valid emotion or
    usage are listed in `skipped`; rows with bad pixels are found by `read`.
    """

    def __init__(self, path: Path, class_names: Sequence[str] | None = None) -> None:
        """Index the rows of `path`; `DataError` if its header is not that of `fer2013.csv` or no row is usable."""
        self._path = path
        self._rows: dict[str, tuple[int, int]] = {}  # name: (offset, bytes)
        self.skipped: list[tuple[str, str]] = []
        self.left_out: tuple[LeftOut, ...] = ()
        counts: Counter[int] = Counter()
        found: list[tuple[str, int, str]] = []
        try:
            for name, offset, line in self._lines():
                try:
                    emotion, pixels, split = self._parse(name, line)
                except DataError as error:
                    self.skipped.append((name, str(error).removeprefix(f"{name}: ")))
                    continue
                if counts.total() < SIZE_VOTERS:
                    counts[len(pixels.split())] += 1
                found.append((name, emotion, split))
                self._rows[name] = (offset, len(line))
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error
        if not found:
            reason = f"; the first problem is {': '.join(self.skipped[0])}" if self.skipped else ""
            raise DataError(f"{path} has no usable row{reason}")
        self._side = _common_side(counts)
        labels = self._order(sorted({emotion for _, emotion, _ in found}), class_names)
        samples = [Sample(name, labels[emotion], split) for name, emotion, split in found]
        # stable: rows stay in file order within their split
        self.samples = tuple(sorted(samples, key=lambda sample: SPLITS.index(sample.split)))

    def read(self, sample: Sample) -> NDArray[np.uint8]:
        """Parse one row's pixels: uint8 (side, side); `DataError` if they are not as many numbers in 0..255."""
        offset, length = self._rows[sample.name]
        try:
            with open_regular(self._path) as file:
                file.seek(offset)
                line = file.read(length)
        except OSError as error:
            raise DataError(f"{sample.name}: cannot be read, {error.strerror}") from error
        numbers = self._parse(sample.name, line)[1].split()
        if len(numbers) != self._side**2:
            raise DataError(
                f"{sample.name}: pixels must be {self._side}x{self._side} = {self._side**2} numbers, got {len(numbers)}"
            )
        try:
            pixels = bytes(map(int, numbers))
        except ValueError as error:
            raise DataError(f"{sample.name}: pixels must be whole numbers in 0..255 ({error})") from error
        return np.frombuffer(pixels, np.uint8).reshape(self._side, self._side).copy()

    def _lines(self) -> Iterator[tuple[str, int, bytes]]:
        # (name, offset, line) of every row that is not blank
        with open_regular(self._path) as file:
            header = file.readline(LONGEST_HEADER_BYTES).removeprefix(b"\xef\xbb\xbf")
            columns = [field.decode("utf-8", "replace").lower() for field in _fields(header)]
            if not set(COLUMNS) <= set(columns):
                raise DataError(
                    f"{self._path} must begin with the columns emotion,pixels,Usage, got {_shorten(header)!r}"
                )
            self._columns = {name: columns.index(name) for name in COLUMNS}
            self._width = len(columns)
            offset = file.tell()
            for number, line in enumerate(file, start=2):
                if line.strip():
                    yield f"{self._path.name}:{number}", offset, line
                offset += len(line)

    def _parse(self, name: str, line: bytes) -> tuple[int, bytes, str]:
        # (emotion, pixels as text, split)
        fields = _fields(line)
        if len(fields) != self._width:
            raise DataError(f"{name}: a row must have {self._width} fields, got {len(fields)}")
        emotion, pixels, usage = (fields[self._columns[column]] for column in COLUMNS)
        if len(emotion) != 1 or not emotion.isdigit() or int(emotion) >= len(EMOTIONS):
            raise DataError(f"{name}: emotion must be a number in 0..{len(EMOTIONS) - 1}, got {_shorten(emotion)!r}")
        split = USAGE_SPLITS.get(usage.decode("utf-8", "replace").lower())
        if split is None:
            raise DataError(f"{name}: Usage must be Training, PublicTest or PrivateTest, got {_shorten(usage)!r}")
        return int(emotion), pixels, split

    def _order(self, found: list[int], class_names: Sequence[str] | None) -> dict[int, int]:
        # sets class_names; returns emotion number -> label
        self.class_names: tuple[str, ...] = EMOTIONS
        if class_names is not None:
            self.class_names = order_classes([EMOTIONS[emotion] for emotion in found], class_names, str(self._path))
        keys = [class_key(name) for name in self.class_names]
        return {emotion: keys.index(EMOTIONS[emotion]) for emotion in found}


def _fields(line: bytes) -> list[bytes]:
    # no field of this format holds a comma, so the csv module, which is slow on such long fields, is not needed
    return [field.strip().strip(b'"').strip() for field in line.split(b",")]


def _common_side(counts: Counter[int]) -> int:
    sides = {math.isqrt(count): votes for count, votes in counts.items() if count and math.isqrt(count) ** 2 == count}
    return max(sides, key=lambda side: (sides[side], side), default=48)


def _shorten(text: bytes) -> str:
    shown = text.decode("utf-8", "replace").strip()
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
