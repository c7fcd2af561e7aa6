"""Films made by hand: frames that tell their number, and containers whose headers are changed afterwards."""

import struct
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

BITS = 10


def numbered(number: int, size: tuple[int, int] = (48, 80)) -> NDArray[np.uint8]:
    """A frame that shows its number as a row of dark and bright bars, which compression does not harm."""
    bits = [(number >> bit) & 1 for bit in range(BITS)]
    row = np.repeat(np.array(bits, np.uint8) * 160 + 48, size[1] // BITS)
    return np.repeat(np.broadcast_to(row, (size[0], len(row)))[..., None], 3, axis=2).copy()


def read_number(frame: NDArray[np.uint8]) -> int:
    """The number that a frame shows."""
    bars = frame[..., 0].mean(axis=0).reshape(BITS, -1).mean(axis=1)
    return int(sum(int(bar > 128) << bit for bit, bar in enumerate(bars)))


def write_film(path: Path, frames: Iterable[NDArray[np.uint8]], rate: float = 10.0) -> Path:
    """Write Motion JPEG for .avi, MPEG-4 for .mp4."""
    frames = list(frames)
    height, width = frames[0].shape[:2]
    motion_jpeg = path.suffix == ".avi"
    backend = cv2.CAP_OPENCV_MJPEG if motion_jpeg else cv2.CAP_FFMPEG
    codec = cv2.VideoWriter.fourcc(*("MJPG" if motion_jpeg else "mp4v"))
    writer = cv2.VideoWriter(str(path), backend, codec, rate, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def change_box(data: bytes, names: Sequence[str], change: Callable[[bytes], bytes]) -> bytes:
    """Change the content of the first box at a path in an MP4 file, such as moov, trak, tkhd."""
    result, offset, done = b"", 0, False
    while offset < len(data):
        size, name = struct.unpack(">I4s", data[offset : offset + 8])
        content = data[offset + 8 : offset + size]
        if name == names[0].encode() and not done:
            content = change_box(content, names[1:], change) if len(names) > 1 else change(content)
            done = True
        result += struct.pack(">I4s", len(content) + 8, name) + content
        offset += size
    assert done, names
    return result


def turn(path: Path) -> None:
    """Have an MP4 film shown turned by 90 degrees clockwise, through the matrix of its track."""
    one = 0x10000
    matrix = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 0x40000000)
    path.write_bytes(change_box(path.read_bytes(), ["moov", "trak", "tkhd"], lambda c: c[:40] + matrix + c[76:]))


def vary_rate(path: Path, durations: Sequence[int]) -> None:
    """Give each frame of an MP4 film its own duration, in units of the first frame's."""

    def change(content: bytes) -> bytes:
        unit = struct.unpack(">I", content[12:16])[0]
        entries = b"".join(struct.pack(">II", 1, unit * duration) for duration in durations)
        return content[:4] + struct.pack(">I", len(durations)) + entries

    data = change_box(path.read_bytes(), ["moov", "trak", "mdia", "minf", "stbl", "stts"], change)
    # the edit list would end the film where it ended before
    path.write_bytes(data.replace(b"edts", b"free"))


def announce(path: Path, frames: int) -> None:
    """Have an AVI film's header promise so many frames."""
    data = bytearray(path.read_bytes())
    header, stream = data.index(b"avih"), data.index(b"strh")
    data[header + 24 : header + 28] = struct.pack("<I", frames)
    data[stream + 40 : stream + 44] = struct.pack("<I", frames)
    path.write_bytes(data)
