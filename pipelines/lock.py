"""One writer at a time in a folder: a dataset, a run, a cross-validation, or what an analysis writes."""

import platform
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from os import getpid
from pathlib import Path

from filelock import FileLock, Timeout

from pipelines.errors import UserError
from pipelines.reading import read_text


class LockedError(UserError):
    """Another command is working on the folder."""


LOCK_NAME = ".scratchnet.lock"
_HOLDER_NAME = ".scratchnet.holder"  # beside the lock, whose own content may belong to the locking itself
_SHOWN = 200  # characters of what the holder says of itself
WRITING_SECONDS = 60.0  # within which other commands have written their results


@contextmanager
def folder_lock(folder: Path, wait: float = 0) -> Iterator[None]:
    """Keep other commands from changing a folder; the lock ends with the process, however that ends.

    Whoever reads a file, changes it and writes it again holds the lock all the while. The process that holds it may
    take it again. A folder that is made for it goes again if nothing was put into it.

    Args:
        folder: Is made where it is missing.
        wait: Seconds to wait for another command to finish.

    Raises:
        LockedError: Another command holds the lock; the sentence says which.
        OSError: The folder cannot be made or written to.
    """
    while True:
        created = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.resolve() / LOCK_NAME, is_singleton=True, thread_local=False)
        holder = folder.resolve() / _HOLDER_NAME
        try:
            lock.acquire(timeout=wait)
            break
        except Timeout:
            raise LockedError(
                f"{_told(holder)} is working on {folder}; wait for it or end it (a label page runs until Ctrl-C), or "
                "choose another folder"
            ) from None
        except FileNotFoundError:
            if folder.exists():
                raise
            # whoever made the folder has taken it away again
    outermost = lock.lock_counter == 1
    try:
        if outermost:
            with suppress(OSError):  # it only serves messages
                holder.write_text(_own_description(), encoding="utf-8", errors="replace")
        yield
    finally:
        if outermost:
            with suppress(OSError):
                holder.unlink(missing_ok=True)
                Path(lock.lock_file).unlink()  # while it is held; who waits for it takes a new file
                if created:
                    folder.rmdir()
        lock.release()


def is_empty(folder: Path) -> bool:
    """Whether there is nothing in a folder but what locks leave there."""
    return all(path.name in {LOCK_NAME, _HOLDER_NAME} for path in folder.iterdir())


def _own_description() -> str:
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    since = datetime.now().astimezone().isoformat(" ", "minutes")
    return f"process {getpid()} on {platform.node()}, since {since}: {command}"


def _told(holder: Path) -> str:
    """What the holder of a lock says of itself, in words."""
    try:
        said = read_text(holder, "replace")
    except OSError:  # it has just begun, or ended
        said = ""
    plain = "".join(character for character in said[:_SHOWN] if character.isprintable())
    return f"another scratchnet command ({plain})" if plain else "another scratchnet command"
