"""A zip archive whose members are read in place, from several threads at a time."""

import lzma
import struct
import threading
import zipfile
import zlib
from pathlib import Path

from pipelines.data.errors import DataError
from pipelines.reading import LARGEST_BYTES, open_regular

# what a damaged, encrypted or exotic member raises (NotImplementedError is a RuntimeError)
BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, RuntimeError, ValueError)


class Archive:
    """An open zip archive.

    Args:
        path: Of the archive.

    Attributes:
        files: Names of its files, with forward slashes.
        folders: Names of the folders that are listed as such; they end in a slash.

    Raises:
        DataError: It is corrupt, or no zip archive.
    """

    def __init__(self, path: Path) -> None:
        """Read the archive's directory."""
        # one handle for all threads: parsing the directory of a large archive again per thread costs more than waiting
        self._lock = threading.Lock()
        try:
            open_regular(path).close()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error
        try:
            self._archive = zipfile.ZipFile(path)
        except BROKEN as error:
            raise DataError(f"{path} is not a readable zip archive: {error}") from error
        # some Windows tools write backslashes
        members = {info.filename.replace("\\", "/"): info for info in self._archive.infolist()}
        self._members = {name: info for name, info in members.items() if not name.endswith("/")}
        self.files = self._members.keys()
        self.folders = members.keys() - self.files

    def read(self, name: str) -> bytes:
        """Unpack one file; `DataError` if it is not there, damaged, encrypted or too large."""
        info = self._members.get(name)
        if info is None:  # a manifest may name what is not there
            raise DataError(f"{name}: not in the archive")
        if info.flag_bits & 1:
            raise DataError(f"{name}: the archive needs a password; unpack it, and give the folder")
        if info.file_size > LARGEST_BYTES:
            raise DataError(f"{name}: unpacks to {info.file_size:,} bytes, the limit is {LARGEST_BYTES:,}")
        try:
            with self._lock:
                return self._archive.read(info)
        except BROKEN as error:
            raise DataError(f"{name}: cannot be unpacked, {error}") from error

    def close(self) -> None:
        """Let go of the file."""
        self._archive.close()
