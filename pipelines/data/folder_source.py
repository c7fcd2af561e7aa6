"""Labelled images in folders on disk."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.manifest import Manifest
from pipelines.curation.provenance import read_origins
from pipelines.data.decode import decode_image
from pipelines.data.errors import DataError
from pipelines.data.layout import build_tree, is_visible, label_samples
from pipelines.data.manifest_listing import has_own_manifest, list_manifest
from pipelines.data.sample import LeftOut, Sample
from pipelines.reading import read_file

# splits, classes, images, and some levels around them; keeps a mistaken path such as `/` from being walked for long
DEEPEST_LEVEL = 6


class FolderSource:
    """A folder of class folders, of splits of class folders, or a dataset with a manifest; see `open_source`."""

    skipped: tuple[tuple[str, str], ...]
    left_out: tuple[LeftOut, ...]

    def __init__(self, path: Path, class_names: Sequence[str] | None = None) -> None:
        """List the samples below `path`; `DataError` if they are in neither layout."""
        self._path = path
        if has_own_manifest(path):
            rows = Manifest.read(path).rows
            self.class_names, self.samples, self.skipped, self.left_out = list_manifest(
                rows, class_names, str(path), origins=read_origins(path)
            )
            return
        files: list[str] = []
        folders: list[str] = []
        try:
            unseen = _walk(path, "", files, folders, ())
        except OSError as error:
            raise DataError(f"{error.filename or path} cannot be listed: {error.strerror}") from error
        self.class_names, self.samples, left_out = label_samples(build_tree(files, folders), class_names, str(path))
        self.skipped = ()
        self.left_out = (*left_out, *(LeftOut(count, kind) for kind, count in unseen.items()))

    def read(self, sample: Sample) -> NDArray[np.uint8]:
        """Decode one image; `DataError` if its file is gone, unreadable or broken."""
        try:
            data = read_file(self._path / sample.name)
        except OSError as error:
            raise DataError(f"{sample.name}: cannot be read, {error.strerror}") from error
        return decode_image(data, sample.name)


def _walk(
    folder: Path, prefix: str, files: list[str], folders: list[str], above: tuple[tuple[int, int], ...]
) -> Counter[str]:
    """List what is below a folder; returns what was not looked into, by kind."""
    status = folder.stat()
    above = (*above, (status.st_dev, status.st_ino))
    unseen: Counter[str] = Counter()
    with os.scandir(folder) as entries:
        for entry in entries:
            if not is_visible(entry.name):
                continue
            # a link to itself, of which an entry cannot say what it is, is named when it is read
            if not (Path(entry.path) if entry.is_symlink() else entry).is_dir():
                files.append(prefix + entry.name)
                continue
            target = Path(entry.path).stat()  # that of the entry tells nothing on Windows
            if (target.st_dev, target.st_ino) in above:
                unseen["links to folders that they lie in"] += 1
            elif len(above) > DEEPEST_LEVEL:
                unseen[f"folders below {DEEPEST_LEVEL} others"] += 1
            else:
                folders.append(prefix + entry.name)
                unseen += _walk(Path(entry.path), f"{prefix}{entry.name}/", files, folders, above)
    return unseen
