"""A short film that the program draws itself: faces that move, change, turn, leave, come again, blur and darken."""

import errno
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.data.drawn_canvas import Canvas, Dice, View
from pipelines.data.drawn_expressions import CLASS_NAMES, Actions, act
from pipelines.data.drawn_face import Looks, draw_face
from pipelines.errors import UserError
from pipelines.files import write_whole

DRAWN = "drawn"
SECONDS, SEED = 12, 0
WIDTH, HEIGHT, RATE = 640, 360, 12
SCENE_FRAMES = 18


@dataclass(frozen=True, slots=True)
class DrawnFilm:
    """A film of drawn faces, 640x360 at 12 frames a second; the same for the same arguments.

    Args:
        seconds: Its length, at least 1. A scene takes 1.5 seconds, and after eight of them come other people.
        seed: Another seed, other people.

    Raises:
        UserError: An argument is out of range.
    """

    seconds: int = SECONDS
    seed: int = SEED

    def __post_init__(self) -> None:
        """Check the values."""
        if not 1 <= self.seconds <= 36_000:
            raise UserError(f"a drawn film lasts between 1 and 36000 seconds, got {self.seconds}")

    @classmethod
    def parse(cls, name: str) -> "DrawnFilm | None":
        """The film that `drawn`, `drawn:SECONDS` or `drawn:SECONDS:SEED` names; None for any other name."""
        word, *numbers = name.split(":")
        if word != DRAWN:
            return None
        if len(numbers) > 2 or not all(number.isascii() and number.isdecimal() for number in numbers):
            raise UserError(f"a drawn film is asked for as drawn, drawn:SECONDS or drawn:SECONDS:SEED, got {name!r}")
        return cls(*map(int, numbers))

    def __str__(self) -> str:
        return f"{DRAWN}:{self.seconds}:{self.seed}"

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """Draw its frames: uint8 (360, 640, 3), BGR."""
        for number in range(self.seconds * RATE):
            yield self._draw(number)[0]

    def expressions(self, frame: int) -> list[tuple[float, str]]:
        """The faces in a frame: where the middle of each is, in pixels from the left, and its expression.

        Args:
            frame: Its number, from 0.
        """
        return self._draw(frame)[1]

    def _draw(self, frame: int) -> tuple[NDArray[np.uint8], list[tuple[float, str]]]:
        scene, position = divmod(frame, SCENE_FRAMES)
        act_number, kind = divmod(scene, len(SCENES))
        stage = _Stage(self.seed, act_number)
        return SCENES[kind](stage, position / (SCENE_FRAMES - 1)), stage.shown

    def write(self, path: Path) -> None:
        """Write it as Motion JPEG in an .avi file, which needs no codec but OpenCV's own.

        Raises:
            OSError: Its folder cannot be written to, or the file could not be written in full.
        """
        write_whole(path, self._write)

    def _write(self, path: Path) -> None:
        path.touch()  # says what is wrong where OpenCV would not
        writer = cv2.VideoWriter(
            str(path), cv2.CAP_OPENCV_MJPEG, cv2.VideoWriter.fourcc(*"MJPG"), float(RATE), (WIDTH, HEIGHT)
        )
        try:
            if not writer.isOpened():
                raise OSError(errno.EIO, "cannot be written as a film", str(path))
            for frame in self.frames():
                writer.write(frame)
        finally:
            writer.release()
        film = cv2.VideoCapture(str(path), cv2.CAP_OPENCV_MJPEG)
        written = int(film.get(cv2.CAP_PROP_FRAME_COUNT))
        film.release()
        if written != self.seconds * RATE:
            raise OSError(errno.EIO, "could not be written in full; check that there is room", str(path))


class _Stage:
    """The people and places of one round of scenes."""

    def __init__(self, seed: int, number: int) -> None:
        self._seed = (seed, number)
        self.shown: list[tuple[float, str]] = []

    def place(self, place: int) -> NDArray[np.uint8]:
        """A background of two colours and some boxes."""
        dice = Dice((*self._seed, 1000 + place))
        image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
        light = 60 + 45 * (place % 4)  # neighbouring scenes differ clearly
        image[:] = [light + dice.near(35) for _ in range(3)]
        for _ in range(5):
            x, y = int(dice.between(0, WIDTH)), int(dice.between(0, HEIGHT))
            corner = (x + int(dice.between(40, 200)), y + int(dice.between(30, 160)))
            cv2.rectangle(image, (x, y), corner, [light + dice.near(50) for _ in range(3)], cv2.FILLED)
        return image

    def person(self, image: NDArray[np.uint8], person: int, view: View, time: float) -> None:
        """Draw a person whose face goes from one expression to another."""
        dice = Dice((*self._seed, person))
        looks = Looks.of(dice)
        names = [CLASS_NAMES[(person + step) % len(CLASS_NAMES)] for step in (0, 3)]
        self.shown.append((view.x, names[round(time)]))
        first, second = (act(name, dice) for name in names)
        pairs = zip(astuple(first), astuple(second), strict=True)
        canvas = Canvas(view, colour=True)
        draw_face(canvas, looks, Actions(*(a + (b - a) * time for a, b in pairs)), dice)
        image[:] = image[..., ::-1]  # faces are drawn in RGB
        canvas.draw(image)
        image[:] = image[..., ::-1]


def _soft(image: NDArray[np.uint8], blur: float = 0.8) -> NDArray[np.uint8]:
    # a camera's edges are never as hard as drawn ones
    return np.asarray(cv2.GaussianBlur(image, (0, 0), blur), np.uint8)


def _moves(stage: _Stage, time: float) -> NDArray[np.uint8]:
    image = stage.place(0)
    stage.person(image, 0, View(230 + 180 * time, 175, 105 + 20 * time, roll=0.05 * np.sin(6 * time)), time)
    return _soft(image)


def _two(stage: _Stage, time: float) -> NDArray[np.uint8]:
    image = stage.place(1)
    stage.person(image, 1, View(180 + 20 * time, 180, 85), time)
    stage.person(image, 2, View(460, 170 + 15 * time, 90), 1 - time)
    return _soft(image)


def _empty(stage: _Stage, time: float) -> NDArray[np.uint8]:
    image = stage.place(2)
    cv2.circle(image, (round(100 + 400 * time), 200), 30, (200, 200, 200), cv2.FILLED)
    return _soft(image)


def _blurs(stage: _Stage, time: float) -> NDArray[np.uint8]:
    image = stage.place(3)
    stage.person(image, 3, View(320, 180, 110), 0.3 * time)
    return _soft(image, 0.8 + 13 * time)


def _leaves(stage: _Stage, time: float) -> NDArray[np.uint8]:
    image = stage.place(4)
    stage.person(image, 4, View(380 + 330 * time, 180, 105), time)
    return _soft(image)


def _turns(stage: _Stage, time: float) -> NDArray[np.uint8]:
    image = stage.place(6)
    stage.person(image, 5, View(320, 180, 110, yaw=0.9 * time), 0.2)
    return _soft(image)


def _darkens(stage: _Stage, time: float) -> NDArray[np.uint8]:
    image = stage.place(7)
    stage.person(image, 6, View(300, 185, 105), time)
    return np.asarray(np.rint(_soft(image) * (1 - min(0.95, 1.3 * time))), np.uint8)


# the first scene comes again, frame by frame
SCENES: tuple[Callable[[_Stage, float], NDArray[np.uint8]], ...] = (
    _moves, _two, _empty, _blurs, _leaves, _moves, _turns, _darkens,
)  # fmt: skip
