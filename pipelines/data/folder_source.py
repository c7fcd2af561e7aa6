"""Labelled images in folders on disk."""

import os
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
from pipelines.data.sample import Sample

# splits, classes, images, and some levels around them; keeps a mistaken path such as `/` from being walked for long
DEEPEST_LEVEL = 6


class FolderSource:
    """A folder of class folders, of splits of class folders, or a dataset with a manifest; see `open_source`."""

    skipped: tuple[tuple[str, str], ...]

    def __init__(self, path: Path, class_names: Sequence[str] | None = None) -> None:
        """List the samples below `path`; `DataError` if they are in neither layout."""
        self._path = path
        if has_own_manifest(path):
            rows = Manifest.read(path).rows
            self.class_names, self.samples, self.skipped = list_manifest(
                rows, class_names, str(path), origins=read_origins(path)
            )
            return
        files: list[str] = []
        folders: list[str] = []
        try:
            _walk(path, "", files, folders, DEEPEST_LEVEL)
        except OSError as error:
            raise DataError(f"{error.filename or path} cannot be listed: {error.strerror}") from error
        self.class_names, self.samples = label_samples(build_tree(files, folders), class_names, str(path))
        self.skipped = ()

    def read(self, sample: Sample) -> NDArray[np.uint8]:
        """Decode one image; `DataError` if its file is gone, unreadable or broken."""
        try:
            data = (self._path / sample.name).read_bytes()
        except OSError as error:
            raise DataError(f"{sample.name}: cannot be read, {error.strerror}") from error
        return decode_image(data, sample.name)


def _walk(folder: Path, prefix: str, files: list[str], folders: list[str], levels: int) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if not is_visible(entry.name):
                continue
            if not entry.is_dir():
                files.append(prefix + entry.name)
            elif levels > 0:
                folders.append(prefix + entry.name)
                _walk(Path(entry.path), f"{prefix}{entry.name}/", files, folders, levels - 1)
