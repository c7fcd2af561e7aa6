"""JPEG files, looked through before they are decoded: what is damaged is named, and what is not decodes in silence."""

import re
import struct
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, pairwise

import numpy as np

from pipelines.data.errors import DataError
from pipelines.data.jpeg_scan import ENDS_EARLY, SOUND, Bytes, Numbers, walk_scan

_END = b"\xff\xd9"
# kinds that are looked through: Huffman codes for 8 bits, in one scan, or progressive in several
_SEQUENTIAL, _PROGRESSIVE = {0xC0, 0xC1}, 0xC2
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_CODES, _SCAN, _STEPS, _RESTART = 0xC4, 0xDA, 0xDB, 0xDD
# which coefficients a scan that is not progressive has: all; some cameras say something else
_ALL_AT_ONCE = bytes([0, 63, 0])
# of images that are looked through, which takes up to a byte for each pixel of a component
_MOST_PIXELS, _MOST_COMPONENTS = 2**26, 4
# some cameras leave so many bytes behind the last block; more of them are blocks that should not be there
_PADDING = 16
# blocks that an MCU may have, and bytes of their codes and coefficients: the data may end before them
_MOST_BLOCKS = 10
_LONGEST_MCU = (_MOST_BLOCKS * 64 + 1) * 4

_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
_SCAN_END = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]", re.DOTALL)
_BEGIN_ANEW = re.compile(rb"\xff+([\xd0-\xd7])", re.DOTALL)


class _DamageError(ValueError):
    """Says what is wrong."""


def sound_jpeg(data: bytes, name: str) -> bytes:
    """A JPEG as libjpeg decodes it without a note: with an end, and without padding behind its last block.

    Kinds that are hardly in use, with arithmetic codes for example, are left to the decoder.

    Args:
        data: The whole file, which begins as a JPEG does.
        name: What messages call it.

    Raises:
        DataError: It is damaged or cut short.
    """
    try:
        return _look_through(data)
    except _DamageError as error:
        raise DataError(f"{name}: {error}") from error
    except (LookupError, ValueError, struct.error) as error:
        raise DataError(f"{name}: the image is damaged, its headers make no sense") from error


@dataclass
class _Component:
    across: int
    down: int
    table: int
    first: int = 0
    stride: int = 0


@dataclass
class _Headers:
    """What the file has said of itself so far."""

    width: int = 0
    height: int = 0
    progressive: bool = False
    restart: int = 0
    components: dict[int, _Component] = field(default_factory=dict)
    steps: dict[int, int] = field(default_factory=dict)  # of the DC, by table
    codes: Numbers = field(default_factory=lambda: np.zeros((8, 16, 2), np.int64))
    symbols: Bytes = field(default_factory=lambda: np.zeros((8, 256), np.uint8))
    filled: Bytes = field(default_factory=lambda: np.zeros((0, 64), np.uint8))
    scanned: set[int] = field(default_factory=set)

    def mcus(self) -> tuple[int, int]:
        """How many there are across and down."""
        across = max(component.across for component in self.components.values())
        down = max(component.down for component in self.components.values())
        return _up(self.width, 8 * across), _up(self.height, 8 * down)

    def blocks(self, component: _Component) -> tuple[int, int]:
        """How many a component has across and down where it is alone in a scan."""
        across = max(other.across for other in self.components.values())
        down = max(other.down for other in self.components.values())
        return _up(self.width * component.across, 8 * across), _up(self.height * component.down, 8 * down)


def _look_through(data: bytes) -> bytes:
    headers, at, kept, copied = _Headers(), 2, b"", 0
    while (found := _MARKER.search(data, at)) is not None:
        marker, at = found[1][0], found.end()
        if marker == _END[1]:
            break
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # these stand alone
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        if at + length > len(data):
            raise _DamageError("the image is cut short")
        content, at = data[at + 2 : at + length], at + max(length, 2)
        if marker == _SCAN:
            end = _SCAN_END.search(data, at)
            stop = len(data) if end is None else end.start()
            padding = _walk(data[at:stop], content, headers, ended=end is not None)
            if not headers.progressive and content[-3:] != _ALL_AT_ONCE:
                kept, copied = kept + data[copied : at - 3] + _ALL_AT_ONCE, at
            if padding:
                kept, copied = kept + data[copied : _back(data, stop, padding)], stop
            at = stop
        elif marker in _FRAMES and not _read_frame(marker, content, headers):
            return data + _END
        elif marker == _CODES:
            _read_codes(content, headers)
        elif marker == _STEPS:
            _read_steps(content, headers)
        elif marker == _RESTART:
            headers.restart = int.from_bytes(content[:2], "big")
    # only its end tells that a progressive image is whole
    if not headers.components or headers.scanned < headers.components.keys() or (headers.progressive and not found):
        raise _DamageError("the image is cut short")
    return kept + data[copied:] + (b"" if found else _END)


def _read_frame(marker: int, content: bytes, headers: _Headers) -> bool:
    """Whether it is of a kind that is looked through."""
    depth, headers.height, headers.width, count = struct.unpack(">BHHB", content[:6])
    headers.progressive = marker == _PROGRESSIVE
    if depth != 8 or not (headers.progressive or marker in _SEQUENTIAL):
        return False
    if not headers.height or headers.height * headers.width > _MOST_PIXELS or count > _MOST_COMPONENTS:
        return False
    headers.components.clear()
    for start in range(6, 6 + 3 * count, 3):
        number, factors, table = content[start : start + 3]
        if not 1 <= factors >> 4 <= 4 or not 1 <= factors & 15 <= 4:
            raise ValueError(factors)
        headers.components[number] = _Component(factors >> 4, factors & 15, table)
    blocks = 0
    across, down = headers.mcus()
    for component in headers.components.values():
        component.first, component.stride = blocks, across * component.across
        blocks += component.stride * down * component.down
    headers.filled = np.zeros((blocks if headers.progressive else 0, 64), np.uint8)
    return True


def _read_codes(content: bytes, headers: _Headers) -> None:
    for table, codes, symbols in _codes_of(content):
        headers.codes[table], headers.symbols[table] = codes, symbols


@lru_cache(64)  # most encoders always have the same
def _codes_of(content: bytes) -> list[tuple[int, Numbers, Bytes]]:
    tables = []
    while content:
        table, counts = (content[0] >> 4 & 1) * 4 + (content[0] & 3), content[1:17]
        symbols, content = content[17 : 17 + sum(counts)], content[17 + sum(counts) :]
        rows, code, place = [], 0, 0
        for length, count in enumerate(counts, 1):
            rows.append(((code + count) << (16 - length), place - code))
            code, place = (code + count) << 1, place + count
        padded = np.frombuffer(symbols.ljust(256, b"\0"), np.uint8)
        tables.append((table, np.array(rows, np.int64), padded))
    return tables


def _read_steps(content: bytes, headers: _Headers) -> None:
    while content:
        if content[0] >> 4 > 1:
            raise ValueError(content[0])
        size = 1 + (content[0] >> 4)
        headers.steps[content[0] & 15] = int.from_bytes(content[1 : 1 + size], "big")
        content = content[1 + 64 * size :]


def _walk(compressed: bytes, content: bytes, headers: _Headers, *, ended: bool) -> int:
    """Go through a scan; returns how many bytes are left behind its last block."""
    numbers = content[1 : 1 + 2 * content[0] : 2]
    components = [headers.components[number] for number in numbers]
    tables = content[2 : 2 + 2 * content[0] : 2]
    first, last, approximation = content[1 + 2 * content[0] : 4 + 2 * content[0]]
    if not headers.progressive:
        first, last, approximation = _ALL_AT_ONCE
    blocks = sum(own.across * own.down for own in components) if len(components) > 1 else len(components)
    if first > last or last > 63 or (first and len(components) > 1) or not 1 <= blocks <= _MOST_BLOCKS:
        raise ValueError(first)
    scan = np.array(
        [
            (own.across, own.down, table >> 4 & 3, 4 + (table & 3), headers.steps[own.table], own.first, own.stride)
            for own, table in zip(components, tables, strict=True)
        ],
        np.int64,
    )
    across, down = headers.mcus() if len(components) > 1 else headers.blocks(components[0])
    restart = headers.restart or across * down
    data, segments = _segments(compressed, -(-across * down // restart), ended=ended)
    verdict, where = walk_scan(
        data, segments, scan, headers.codes, headers.symbols, across * down, across, restart,
        first, last, approximation >> 4 > 0, approximation & 15, headers.filled,
    )  # fmt: skip
    if verdict == ENDS_EARLY and where == len(segments) - 1 and not ended:
        raise _DamageError("the image is cut short")
    if verdict != SOUND or where > _PADDING:
        raise _DamageError("the image is damaged")
    headers.scanned.update(numbers)
    return int(where)


def _segments(compressed: bytes, count: int, *, ended: bool) -> tuple[Bytes, Numbers]:
    pieces = _BEGIN_ANEW.split(compressed)
    if pieces[1::2] != [bytes([0xD0 + number % 8]) for number in range(count - 1)]:
        short = not ended and len(pieces) < 2 * count - 1
        raise _DamageError("the image is cut short" if short else "the image is damaged")
    plain = [piece.replace(b"\xff\x00", b"\xff") for piece in pieces[::2]]
    ends = [8 * end for end in accumulate(map(len, plain), initial=0)]
    segments = np.array([*pairwise(ends)], np.int64)
    return np.frombuffer(b"".join([*plain, bytes(_LONGEST_MCU)]), np.uint8), segments


def _back(data: bytes, stop: int, count: int) -> int:
    """The place that many bytes of compressed data lie before another."""
    for _ in range(count):
        stop -= 2 if data[stop - 2 : stop] == b"\xff\x00" else 1
    return stop


def _up(size: int, by: int) -> int:
    return -(-size // by)
