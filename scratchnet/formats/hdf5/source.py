"""The bytes of an HDF5 file, read within bounds and within a budget."""

from typing import BinaryIO

SIGNATURE = b"\x89HDF\r\n\x1a\n"
UNDEFINED = 2**64 - 1  # an address that leads nowhere

# A sound file is read about once. More than this only happens where structures overlap or lead in circles.
READS_PER_BYTE = 4
FREE_BYTES = 1 << 20
COST_OF_A_READ = 16


class Hdf5Error(ValueError):
    """The file is damaged, or uses a part of HDF5 that Keras does not."""


class Source:
    """Random access to a file that checks every access first.

    Args:
        file: seekable, open for reading in binary mode.
        size: of the file in bytes.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.size = size
        self._file = file
        self._budget = READS_PER_BYTE * size + FREE_BYTES

    def read(self, offset: int, count: int, what: str) -> bytes:
        """`count` bytes from `offset` on.

        Args:
            offset: from the beginning of the file.
            count: how many bytes.
            what: is read there, for the error message.

        Raises:
            Hdf5Error: they do not lie in the file, or more is read than a sound file has.
        """
        if not 0 <= offset <= self.size - count or count < 0:
            raise Hdf5Error(f"{what} would lie at bytes {offset} to {offset + count}, the file has {self.size}")
        self._budget -= count + COST_OF_A_READ
        if self._budget < 0:
            raise Hdf5Error(f"its structures overlap or lead in circles (found at {what})")
        self._file.seek(offset)
        data = self._file.read(count)
        if len(data) != count:
            raise Hdf5Error(f"{what} ends early, the file became shorter while it was read")
        return data

    def number(self, offset: int, width: int, what: str) -> int:
        """An unsigned little-endian number of `width` bytes; arguments and errors as in `read`."""
        return int.from_bytes(self.read(offset, width, what), "little")


class Fields:
    """The fields of a structure, one after the other.

    Args:
        data: the structure.
        what: it is, for error messages.
    """

    def __init__(self, data: bytes, what: str) -> None:
        self.data = data
        self.what = what
        self.position = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes.

        Raises:
            Hdf5Error: the structure is shorter.
        """
        if count > len(self.data) - self.position:
            raise Hdf5Error(f"{self.what} is too short: {len(self.data)} bytes")
        self.position += count
        return self.data[self.position - count : self.position]

    def number(self, width: int) -> int:
        """The next `width` bytes as an unsigned number."""
        return int.from_bytes(self.take(width), "little")

    def align(self, size: int = 8) -> None:
        """Skip to the next multiple of `size`, counted from the structure's beginning."""
        self.position = min(-(-self.position // size) * size, len(self.data))

    def rest(self) -> bytes:
        """All that has not been taken."""
        return self.take(len(self.data) - self.position)


def text(data: bytes, what: str) -> str:
    """UTF-8 as a string.

    Raises:
        Hdf5Error: it is not UTF-8.
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Hdf5Error(f"{what} is not UTF-8 text: {data[:40]!r}") from None
