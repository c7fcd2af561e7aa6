"""The messages of an HDF5 object: what it is, how it is stored, and its attributes."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from scratchnet.arrays import Shape
from scratchnet.formats.hdf5.source import UNDEFINED, Fields, Hdf5Error, Source, text
from scratchnet.formats.hdf5.types import Kind, parse_kind, parse_shape

DATASPACE, DATATYPE, EXTERNAL_FILES, LAYOUT, FILTERS, ATTRIBUTE, CONTINUATION, SYMBOL_TABLE = 1, 3, 7, 8, 11, 12, 16, 17
NEWER = {2: "link info", 6: "link", 21: "attribute info"}  # messages of groups that are no symbol tables
SHARED = 2  # a flag: the message lies elsewhere
MAX_MESSAGES = 1 << 16
MAX_ELEMENTS = 1 << 16  # of an attribute: it lies in a message, which is shorter than this

REWRITE = "load it in Keras and save it again"


class Message(NamedTuple):
    """One message of an object header."""

    kind: int
    data: bytes


def read_messages(source: Source, address: int, what: str) -> list[Message]:
    """All messages of the object header at `address`.

    Raises:
        Hdf5Error: the header is damaged, or of another version.
    """
    start = Fields(source.read(address, 16, f"the header of {what}"), f"the header of {what}")
    version = start.number(1)
    if version != 1:
        newer = start.data[:4] == b"OHDR"
        raise Hdf5Error(
            f"{what} is stored in HDF5's newer layout; {REWRITE}" if newer else f"the header of {what} is damaged"
        )
    start.take(1)
    count = start.number(2)
    start.take(4)
    return list(_messages(source, (address + 16, start.number(4)), count, what))


def _messages(source: Source, block: tuple[int, int], count: int, what: str) -> Iterator[Message]:
    blocks = [block]
    seen = 0
    for offset, length in blocks:  # grows meanwhile
        fields = Fields(source.read(offset, length, f"the header of {what}"), f"the header of {what}")
        while seen < count and length - fields.position >= 8:
            seen += 1
            kind, size, flags = fields.number(2), fields.number(2), fields.number(1)
            fields.take(3)
            data = fields.take(size)
            if kind == CONTINUATION:
                more = Fields(data, f"the header of {what}")
                blocks.append((more.number(8), more.number(8)))
                continue
            if flags & SHARED:
                raise Hdf5Error(f"{what} shares a part of its description with other objects, as Keras's files do not")
            if kind in NEWER:
                raise Hdf5Error(f"{what} is stored in HDF5's newer layout ({NEWER[kind]}); {REWRITE}")
            yield Message(kind, data)
    if seen < count:
        raise Hdf5Error(f"the header of {what} promises {count} messages and has {seen}")


class Heap:
    """Strings of any length, which attributes refer to."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._collections: dict[int, dict[int, tuple[int, int]]] = {}

    def get(self, address: int, index: int, what: str) -> bytes:
        """The object of a number in the collection at `address`."""
        if address not in self._collections:
            self._collections[address] = self._index(address, what)
        place = self._collections[address].get(index)
        if place is None:
            raise Hdf5Error(f"{what} refers to a string that does not exist")
        return self._source.read(*place, what)

    def _index(self, address: int, what: str) -> dict[int, tuple[int, int]]:
        fields = Fields(self._source.read(address, 16, what), what)
        if fields.take(4) != b"GCOL" or fields.number(1) != 1:
            raise Hdf5Error(f"{what} refers to a heap that does not exist")
        fields.take(3)
        end = address + fields.number(8)
        if end > self._source.size:
            raise Hdf5Error(f"the heap of {what} is larger than the file")
        found: dict[int, tuple[int, int]] = {}
        position = address + 16
        while end - position >= 16:
            entry = Fields(self._source.read(position, 16, what), what)
            index = entry.number(2)
            entry.take(6)
            size = entry.number(8)
            if index == 0:  # what is left is free
                break
            if size > end - position - 16:
                raise Hdf5Error(f"a string in the heap of {what} is longer than the heap")
            found[index] = (position + 16, size)
            position += 16 + -(-size // 8) * 8
        return found


def parse_attribute(data: bytes, heap: Heap, what: str) -> tuple[str, Any]:
    """An attribute message: its name, and a string, a list of strings, or an array of numbers.

    Raises:
        Hdf5Error: it is damaged, or of a type that Keras's files do not have.
    """
    fields = Fields(data, f"an attribute of {what}")
    version, flags = fields.number(1), fields.number(1)
    if version not in {1, 2, 3} or (version > 1 and flags):
        raise Hdf5Error(f"an attribute of {what} has version {version} and flags {flags}, which Keras does not write")
    sizes = [fields.number(2) for _ in range(3)]
    if version == 3:
        fields.take(1)
    parts = []
    for size in sizes:
        parts.append(fields.take(size))
        if version == 1:
            fields.align()
    name = text(parts[0].split(b"\0")[0], f"the name of an attribute of {what}")
    what = f"attribute {name!r} of {what}"
    return name, _value(parse_kind(parts[1], what), parse_shape(parts[2], what), fields.rest(), heap, what)


def _value(kind: Kind, shape: Shape, data: bytes, heap: Heap, what: str) -> Any:
    count = 1
    for size in shape:
        count *= size
    if len(shape) > 1 or count > MAX_ELEMENTS or count * kind.size > len(data):
        raise Hdf5Error(f"{what} should have {count} elements of {kind.size} bytes, but has {len(data)} bytes")
    elements = [data[at : at + kind.size] for at in range(0, count * kind.size, kind.size)]
    if kind.dtype is not None:
        numbers = np.frombuffer(b"".join(elements), kind.dtype)
        return numbers.reshape(shape)
    strings = [text(_string(element, kind, heap, what), what) for element in elements]
    return strings if shape else strings[0]


def _string(element: bytes, kind: Kind, heap: Heap, what: str) -> bytes:
    if not kind.in_heap:
        return element.split(b"\0")[0]
    fields = Fields(element, what)
    length, address, index = fields.number(4), fields.number(8), fields.number(4)
    if length == 0 or address in {0, UNDEFINED}:
        return b""
    content = heap.get(address, index, what)
    if length > len(content):
        raise Hdf5Error(f"{what} is longer than its place in the heap")
    return content[:length]
