"""Files that users name, opened for reading: regular ones alone, and no more of them than memory can hold."""

import errno
import io
import os
import stat
from pathlib import Path

# no photograph, table of labels, recipe or report is larger; a sparse or a crafted file can be
LARGEST_BYTES = 256 * 2**20
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: Path) -> io.BufferedReader:
    """Open a regular file, or one that a link leads to, for reading.

    A pipe would be waited for, for ever where nobody writes to it, and a device need not end.

    Raises:
        OSError: It is something else, is missing, or must not be read; `strerror` is the reason.
    """
    _check_kind(path, path.stat().st_mode)
    # between the look and the opening a pipe may have taken the file's place; only so does its opening not wait
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    file = os.fdopen(descriptor, "rb")
    try:
        _check_kind(path, os.fstat(descriptor).st_mode)
    except OSError:
        file.close()
        raise
    return file


def open_text(path: Path, encoding: str = "utf-8", errors: str = "strict", newline: str | None = None) -> io.TextIOBase:
    """Open a regular file as text; arguments as of `open`, errors as of `open_regular`."""
    return io.TextIOWrapper(open_regular(path), encoding, errors, newline)


def read_file(path: Path) -> bytes:
    """The bytes of a regular file of at most `LARGEST_BYTES`.

    Raises:
        OSError: It is larger; and as `open_regular`.
    """
    with open_regular(path) as file:
        # what the system says of its size need not be true: files in /proc have none
        data = file.read(LARGEST_BYTES + 1)
        if len(data) > LARGEST_BYTES:
            size = max(os.fstat(file.fileno()).st_size, len(data))
            raise OSError(errno.EFBIG, f"has {size:,} bytes, the limit is {LARGEST_BYTES:,}", str(path))
    return data


def read_text(path: Path, errors: str = "strict") -> str:
    """The text of a regular UTF-8 file of at most `LARGEST_BYTES`.

    Raises:
        OSError: As `read_file`.
        UnicodeDecodeError: It is not UTF-8, and `errors` is `strict`.
    """
    return io.TextIOWrapper(io.BytesIO(read_file(path)), "utf-8", errors).read()


def _check_kind(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a file", str(path))
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise OSError(errno.EINVAL, f"is {kind}, not a regular file", str(path))
