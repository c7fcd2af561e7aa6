"""One writer at a time for a dataset."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipelines.errors import UserError


class LockedError(UserError):
    """Another command is changing the dataset."""


LOCK_NAME = ".dataset.lock"


@contextmanager
def dataset_lock(folder: Path, wait: float = 0) -> Iterator[None]:
    """Keep other commands from changing a dataset; the lock ends with the process, however that ends.

    Whoever reads the manifest, changes it and writes it again holds the lock all the while. The process that holds it
    may take it again.

    Args:
        folder: The dataset, which must exist.
        wait: Seconds to wait for another command to finish.

    Raises:
        LockedError: Another command holds the lock.
        OSError: The folder cannot be written to.
    """
    lock = FileLock(folder.resolve() / LOCK_NAME, is_singleton=True, thread_local=False)
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        raise LockedError(
            f"another scratchnet command is working on {folder}; wait for it or end it (a label page runs until Ctrl-C)"
        ) from None
    try:
        yield
    finally:
        lock.release()
