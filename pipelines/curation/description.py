"""`dataset.json`: what a dataset is called, which version it is, and a hash that says whether it still is that.

The content hash is the SHA-256 of one line per labelled image, sorted: hash of its pixels, class, split. So it does not
depend on file names, on the order of rows, or on how the PNG files are compressed.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import scratchnet as sn
from pipelines.curation.manifest import Manifest
from pipelines.errors import UserError
from pipelines.files import write_json
from pipelines.reading import read_text

DESCRIPTION_NAME = "dataset.json"
FORMAT = "scratchnet dataset"
NOT_STATED = "not stated"


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
        content: dict[str, Any] = json.loads(read_text(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    try:
        if content.pop("format") != FORMAT:
            raise KeyError("format")
        texts = {key: content[key] for key in Description.__dataclass_fields__ if key not in ("classes", "images")}
        if not all(isinstance(value, str) for value in texts.values()):
            raise TypeError
        return Description(classes=tuple(map(str, content["classes"])), images=int(content["images"]), **texts)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} is no description of a dataset; move it away, and make it anew with dataset card"
        ) from error


def write_description(folder: Path, description: Description) -> None:
    """Write `dataset.json`, whole or not at all."""
    write_json(folder / DESCRIPTION_NAME, {"format": FORMAT, **asdict(description)})
