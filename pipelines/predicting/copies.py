"""Where annotated copies go: a folder with the structure of what was read, in which nothing else is touched."""

import os
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipelines.figures.saving import SOFTWARE, is_own
from pipelines.files import write_whole
from pipelines.predicting.inputs import numbered

JPEG_SUFFIXES = {".jpg", ".jpeg"}
JPEG_QUALITY = 92
# file systems take 255, of which the temporary name and a number need some
LONGEST_NAME_BYTES = 230


class Copies:
    """A folder for annotated copies.

    A copy has the name of its image; what is neither JPEG nor PNG gets `.png` after its own extension, and a name that
    another copy has, or a file that this program did not draw, gets a number. Copies of an earlier time are replaced.

    Args:
        folder: Made when the first copy is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._written: set[str] = set()

    @property
    def count(self) -> int:
        """How many copies were written."""
        return len(self._written)

    def write(self, place: PurePosixPath, pixels: NDArray[np.uint8]) -> Path:
        """Write a copy, whole or not at all.

        Args:
            place: Of its image, below the folder.
            pixels: uint8 (height, width, 3), RGB.

        Returns:
            Its path.

        Raises:
            OSError: It cannot be written.
        """
        path = self._free(place)
        write_whole(path, partial(_save, Image.fromarray(pixels)))
        self._written.add(str(path).casefold())
        return path

    def _free(self, place: PurePosixPath) -> Path:
        suffix = place.suffix.lower()
        name = place.name if suffix in {*JPEG_SUFFIXES, ".png"} else f"{place.name}.png"
        name = _cut(name)
        number = 1
        while True:
            path = self.folder.joinpath(*map(_cut, place.parts[:-1]), numbered(name, number))
            if str(path).casefold() not in self._written and (not os.path.lexists(path) or is_own(path)):
                return path
            number += 1


def _save(image: Image.Image, path: Path) -> None:
    if path.suffix.lower() in JPEG_SUFFIXES:
        image.save(path, "JPEG", quality=JPEG_QUALITY, comment=SOFTWARE)
        return
    info = PngInfo()
    info.add_text("Software", SOFTWARE)
    image.save(path, "PNG", pnginfo=info)


def _cut(name: str) -> str:
    stem, suffix = os.path.splitext(name)  # noqa: PTH122  # a Path would change some names
    while len(os.fsencode(stem + suffix)) > LONGEST_NAME_BYTES and stem:
        stem = stem[:-1]
    return stem + suffix
