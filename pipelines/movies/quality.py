"""Which faces are worth keeping: measures on a normalised crop, a threshold for each, a reason for each refusal."""

from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.errors import UserError
from pipelines.movies.crop import inside
from pipelines.movies.detectors import Face

# every face is brought to this size before it is measured
SIDE = 128

SCORE, SIZE, OFF_CENTRE, TURNED, DARK, BRIGHT, FLAT, BLURRED = (
    "score", "size", "off-centre", "turned", "dark", "bright", "flat", "blurred",
)  # fmt: skip
# in the order in which they are looked for; the first one counts
REASONS = (SCORE, SIZE, OFF_CENTRE, TURNED, DARK, BRIGHT, FLAT, BLURRED)


@dataclass(frozen=True, slots=True)
class Measures:
    """What was measured on a face.

    Args:
        score: The detector's.
        size: Pixels of the box's longer side, in the film's frame.
        inside: Share of the head that the frame shows; the rest lies beyond its edge.
        frontal: 1 for a face that looks at the camera, down to 0 for one seen from the side.
        light: Mean brightness of the crop, 0 to 255.
        contrast: Standard deviation of its brightness.
        sharpness: Fine detail as a share of all detail, in per cent: the standard deviation of the Laplacian of the
            slightly smoothed crop over its contrast (after Pech-Pacheco et al., 2000), which light does not change.
    """

    score: float
    size: int
    inside: float
    frontal: float
    light: float
    contrast: float
    sharpness: float


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The least, or the most, that a face needs to be kept; see `Measures` for the units.

    Args:
        score: Least score of the detector.
        size: Least size.
        inside: Least share of the head inside the frame.
        frontal: Least frontality.
        dark, bright: Least and largest mean brightness.
        contrast: Least contrast.
        sharpness: Least sharpness.

    Raises:
        UserError: A threshold is out of range, or not a number.
    """

    score: float
    size: int
    inside: float
    frontal: float
    dark: float
    bright: float
    contrast: float
    sharpness: float

    def __post_init__(self) -> None:
        """Check the values."""
        limits = {"inside": 1.0, "frontal": 1.0, "dark": 255.0, "bright": 255.0, "contrast": 128.0}
        for field in fields(self):
            value = getattr(self, field.name)
            least, most = (-1e6 if field.name == "score" else 0.0), limits.get(field.name, 1e6)
            if not least <= value <= most:
                raise UserError(
                    f"the threshold for {field.name} must lie between {least:,g} and {most:,g}, got {value}"
                )
        if self.dark > self.bright:
            raise UserError(f"no face is at least {self.dark:g} and at most {self.bright:g} bright; lower the former")

    def refuse(self, measures: Measures) -> str | None:
        """The first of `REASONS` for which a face is not kept, or None."""
        failed = (
            measures.score < self.score,
            measures.size < self.size,
            measures.inside < self.inside,
            measures.frontal < self.frontal,
            measures.light < self.dark,
            measures.light > self.bright,
            measures.contrast < self.contrast,
            measures.sharpness < self.sharpness,
        )
        return next((reason for reason, fails in zip(REASONS, failed, strict=True) if fails), None)


def measure(pixels: NDArray[np.uint8], face: Face) -> Measures:
    """Measure a face.

    Args:
        pixels: The frame it is in, BGR (height, width, 3).
        face: Its box, score and frontality.
    """
    crop = normalised(pixels, face)
    contrast = float(crop.std())
    smooth = cv2.GaussianBlur(crop, (0, 0), 1.0)  # a sensor's noise is no detail
    detail = float(cv2.Laplacian(smooth, cv2.CV_32F).std())
    return Measures(
        score=face.score,
        size=face.side,
        inside=inside(pixels.shape[:2], face),
        frontal=face.frontal,
        light=float(crop.mean()),
        contrast=contrast,
        sharpness=100 * detail / contrast if contrast > 1e-3 else 0.0,
    )


def normalised(pixels: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
    """The square around a face in grey, brought to 128x128; only as much of it as the frame shows."""
    middle_x, middle_y = face.middle
    height, width = pixels.shape[:2]
    left, top = max(0, round(middle_x - face.side / 2)), max(0, round(middle_y - face.side / 2))
    right, bottom = min(width, left + face.side), min(height, top + face.side)
    left, top = min(left, width - 1), min(top, height - 1)
    square = pixels[top : max(bottom, top + 1), left : max(right, left + 1)]
    grey = cv2.cvtColor(square, cv2.COLOR_BGR2GRAY)
    way = cv2.INTER_AREA if min(square.shape[:2]) > SIDE else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=way), np.float32)
