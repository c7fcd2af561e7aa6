"""A `.keras` file: a zip of a description, its version and the weights, opened without trusting any of it."""

import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from scratchnet.formats.parsing import MAX_JSON, parse_json, shown

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
EXTRAS = "scratchnet.json"  # what Keras has no place for, in files that scratchnet wrote; Keras does not look at it
ASSETS = "assets/"  # of layers that scratchnet does not have
MAX_SHORT_JSON = 1 << 20  # of what is no description of layers
MAX_WEIGHTS = 16 << 30
FREE_SIZE = 16 << 20  # so much may come of however little
MAX_RATIO = 20  # compressed weights become smaller by a tenth; zeros of a fresh optimiser by more
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError)


class Archive(NamedTuple):
    """What a `.keras` file holds.

    Attributes:
        config: the description of the model.
        version: of Keras, 2 or 3.
        weights: an HDF5 file.
        extras: class names and preprocessing, in files that scratchnet wrote.
    """

    config: Mapping[str, Any]
    version: int
    weights: bytes
    extras: Mapping[str, Any]


def read_archive(path: Path) -> Archive:
    """Read and check a `.keras` file.

    Raises:
        ValueError: it is damaged, or has contents that such a file does not have.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _checked_members(archive)
            config = _read_json(archive, members, CONFIG, MAX_JSON)
            version = _read_json(archive, members, METADATA)
            weights = _read(archive, members[WEIGHTS], MAX_WEIGHTS)
            extras = _read_json(archive, members, EXTRAS)
    except ZIP_ERRORS as error:
        raise ValueError(f"the archive is damaged ({error})") from error
    return Archive(config, keras_version(version.get("keras_version")), weights, extras)


def read_archive_weights(path: Path) -> bytes:
    """The weights of a `.keras` file alone; errors as in `read_archive`."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, _checked_members(archive)[WEIGHTS], MAX_WEIGHTS)
    except ZIP_ERRORS as error:
        raise ValueError(f"the archive is damaged ({error})") from error


def keras_version(text: Any) -> int:
    """2 or 3, by a version's name; 3 where there is none."""
    return 2 if isinstance(text, str) and text.split(".")[0] in {"1", "2"} else 3


def _checked_members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename
        if name in members:
            raise ValueError(f"it has two members of the name {shown(name)}")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise ValueError(f"its member {shown(name)} is a link, which is not followed")
        parts = name.split("/")
        inside = not name.startswith("/") and ".." not in parts and "\\" not in name and ":" not in name
        if not inside or not (name in {CONFIG, METADATA, WEIGHTS, EXTRAS} or name.startswith(ASSETS)):
            raise ValueError(f"its member {shown(name)} is none of a .keras file's")
        if info.flag_bits & 1:
            raise ValueError(f"its member {shown(name)} is encrypted")
        members[name] = info
    for name in (CONFIG, WEIGHTS):
        if name not in members:
            raise ValueError(f"its member {name} is missing")
    return members


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    """A member, of which no more is unpacked than was announced."""
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise ValueError(f"its member {info.filename} is compressed in a way that Keras does not use")
    allowed = max(FREE_SIZE, MAX_RATIO * info.compress_size)
    if info.file_size > min(limit, allowed):
        raise ValueError(
            f"its member {info.filename} would grow from {info.compress_size} to {info.file_size} bytes; "
            f"{min(limit, allowed)} are allowed"
        )
    with archive.open(info) as file:
        data = file.read(info.file_size + 1)
        if len(data) != info.file_size or file.read(1):
            raise ValueError(f"its member {info.filename} is not of the size that is announced")
    return data


def _read_json(
    archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], name: str, limit: int = MAX_SHORT_JSON
) -> Mapping[str, Any]:
    return parse_json(_read(archive, members[name], limit), name) if name in members else {}
