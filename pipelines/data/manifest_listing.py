"""From a dataset's manifest to labelled samples: the same rules for a folder on disk and for an archive."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pipelines.curation.journal import Key
from pipelines.curation.likeness import NEAR_BITS
from pipelines.curation.manifest import MANIFEST_NAME, find_repeats, first_error
from pipelines.curation.splitting import find_groups
from pipelines.curation.table import COLUMNS, Row, parse_table
from pipelines.data.class_names import class_key, order_classes
from pipelines.data.errors import DataError
from pipelines.data.sample import SPLITS, LeftOut, Sample
from pipelines.reading import open_regular

# other programs have a manifest.csv too
_HEAD = ",".join(COLUMNS[:2]).encode()
_MARK = b"\xef\xbb\xbf"


class Listing(NamedTuple):
    """What a source offers: see `Source`."""

    class_names: tuple[str, ...]
    samples: tuple[Sample, ...]
    skipped: tuple[tuple[str, str], ...]
    left_out: tuple[LeftOut, ...]


def has_own_manifest(folder: Path) -> bool:
    """Whether a folder is a dataset whose manifest is one of ours."""
    path = folder / MANIFEST_NAME
    if not path.is_file():
        return False
    try:
        with open_regular(path) as file:
            return is_own_manifest(file.read(64))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def is_own_manifest(data: bytes) -> bool:
    """Whether a file, of which the beginning is enough, is a manifest of ours; it may still have mistakes."""
    return data.removeprefix(_MARK).startswith(_HEAD)


def parse_manifest(data: bytes, where: str) -> list[Row]:
    """The rows of a manifest.

    Raises:
        UserError: It has mistakes; the first is named.
    """
    lines, problems = parse_table(data.removeprefix(_MARK).decode(errors="surrogateescape"), where)
    problems += find_repeats(lines)
    if problems:
        raise first_error(where, problems)
    return [row for _, row in lines]


def list_manifest(
    rows: Sequence[Row],
    class_names: Sequence[str] | None,
    where: str,
    prefix: str = "",
    origins: Mapping[Key, Key] | None = None,
) -> Listing:
    """Classes in label order, and the labelled images ordered by part, label and name.

    Where rows say their part, those that do not are skipped: they were labelled after the dataset was divided. Samples
    know which of them belong together, for whoever divides them anew.

    Args:
        rows: Of the manifest.
        class_names: The class order asked for, or None for the alphabetical one.
        where: The source's name, for messages.
        prefix: What stands before each file's path in the source.
        origins: The original of each varied copy, as `provenance.read_origins` gives them.

    Raises:
        DataError: No image has a class, or the classes are not those asked for.
    """
    labelled = [row for row in rows if row.is_labelled]
    if not labelled:
        raise DataError(f"{where} has no labelled images; scratchnet dataset label gives them classes")
    ordered = order_classes(sorted({row.class_name for row in labelled}), class_names, where)
    labels = {class_key(name): label for label, name in enumerate(ordered)}
    divided = any(row.split for row in labelled)
    used = [row for row in labelled if row.split or not divided]
    left = [row for row in labelled if divided and not row.split]
    groups: list[int] = find_groups(used, NEAR_BITS, origins).tolist()
    samples = [
        Sample(
            prefix + row.file,
            labels[class_key(row.class_name)],
            row.split or "all",
            group,
            augmented=row.key in (origins or {}),
        )
        for row, group in zip(used, groups, strict=True)
    ]
    samples.sort(key=lambda sample: (SPLITS.index(sample.split), sample.label, sample.name))
    reason = "labelled after the dataset was divided; scratchnet dataset split gives it a part"
    unlabelled = LeftOut(len(rows) - len(labelled), "images without a class")
    skipped = tuple((prefix + row.file, reason) for row in left)
    return Listing(ordered, tuple(samples), skipped, (unlabelled,) if unlabelled.number else ())
