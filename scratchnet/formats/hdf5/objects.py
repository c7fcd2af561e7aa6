"""Groups and datasets of an HDF5 file."""

import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any, BinaryIO, TypeVar

import numpy as np

from scratchnet.arrays import AnyArray, Shape
from scratchnet.formats.hdf5.headers import (
    ATTRIBUTE,
    DATASPACE,
    DATATYPE,
    EXTERNAL_FILES,
    FILTERS,
    LAYOUT,
    REWRITE,
    SYMBOL_TABLE,
    Heap,
    Message,
    parse_attribute,
    read_messages,
)
from scratchnet.formats.hdf5.source import SIGNATURE, UNDEFINED, Fields, Hdf5Error, Source, text
from scratchnet.formats.hdf5.types import parse_kind, parse_shape

MAX_DEPTH = 64  # of groups in groups, and of a group's tree
MAX_OBJECTS = 1 << 17
MAX_NAME = 1 << 12
SOFT_LINK = 2
Kind = TypeVar("Kind", bound="_Object")
LAYOUTS = ("compact", "contiguous", "chunked", "virtual")


class _Object:
    """What groups and datasets share: a header, and attributes in it."""

    def __init__(self, source: Source, heap: Heap, address: int, path: str, messages: list[Message]) -> None:
        self.path = path
        self.address = address
        self._source = source
        self._heap = heap
        self._messages = messages

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """Strings, lists of strings and arrays of numbers by name.

        Raises:
            Hdf5Error: one is damaged.
        """
        found = (parse_attribute(m.data, self._heap, self.path) for m in self._messages if m.kind == ATTRIBUTE)
        return dict(found)

    def _message(self, kind: int) -> bytes | None:
        return next((message.data for message in self._messages if message.kind == kind), None)


class Dataset(_Object):
    """An array in the file.

    Attributes:
        path: from the root.
        shape: of the array.
        dtype: of its elements.

    Raises:
        Hdf5Error: it is damaged, not stored in one piece, or not of numbers.
    """

    def __init__(self, source: Source, heap: Heap, address: int, path: str, messages: list[Message]) -> None:
        super().__init__(source, heap, address, path, messages)
        self.shape: Shape = parse_shape(self._message(DATASPACE) or b"", path)
        kind = parse_kind(self._message(DATATYPE) or b"", path)
        if kind.dtype is None:
            raise Hdf5Error(f"{path} holds strings, not numbers")
        self.dtype = kind.dtype
        if self._message(EXTERNAL_FILES) is not None:
            raise Hdf5Error(f"{path} takes its data from another file, which is not followed")
        if self._message(FILTERS) is not None:
            raise Hdf5Error(f"{path} is compressed or filtered, as Keras does not do; {REWRITE}")
        self._place = self._find(Fields(self._message(LAYOUT) or b"", f"the layout of {path}"))

    @property
    def nbytes(self) -> int:
        """The size of the array in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def _find(self, fields: Fields) -> int | bytes:
        """The address of the elements, or the elements themselves where they lie in the header."""
        version, kind = fields.number(1), fields.number(1)
        name = LAYOUTS[kind] if kind < len(LAYOUTS) else f"unknown ({kind})"
        if version != 3 or kind > 1:
            raise Hdf5Error(f"{self.path} has a {name} layout of version {version}, as Keras's files do not; {REWRITE}")
        if name == "compact":
            data = fields.take(fields.number(2))
            if len(data) != self.nbytes:
                raise Hdf5Error(f"{self.path} needs {self.nbytes} bytes for shape {self.shape}, {len(data)} are stored")
            return data
        address, stored = fields.number(8), fields.number(8)
        if self.nbytes == 0:
            return b""
        if address == UNDEFINED:
            raise Hdf5Error(f"{self.path} has no data")
        if stored != self.nbytes or address > self._source.size or stored > self._source.size - address:
            raise Hdf5Error(
                f"{self.path} needs {self.nbytes} bytes for shape {self.shape} from byte {address} on; {stored} are "
                f"stored, in a file of {self._source.size}"
            )
        return address

    def read(self) -> AnyArray:
        """The array, read-only.

        Raises:
            Hdf5Error: the data lie beyond the file's end.
        """
        data = self._place if isinstance(self._place, bytes) else self._source.read(self._place, self.nbytes, self.path)
        return np.frombuffer(data, self.dtype).reshape(self.shape)


class Group(_Object):
    """Objects by name. `path in group` and `group[path]` take names joined by `/`.

    Attributes:
        path: from the root.
    """

    @cached_property
    def links(self) -> dict[str, int]:
        """The addresses of the objects in this group by name.

        Raises:
            Hdf5Error: the group is damaged, or has a link that is not a plain one.
        """
        table = Fields(self._message(SYMBOL_TABLE) or b"", f"group {self.path}")
        tree, heap = table.number(8), table.number(8)
        names = self._names(heap)
        found: dict[str, int] = {}
        for entry in self._entries(tree, None):
            start, address, kind = entry.number(8), entry.number(8), entry.number(4)
            end = names.find(b"\0", start, start + MAX_NAME)
            if not 0 <= start < end:
                raise Hdf5Error(f"a name in group {self.path} is damaged")
            name = text(names[start:end], f"a name in group {self.path}")
            if kind == SOFT_LINK or address == UNDEFINED:
                raise Hdf5Error(f"{self.path}/{name} is a link to another place, which is not followed")
            if name in found or "/" in name or name in {".", ".."}:
                raise Hdf5Error(f"group {self.path} has the name {name!r} twice, or it is not a name")
            found[name] = address
        return found

    def _names(self, address: int) -> bytes:
        what = f"the names of group {self.path}"
        fields = Fields(self._source.read(address, 32, what), what)
        if fields.take(4) != b"HEAP" or fields.number(4) != 0:
            raise Hdf5Error(f"{what} are damaged")
        size = fields.number(8)
        fields.take(8)
        return self._source.read(fields.number(8), size, what)

    def _entries(self, address: int, level: int | None) -> Iterator[Fields]:
        what = f"the tree of group {self.path}"
        fields = Fields(self._source.read(address, 24, what), what)
        if level == -1:  # below the leaves: a node of entries
            if fields.take(4) != b"SNOD" or fields.number(2) != 1:
                raise Hdf5Error(f"{what} is damaged")
            entries = Fields(self._source.read(address + 8, 40 * fields.number(2), what), what)
            while entries.position < len(entries.data):
                yield Fields(entries.take(40), what)
            return
        if fields.take(4) != b"TREE" or fields.number(1) != 0:
            raise Hdf5Error(f"{what} is damaged")
        own = fields.number(1)
        if own > MAX_DEPTH or level not in {None, own}:  # each step leads one level down: no circles
            raise Hdf5Error(f"{what} is damaged: a node of level {own} in place of {level}")
        children = Fields(self._source.read(address + 24, 16 * fields.number(2) + 8, what), what)
        while len(children.data) - children.position >= 16:
            children.take(8)  # a key: the first name
            yield from self._entries(children.number(8), own - 1)

    def _open(self, name: str) -> "Group | Dataset":
        path = f"{self.path.rstrip('/')}/{name}"
        address = self.links[name]
        messages = read_messages(self._source, address, path)
        kind = Group if any(message.kind == SYMBOL_TABLE for message in messages) else Dataset
        return kind(self._source, self._heap, address, path, messages)

    @cached_property
    def _opened(self) -> dict[str, "Group | Dataset"]:
        return {}

    def __contains__(self, path: str) -> bool:
        return self.find(path) is not None

    def find(self, path: str) -> "Group | Dataset | None":
        """The object at a path, or None."""
        here: Group | Dataset = self
        for name in path.split("/"):
            if not isinstance(here, Group) or name not in here.links:
                return None
            if name not in here._opened:
                here._opened[name] = here._open(name)
            here = here._opened[name]
        return here

    def group(self, path: str) -> "Group":
        """The group at a path.

        Raises:
            Hdf5Error: there is none.
        """
        return self._require(path, Group, "group")

    def dataset(self, path: str) -> Dataset:
        """The dataset at a path.

        Raises:
            Hdf5Error: there is none.
        """
        return self._require(path, Dataset, "dataset")

    def _require(self, path: str, kind: type[Kind], what: str) -> Kind:
        found = self.find(path)
        if not isinstance(found, kind):
            raise Hdf5Error(f"{self.path.rstrip('/')}/{path} is missing, or not a {what}")
        return found

    def datasets(self) -> dict[str, Dataset]:
        """All datasets in this group and the groups in it, by their paths from here.

        Raises:
            Hdf5Error: one is damaged, or two names lead to one object.
        """
        found: dict[str, Dataset] = {}
        seen = {self.address}
        stack: list[tuple[str, Group]] = [("", self)]
        while stack:
            prefix, group = stack.pop()
            for name in group.links:
                item = group.find(name)
                assert item is not None
                if item.address in seen or len(seen) > MAX_OBJECTS or prefix.count("/") > MAX_DEPTH:
                    raise Hdf5Error(f"{item.path} is reached twice, or is one of too many objects")
                seen.add(item.address)
                if isinstance(item, Group):
                    stack.append((f"{prefix}{name}/", item))
                else:
                    found[f"{prefix}{name}"] = item
        return found


def open_hdf5(file: BinaryIO, size: int) -> Group:
    """The root group of an HDF5 file.

    Args:
        file: seekable; it must stay open as long as anything is read.
        size: of the file in bytes.

    Raises:
        Hdf5Error: it is no HDF5 file, damaged, or in another layout than that of Keras's files.
    """
    source = Source(file, size)
    fields = Fields(source.read(0, min(size, 96), "the beginning"), "the beginning")
    if fields.take(8) != SIGNATURE:
        raise Hdf5Error("it is not an HDF5 file")
    version = fields.number(1)
    if version != 0:
        newer = version in {1, 2, 3}
        raise Hdf5Error(f"it has HDF5's newer layout; {REWRITE}" if newer else "its beginning is damaged")
    fields.take(4)
    if (fields.number(1), fields.number(1)) != (8, 8):
        raise Hdf5Error("its addresses are not of 8 bytes")
    fields.take(9)
    base, _, end, driver = (fields.number(8) for _ in range(4))
    if base != 0 or driver != UNDEFINED:
        raise Hdf5Error("its beginning is damaged, or it is one of several files")
    if end > size:
        raise Hdf5Error(f"it is truncated: {size} of {end} bytes are there")
    fields.take(8)
    address = fields.number(8)
    root = Group(source, Heap(source), address, "/", read_messages(source, address, "/"))
    root.links  # noqa: B018  # so that a damaged root is found here
    return root
