"""Atomic writes: files and folders that appear whole or not at all, and last through a loss of power."""

import errno
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_TEMPORARY = re.compile(r"\..*\.[0-9a-f]{8}-scratchnet(\..*)?", re.DOTALL)
_LONGEST_STEM = 40  # characters of a path's own name in the temporary one, which must not be too long for the system
_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}


@contextmanager
def whole_file(path: Path, mode: int = 0o666) -> Iterator[Path]:
    """A temporary file to fill beside `path`, which takes its place at the end, or goes if an error leads out.

    The temporary name is nobody else's, so that several processes may write one path: the last one wins. File and
    folder are synchronised with the disk. What a process that was killed has left behind goes at a later write.

    Args:
        path: where the file shall appear; its folder is made where there is none. The temporary path has the same
            extension.
        mode: the rights of the file, less those that the process withholds from all; 0o600 hides it from others.

    Raises:
        OSError: the file cannot be written; `path`, which the error names, is then as it was.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, where a file is needed", str(path))
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "is a device or a pipe, where a file is needed", str(path))
    with _published(path, partial(_make_file, mode=mode)) as temporary:
        yield temporary


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A temporary folder to fill beside `path`, which must not exist or be empty; otherwise as `whole_file`."""
    with _published(path, Path.mkdir) as temporary:
        yield temporary


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file of these bytes; see `whole_file`."""
    with whole_file(path) as temporary, temporary.open("wb") as file:
        file.write(content)


def file_in_the_way(path: Path) -> Path | None:
    """The file that keeps a folder from being made here: the path itself, or one above it; None if there is none."""
    nearest = next((place for place in (path, *path.parents) if place.exists()), None)
    return None if nearest is None or nearest.is_dir() else nearest


def sync_folder(folder: Path) -> None:
    """Make renames in a folder last through a loss of power, where the system can."""
    if sys.platform == "win32":  # folders cannot be opened there, and renames are journalled by the file system
        return
    with suppress(PermissionError):  # a folder may be written to that may not be read
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno != errno.EINVAL:  # which file systems answer that know nothing of the kind
                raise
        finally:
            os.close(descriptor)


@contextmanager
def naming(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Let errors of the disk name a path: of a full one, for example, Python knows the number alone.

    Args:
        path: that is being written.
        temporary: what stands for it meanwhile.
    """
    try:
        yield
    except OSError as error:
        about = "" if error.filename is None else str(error.filename)
        ours = temporary is not None and about.startswith(str(temporary))
        if not ours and (about or error.errno not in _OF_THE_DISK):
            raise
        name = about.replace(str(temporary), str(path)) if ours else str(path)
        raise OSError(error.errno, error.strerror, name) from error


@contextmanager
def _published(path: Path, make: Callable[[Path], object]) -> Iterator[Path]:
    if taken := file_in_the_way(path.parent):
        raise NotADirectoryError(errno.ENOTDIR, "is a file, where a folder is needed", str(taken))
    changed = [path.parent, *(folder.parent for folder in (path.parent, *path.parent.parents) if not folder.exists())]
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers_once(path.parent.absolute())
    temporary = path.with_name(f".{path.stem[:_LONGEST_STEM]}.{secrets.token_hex(4)}-scratchnet{path.suffix}")
    with naming(path, temporary):
        descriptor = _make_and_hold(temporary, make)
        try:
            yield temporary
            _sync(temporary)
            temporary.replace(path)
            for folder in changed:
                sync_folder(folder)
        except BaseException:
            _remove(temporary)
            raise
        finally:
            if descriptor is not None:
                os.close(descriptor)


def _make_file(path: Path, mode: int) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))


def _make_and_hold(temporary: Path, make: Callable[[Path], object]) -> int | None:
    """Make a file or a folder, and open it with a lock that ends with this process, whatever ends it."""
    while True:
        make(temporary)
        if sys.platform == "win32":  # what is open cannot be renamed there
            return None
        with suppress(FileNotFoundError):  # another process took it for a leftover before it was locked
            descriptor = os.open(temporary, os.O_RDONLY)
            with suppress(OSError):  # file systems without locks: leftovers stay
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if temporary.exists():
                return descriptor
            os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders that killed processes left in a folder: those that none holds now."""
    if sys.platform == "win32":
        return
    with suppress(OSError):
        for path in [path for path in folder.iterdir() if _TEMPORARY.fullmatch(path.name)]:
            with suppress(OSError):  # it is held, or somebody else's
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _remove(path)
                finally:
                    os.close(descriptor)


_remove_leftovers_once = cache(remove_leftovers)  # a folder may hold many files, each of which is written


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Let a file, or a folder with everything in it, reach the disk."""
    if path.is_dir():
        for entry in path.iterdir():
            _sync(entry)
        sync_folder(path)
        return
    with path.open("rb+") as file:
        os.fsync(file.fileno())
