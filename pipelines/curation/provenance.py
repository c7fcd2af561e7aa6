"""`augmentation.json`: which images of an enlarged dataset are varied copies, and of what."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.curation.journal import Key
from pipelines.curation.naming import parse_name
from pipelines.errors import UserError
from pipelines.files import write_json
from pipelines.parsing import parse_json
from pipelines.reading import read_file

PROVENANCE_NAME = "augmentation.json"


def write_provenance(folder: Path, made: Mapping[str, Any], copies: Mapping[str, tuple[str, int]]) -> None:
    """Say how a dataset was enlarged.

    Args:
        folder: The enlarged dataset.
        made: What the copies have in common: from what, with which parameters.
        copies: For each copy's file the file of its original, and in which round it was made.
    """
    images = {file: {"original": original, "round": turn} for file, (original, turn) in copies.items()}
    write_json(folder / PROVENANCE_NAME, {**made, "images": images})


def read_origins(folder: Path) -> dict[Key, Key]:
    """The original of each varied copy in a dataset, by contributor and number; empty if it was never enlarged.

    Raises:
        UserError: `augmentation.json` cannot be read, or is damaged.
    """
    path = folder / PROVENANCE_NAME
    try:
        data = read_file(path)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    return parse_origins(data, str(path))


def parse_origins(data: bytes, where: str) -> dict[Key, Key]:
    """`read_origins` of a file's bytes; `where` is what messages call it."""
    try:
        images = parse_json(data, where)["images"]
        # class folders change with labels; contributor and number stay
        return {_key(file): _key(told["original"]) for file, told in images.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{where} is damaged; restore it, or enlarge the dataset anew") from error


def refuse_enlarged(folder: Path, what: str) -> None:
    """Refuse a dataset with varied copies, for what only makes sense without them.

    Args:
        folder: The dataset.
        what: What was to be done with it: `divided`.

    Raises:
        UserError: It has varied copies.
    """
    copies = read_origins(folder)
    if copies:
        raise UserError(
            f"{folder} holds {len(copies):,} varied copies ({PROVENANCE_NAME}), so it cannot be {what}; take the "
            "dataset that it was made from, divide that as wanted, and enlarge it anew"
        )


def _key(file: str) -> Key:
    name = parse_name(file.rpartition("/")[2])
    if name is None:
        raise ValueError(file)
    return name.key
