"""Labelled images in a zip archive, read in place."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.journal import Key
from pipelines.curation.manifest import MANIFEST_NAME
from pipelines.curation.provenance import PROVENANCE_NAME, parse_origins
from pipelines.data.archive import Archive
from pipelines.data.decode import decode_image
from pipelines.data.layout import build_tree, label_samples
from pipelines.data.manifest_listing import Listing, is_own_manifest, list_manifest, parse_manifest
from pipelines.data.sample import Sample
from pipelines.errors import UserError


class ZipSource:
    """An archive of class folders, of splits of class folders, or of a dataset with a manifest; see `open_source`."""

    def __init__(self, path: Path, class_names: Sequence[str] | None = None) -> None:
        """List the samples in the archive; `DataError` if it is corrupt or in neither layout."""
        self._archive = Archive(path)
        try:
            listed = self._list(class_names, str(path))
        except UserError:
            self._archive.close()
            raise
        self.class_names, self.samples, self.skipped, self.left_out = listed

    def _list(self, class_names: Sequence[str] | None, where: str) -> Listing:
        files = self._archive.files
        # the manifest may lie in a folder around everything
        for name in sorted(files, key=lambda name: (name.count("/"), name)):
            if PurePosixPath(name).name == MANIFEST_NAME and name.count("/") <= 1:
                data = self._archive.read(name)
                if is_own_manifest(data):
                    prefix = name.removesuffix(MANIFEST_NAME)
                    rows = parse_manifest(data, f"{where}: {name}")
                    return list_manifest(rows, class_names, where, prefix, self._origins(prefix + PROVENANCE_NAME))
        names, samples, left_out = label_samples(build_tree(files, self._archive.folders), class_names, where)
        return Listing(names, samples, (), left_out)

    def _origins(self, name: str) -> dict[Key, Key]:
        return parse_origins(self._archive.read(name), name) if name in self._archive.files else {}

    def read(self, sample: Sample) -> NDArray[np.uint8]:
        """Decode one image; `DataError` if the member is damaged, encrypted or no image."""
        return decode_image(self._archive.read(sample.name), sample.name)
