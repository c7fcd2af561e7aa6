"""Which scene a frame belongs to, and which frames are looked at: decided frame by frame, in one pass."""

from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scenedetect import ContentDetector, FrameTimecode

from pipelines.movies.film import Frame

# cuts show in small pictures as well, and these take a tenth of the time; width and height
SIZE = (256, 144)


@dataclass(slots=True)
class Position:
    """How far scenes and sampling have come: all that has to be remembered from one frame to the next.

    Args:
        scene: 0-based number of the scene.
        cut_at: Seconds at which it began; None before the first cut.
        sampled_at: Seconds of the frame that was looked at last; None if there is none in this scene.
        samples: How many frames of this scene were looked at.
    """

    scene: int = 0
    cut_at: float | None = None
    sampled_at: float | None = None
    samples: int = 0

    def to_json(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)


class Sampler:
    """Follows the scenes of a film and picks frames: the first of each scene, then one at every interval.

    Scenes end where PySceneDetect's content detector sees a cut (https://www.scenedetect.com).

    Args:
        interval: Seconds between frames that are picked; 0 picks all of them.
        most: Frames to pick in one scene; 0 sets no limit.
        threshold: How much a picture must change for a cut, 0 to 255, in PySceneDetect's measure.
        shortest: Seconds that a scene lasts at least; until then changes are taken for flashes.
        position: Where to go on, after `see` of the frame before.
    """

    def __init__(
        self, interval: float, most: int, threshold: float, shortest: float, position: Position | None = None
    ) -> None:
        """A sampler at the film's start, or at `position`."""
        self.position = position or Position()
        self._interval, self._most, self._shortest = interval, most, shortest
        # the detector's own rule for short scenes would not survive an interruption; what ours needs is in Position
        self._detector = ContentDetector(threshold=threshold, min_scene_len=0)

    def see(self, frame: Frame) -> bool:
        """Only take note of a frame's picture, and return whether it is a cut from the one before."""
        number = FrameTimecode(frame.number, fps=25.0)  # the detector wants some rate but does not use it here
        return bool(self._detector.process_frame(number, _small(frame.pixels)))

    def pick(self, frame: Frame) -> bool:
        """Take the next frame into account, and say whether to look at it; `position` then tells its scene."""
        here = self.position
        if self.see(frame) and (here.cut_at is None or frame.seconds - here.cut_at >= self._shortest):
            here.scene += 1
            here.cut_at, here.sampled_at, here.samples = frame.seconds, None, 0
        if self._most and here.samples >= self._most:
            return False
        # stamps are rounded, so the frame that is meant may come a hair too early
        if here.sampled_at is not None and frame.seconds - here.sampled_at < self._interval - 1e-3:
            return False
        here.sampled_at = frame.seconds
        here.samples += 1
        return True


def _small(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    # always of one size, since a film may change its own on the way
    return np.asarray(cv2.resize(pixels, SIZE, interpolation=cv2.INTER_LINEAR), np.uint8)
