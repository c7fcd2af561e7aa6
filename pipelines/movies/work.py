"""The unfinished work on one film: committed piece by piece, so that it can be taken up after any interruption.

A piece covers some frames of the film. What it holds follows from the film and the settings alone, never from when or
where it was made; so it does no harm if one is made twice, and a film in pieces gives what it gives in one go.
"""

import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.errors import UserError
from pipelines.files import write_json, write_whole
from pipelines.parsing import checked, damaged, read_json


@dataclass(frozen=True, slots=True)
class Found:
    """A face that passed every threshold.

    Args:
        frame: Number of the frame.
        index: Which face of the frame, from left to right.
        seconds: Time of the frame.
        scene: Number of the scene.
        box: x, y, width and height in the frame.
        score, sharpness, light: As measured.
        sha256, phash: Hashes of the picture.
    """

    frame: int
    index: int
    seconds: float
    scene: int
    box: tuple[int, int, int, int]
    score: float
    sharpness: float
    light: float
    sha256: str
    phash: str

    @property
    def picture(self) -> str:
        """The name of its picture within the work."""
        return f"{self.frame:08d}-{self.index:02d}.png"


@dataclass(slots=True)
class Counts:
    """What came of some frames, or of a whole film."""

    frames: int = 0
    sampled: int = 0
    faces: int = 0
    rejected: dict[str, int] = field(default_factory=dict)

    def add(self, other: "Counts") -> None:
        """Add another part's."""
        self.frames += other.frames
        self.sampled += other.sampled
        self.faces += other.faces
        for reason, count in other.rejected.items():
            self.rejected[reason] = self.rejected.get(reason, 0) + count


@dataclass(slots=True)
class Piece:
    """Some frames of a film.

    Args:
        last_frame: Number of its last frame; the next piece goes on after it.
        seconds: Time of that frame.
        position: What the sampler remembers there.
        counts: What came of the frames.
        found: The faces that passed, without duplicates among them.
        gone: Faces that passed but were duplicates, each with the picture that stays instead.
        end: Whether the film ended with it.
        announced: How many frames the film's header promises, if it says so.
    """

    last_frame: int = -1
    seconds: float = 0.0
    position: dict[str, Any] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    found: list[Found] = field(default_factory=list)
    gone: list[tuple[Found, str]] = field(default_factory=list)
    end: bool = False
    announced: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return asdict(self)


class Work:
    """The folder of one film's unfinished work.

    Args:
        folder: Need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        """Nothing is read or written yet."""
        self.folder = folder

    def pieces(self) -> list[Piece]:
        """The pieces that were committed, in order.

        Raises:
            UserError: One of them cannot be read.
        """
        pieces: list[Piece] = []
        while (path := self._piece(len(pieces))).exists():
            remedy = f"delete {self.folder} to extract this film anew"
            content = read_json(path, remedy)
            pieces.append(checked(content, Piece, path, remedy))
            if not content.keys() >= Piece.__dataclass_fields__.keys():
                raise damaged(path, "it lacks what was found", remedy)
        return pieces

    def commit(self, number: int, piece: Piece) -> None:
        """Write a piece, whole or not at all; its pictures must be written before."""
        write_json(self._piece(number), piece.to_json())

    def _piece(self, number: int) -> Path:
        return self.folder / "pieces" / f"{number:06d}.json"

    def picture(self, found: Found) -> Path:
        """Where the picture of a face lies."""
        return self.folder / "pictures" / found.picture

    def rejected(self, reason: str, name: str) -> Path:
        """Where the picture of a rejected face lies."""
        return self.folder / "rejected" / reason / name

    def tell(self, frames: int, seconds: float) -> None:
        """Note how far decoding has come, for whoever watches; it need not succeed."""
        with suppress(OSError):
            (self.folder / "progress").write_text(f"{frames} {seconds}", encoding="ascii")

    def told(self) -> tuple[int, float]:
        """How many frames and seconds of the film were decoded."""
        try:
            frames, seconds = (self.folder / "progress").read_text(encoding="ascii").split()
            return int(frames), float(seconds)
        except (OSError, ValueError):  # not there yet, or just being written
            return 0, 0.0

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def write_picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write an RGB picture as PNG, whole or not at all.

    Raises:
        OSError: It cannot be written, for want of room for example.
    """
    done, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    if not done:
        raise UserError(f"{path} cannot be compressed as PNG")
    write_whole(path, partial(Path.write_bytes, data=data.tobytes()))
