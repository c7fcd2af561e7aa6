"""Files that appear whole or not at all."""

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary file to fill beside `path`, which is renamed at the end, or removed if an error leads out.

    Args:
        path: where the file shall appear; the temporary path has the same extension.

    Raises:
        OSError: the file cannot be written; `path` is then as it was.
    """
    if taken := file_in_the_way(path.parent):
        raise NotADirectoryError(errno.ENOTDIR, "is a file, where a folder is needed", str(taken))
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, where a file is needed", str(path))
    temporary = path.with_name(f".{path.stem}.tmp{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def file_in_the_way(path: Path) -> Path | None:
    """The file that keeps a folder from being made here: the path itself, or one above it; None if there is none."""
    nearest = next((place for place in (path, *path.parents) if place.exists()), None)
    return None if nearest is None or nearest.is_dir() else nearest


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it; see `whole_file`."""
    with whole_file(path) as temporary:
        write(temporary)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8", errors="surrogateescape"))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
