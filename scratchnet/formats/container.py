"""Arrays and a description in one safetensors file, written whole or not at all, and checked when read."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scratchnet.arrays import AnyArray
from scratchnet.formats.errors import ModelFileError, cut
from scratchnet.formats.parsing import MAX_JSON, parse_json
from scratchnet.formats.whole_file import whole_file


def write_container(path: Path, arrays: Mapping[str, AnyArray], meta: Mapping[str, Any]) -> None:
    """Write a file whole or not at all; the same contents are the same bytes.

    Args:
        path: of the file.
        arrays: by name.
        meta: what JSON can hold.

    Raises:
        ValueError: `meta` holds something else, or more than is ever read.
        OSError: the file cannot be written.
    """
    from safetensors.numpy import save

    dense = {name: np.asarray(value, order="C") for name, value in arrays.items()}
    description = _as_json(path, meta)
    header = {"meta": description, "meta_checksum": _text_checksum(description), "checksum": _checksum(dense)}
    content = save(dense, header)
    # a length, a description in which safetensors leaves the order of `header` to chance, and the arrays
    start = 8 + int.from_bytes(content[:8], "little")
    text = json.dumps(json.loads(content[8:start]), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with whole_file(path) as temporary, temporary.open("wb") as file:
        for part in (len(text).to_bytes(8, "little"), text, memoryview(content)[start:]):
            file.write(part)


def read_container(path: Path, remedy: str) -> tuple[dict[str, AnyArray], dict[str, Any]]:
    """Read what `write_container` wrote.

    Args:
        path: of the file.
        remedy: what the user can do about a damaged file; ends the error's message.

    Raises:
        ModelFileError: there is no such file, it is damaged, or it is of another kind.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ModelFileError(f"{path} is not a file; check the path")
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise ModelFileError(f"{path} is damaged or not a safetensors file ({cut(error)}); {remedy}") from error
    if "meta" not in header or "checksum" not in header:
        raise ModelFileError(f"{path} is a safetensors file, but scratchnet did not write it; {remedy}")
    described = header.get("meta_checksum") == _text_checksum(header["meta"])
    if not described or header["checksum"] != _checksum(arrays):
        raise ModelFileError(f"{path} is damaged: its contents do not match its checksum; {remedy}")
    try:
        meta = parse_json(header["meta"], "its description")
    except ValueError as error:
        raise ModelFileError(f"{path} is damaged: {cut(error)}; {remedy}") from error
    return arrays, dict(meta)


def _as_json(path: Path, meta: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(meta)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} cannot be written: JSON cannot hold its description ({error})") from error
    if len(text) > MAX_JSON:
        raise ValueError(f"{path} cannot be written: its description has {len(text)} bytes; {MAX_JSON} are allowed")
    return text


def _text_checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def _checksum(arrays: Mapping[str, AnyArray]) -> str:
    total = 0
    for name in sorted(arrays):
        content = np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8)
        total = zlib.crc32(content.data, zlib.crc32(name.encode(), total))
    return f"{total:08x}"
