"""The labelled images of a dataset with a manifest, with the split that its table gives them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.manifest import Manifest, Row
from pipelines.data.class_names import class_key, order_classes
from pipelines.data.decode import decode_image
from pipelines.data.errors import DataError
from pipelines.data.sample import SPLITS, Sample


class ManifestSource:
    """A dataset's labelled images as a `Source`; faces that wait for a label and rejected ones are left out.

    Args:
        folder: With a `manifest.csv`.

    Attributes:
        rows: The table's row of each sample, by the sample's name.

    Raises:
        UserError: The table cannot be read.
        DataError: It has no labelled images, or those of one class only.
    """

    def __init__(self, folder: Path) -> None:
        """Read the table; the images are read when they are asked for."""
        self.manifest = Manifest.read(folder)
        labelled = self.manifest.labelled()
        if not labelled:
            raise DataError(f"{folder} has no labelled image; label some with: scratchnet dataset label {folder}")
        self.class_names = order_classes([row.class_name for row in labelled], None, str(folder))
        labels = {class_key(name): label for label, name in enumerate(self.class_names)}
        samples = [Sample(row.file, labels[class_key(row.class_name)], row.split or "all") for row in labelled]
        self.samples = tuple(
            sorted(samples, key=lambda sample: (SPLITS.index(sample.split), sample.label, sample.name))
        )
        self.rows: dict[str, Row] = {row.file: row for row in labelled}
        self.skipped: tuple[tuple[str, str], ...] = ()

    def path(self, sample: Sample) -> Path:
        """Where a sample's file lies."""
        return self.manifest.folder / sample.name

    def read(self, sample: Sample) -> NDArray[np.uint8]:
        """Decode one image; `DataError` if its file is gone, unreadable or broken."""
        try:
            data = self.path(sample).read_bytes()
        except OSError as error:
            raise DataError(f"{sample.name}: cannot be read, {error.strerror}") from error
        return decode_image(data, sample.name)
