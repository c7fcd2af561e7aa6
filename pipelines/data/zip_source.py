"""Labelled images in a zip archive, read in place."""

import lzma
import threading
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.journal import Key
from pipelines.curation.manifest import MANIFEST_NAME
from pipelines.curation.provenance import PROVENANCE_NAME, parse_origins
from pipelines.data.decode import decode_image
from pipelines.data.errors import DataError
from pipelines.data.layout import build_tree, label_samples
from pipelines.data.manifest_listing import Listing, is_own_manifest, list_manifest, parse_manifest
from pipelines.data.sample import Sample
from pipelines.errors import UserError

# no photograph is larger; a crafted archive can claim to be
LARGEST_MEMBER_BYTES = 256 * 2**20
# what a damaged, encrypted or exotic member raises (NotImplementedError is a RuntimeError)
BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError)


class ZipSource:
    """An archive of class folders, of splits of class folders, or of a dataset with a manifest; see `open_source`."""

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
        try:
            listed = self._list(members.keys() - self._members.keys(), class_names, str(path))
        except UserError:
            self._archive.close()
            raise
        self.class_names, self.samples, self.skipped = listed

    def _list(self, folders: Iterable[str], class_names: Sequence[str] | None, where: str) -> Listing:
        # the manifest may lie in a folder around everything
        for name in sorted(self._members, key=lambda name: (name.count("/"), name)):
            if PurePosixPath(name).name == MANIFEST_NAME and name.count("/") <= 1:
                data = self._unpack(name)
                if is_own_manifest(data):
                    prefix = name.removesuffix(MANIFEST_NAME)
                    rows = parse_manifest(data, f"{where}: {name}")
                    return list_manifest(rows, class_names, where, prefix, self._origins(prefix + PROVENANCE_NAME))
        return Listing(*label_samples(build_tree(self._members, folders), class_names, where), ())

    def _origins(self, name: str) -> dict[Key, Key]:
        return parse_origins(self._unpack(name), name) if name in self._members else {}

    def read(self, sample: Sample) -> NDArray[np.uint8]:
        """Decode one image; `DataError` if the member is damaged, encrypted or no image."""
        return decode_image(self._unpack(sample.name), sample.name)

    def _unpack(self, name: str) -> bytes:
        info = self._members.get(name)
        if info is None:  # a manifest may name what is not there
            raise DataError(f"{name}: not in the archive")
        if info.file_size > LARGEST_MEMBER_BYTES:
            raise DataError(f"{name}: unpacks to {info.file_size} bytes, the limit is {LARGEST_MEMBER_BYTES}")
        try:
            with self._lock:
                return self._archive.read(info)
        except BROKEN as error:
            raise DataError(f"{name}: cannot be unpacked, {error}") from error
