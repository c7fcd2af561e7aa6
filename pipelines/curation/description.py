"""`dataset.json`: what a dataset is called, which version it is, and a hash that says whether it still is that.

The content hash is the SHA-256 of one line per labelled image, sorted: hash of its pixels, class, split. So it does not
depend on file names, on the order of rows, or on how the PNG files are compressed.
"""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

import scratchnet as sn
from pipelines.curation.manifest import Manifest
from pipelines.errors import UserError
from pipelines.files import write_json
from pipelines.parsing import checked, read_json

DESCRIPTION_NAME = "dataset.json"
FORMAT = "scratchnet dataset"
NOT_STATED = "not stated"
_REMEDY = "move it away, and make it anew with dataset card"


@dataclass(frozen=True)
class Description:
    """What `dataset.json` says.

    Attributes:
        name: Of the dataset.
        version: Any text that its makers count by.
        content_hash: Of the labelled images, as `hash_content` gives it.
        classes: Those that have images, alphabetically without regard to case: the label order in training.
        images: How many labelled images there are.
        rights: Who may use the footage, and how.
        created: When this version was made, ISO 8601 in UTC.
        scratchnet: The program's version that made it.
    """

    name: str
    version: str
    content_hash: str
    classes: tuple[str, ...]
    images: int
    rights: str
    created: str
    scratchnet: str = sn.__version__


def hash_content(manifest: Manifest) -> str:
    """The content hash of a dataset's labelled images, 64 hexadecimal digits.

    Raises:
        UserError: A labelled image has no hash in the manifest.
    """
    lines = []
    for row in manifest.labelled():
        if row.sha256 is None:
            raise UserError(f"{manifest.path}: {row.file} has no sha256; a version needs the hash of every image")
        lines.append(f"{row.sha256} {row.class_name} {row.split or '-'}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def read_description(folder: Path) -> Description | None:
    """What a dataset says of itself; None if it was never given a version.

    Raises:
        UserError: The file is damaged.
    """
    path = folder / DESCRIPTION_NAME
    try:
        content = read_json(path, _REMEDY)
    except FileNotFoundError:
        return None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{path} is no description of a dataset; {_REMEDY}")
    return checked(content, Description, path, _REMEDY)


def write_description(folder: Path, description: Description) -> None:
    """Write `dataset.json`, whole or not at all."""
    write_json(folder / DESCRIPTION_NAME, {"format": FORMAT, **asdict(description)})
