"""Labelled images in a zip archive, read in place."""

import lzma
import threading
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.data.decode import decode_image
from pipelines.data.errors import DataError
from pipelines.data.layout import build_tree, label_samples
from pipelines.data.sample import Sample

# no photograph is larger; a crafted archive can claim to be
LARGEST_MEMBER_BYTES = 256 * 2**20
# what a damaged, encrypted or exotic member raises (NotImplementedError is a RuntimeError)
BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError)


class ZipSource:
    """An archive of class folders, or of splits of class folders; see `open_source`."""

    def __init__(self, path: Path, class_names: Sequence[str] | None = None) -> None:
        """List the samples in the archive; `DataError` if it is corrupt or in neither layout."""
        # one handle for all threads: parsing the directory of a large archive again per thread costs more than waiting
        self._lock = threading.Lock()
        try:
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
            raise DataError(f"{path} is not a readable zip archive: {error}") from error
        # some Windows tools write backslashes
        members = {info.filename.replace("\\", "/"): info for info in self._archive.infolist()}
        self._members = {name: info for name, info in members.items() if not name.endswith("/")}
        tree = build_tree(self._members, members.keys() - self._members.keys())
        try:
            self.class_names, self.samples = label_samples(tree, class_names, str(path))
        except DataError:
            self._archive.close()
            raise
        self.skipped: tuple[tuple[str, str], ...] = ()

    def read(self, sample: Sample) -> NDArray[np.uint8]:
        """Decode one image; `DataError` if the member is damaged, encrypted or no image."""
        info = self._members[sample.name]
        if info.file_size > LARGEST_MEMBER_BYTES:
            raise DataError(f"{sample.name}: unpacks to {info.file_size} bytes, the limit is {LARGEST_MEMBER_BYTES}")
        try:
            with self._lock:
                data = self._archive.read(info)
        except BROKEN as error:
            raise DataError(f"{sample.name}: cannot be unpacked, {error}") from error
        return decode_image(data, sample.name)
