"""Shapes in the coordinates of a face, drawn on an image as a camera would see them; and the chances they depend on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Points: TypeAlias = NDArray[np.float64]  # (n, 2): x to the right, y down
Colour: TypeAlias = tuple[float, float, float]  # RGB, 0..255

T = TypeVar("T")

# OpenCV takes coordinates as whole numbers of 1/16 pixel
_FRACTION_BITS = 4


class Dice:
    """A row of chances fixed by `seed`; drawn at once, because NumPy takes long over single numbers."""

    def __init__(self, seed: Sequence[int]) -> None:
        """The numbers depend on `seed` alone."""
        self.rng = np.random.default_rng(seed)
        self._numbers: list[float] = []

    def between(self, low: float, high: float) -> float:
        """Some number in low..high."""
        if not self._numbers:
            self._numbers = self.rng.random(128).tolist()
        return low + (high - low) * self._numbers.pop()

    def near(self, spread: float) -> float:
        """Some number in -spread..spread, more likely near 0."""
        return self.between(-spread, spread) * math.sqrt(self.between(0.0, 1.0))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.between(0.0, 1.0) < probability

    def choice(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[min(int(self.between(0, len(options))), len(options) - 1)]


@dataclass(frozen=True, slots=True)
class View:
    """Where the camera stands: from face coordinates, in which the head reaches from y = -1 to 1, to pixels.

    Args:
        x, y: Pixels of the face's middle.
        scale: Pixels per unit.
        roll: Turn in the image's plane, radians.
        yaw, pitch: Turn of the head, radians; the middle of the face, which is nearest, moves most.
        perspective: How much nearer the right and the lower side are.
    """

    x: float
    y: float
    scale: float
    roll: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    perspective: tuple[float, float] = (0.0, 0.0)

    def project(self, points: Points) -> Points:
        """Pixels of (n, 2) points."""
        x, y = points[:, 0], points[:, 1]
        # the head is taken for a ball: how far each point stands out towards the camera
        depth = np.sqrt(np.maximum(1.2 - x * x - 0.6 * y * y, 0.05))
        x = x * math.cos(self.yaw) + depth * math.sin(self.yaw)
        y = y * math.cos(self.pitch) + depth * math.sin(self.pitch)
        nearer = self.scale / (1.0 - self.perspective[0] * x - self.perspective[1] * y)
        cos, sin = math.cos(self.roll), math.sin(self.roll)
        return np.stack((self.x + nearer * (cos * x - sin * y), self.y + nearer * (sin * x + cos * y)), axis=1)


class Canvas:
    """Collects shapes in face coordinates, then draws them in their order."""

    def __init__(self, view: View, *, colour: bool) -> None:
        """An empty canvas; without `colour` everything is drawn in the grey of its colour."""
        self._view = view
        self._colour = colour
        self._shapes: list[tuple[Points, Colour, float]] = []

    def fill(self, points: Points, colour: Colour) -> None:
        """A filled polygon."""
        self._shapes.append((points, colour, 0.0))

    def line(self, points: Points, colour: Colour, width: float) -> None:
        """A line through the points; `width` in face units, at least one pixel is drawn."""
        self._shapes.append((points, colour, width))

    def draw(self, image: NDArray[np.uint8]) -> None:
        """Draw everything on `image`, (height, width) grey or (height, width, 3) RGB."""
        if not self._shapes:
            return
        pixels = self._view.project(np.concatenate([points for points, _, _ in self._shapes]))
        fixed = np.rint(pixels * (1 << _FRACTION_BITS)).astype(np.int32)
        start = 0
        for points, colour, width in self._shapes:
            corners = [fixed[start : start + len(points)]]
            start += len(points)
            ink = self.ink(colour)
            if width:
                pen = max(1, round(width * self._view.scale))
                cv2.polylines(image, corners, False, ink, pen, cv2.LINE_AA, _FRACTION_BITS)
            else:
                cv2.fillPoly(image, corners, ink, cv2.LINE_AA, _FRACTION_BITS)

    def ink(self, colour: Colour) -> Colour:
        """What OpenCV is to write for a colour: in a grey image its luma."""
        if self._colour:
            return colour
        luma = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
        return (luma, luma, luma)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """The colour that is `share` of the way from the first to the second."""
    return (
        first[0] + (second[0] - first[0]) * share,
        first[1] + (second[1] - first[1]) * share,
        first[2] + (second[2] - first[2]) * share,
    )
