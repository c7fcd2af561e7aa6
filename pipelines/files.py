"""Texts and JSON in files that appear whole or not at all."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scratchnet.formats.whole_file import (
    file_in_the_way,
    naming,
    remove_leftovers,
    sync_folder,
    whole_file,
    whole_folder,
)

__all__ = [
    "file_in_the_way",
    "naming",
    "remove_leftovers",
    "sync_folder",
    "whole_file",
    "whole_folder",
    "write_json",
    "write_text",
    "write_whole",
]


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it; see `whole_file`."""
    with whole_file(path) as temporary:
        write(temporary)


def write_text(path: Path, text: str, errors: str = "surrogateescape") -> None:
    """Write a UTF-8 file, whole or not at all; what is no UTF-8 in a file's name stays, unless `errors` says else."""
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8", errors=errors))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, whole or not at all; what is no UTF-8 in a file's name becomes an escape, which JSON knows."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n", "backslashreplace")
