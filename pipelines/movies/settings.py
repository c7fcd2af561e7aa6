"""What an extraction can be told, and the name under which its unfinished work is found again."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass

from pipelines.curation.likeness import NEAR_BITS
from pipelines.errors import UserError
from pipelines.movies.detectors import DETECTORS, HAAR, USUAL_SCORE
from pipelines.movies.quality import Thresholds

# a change of what one film gives under the same settings gets another number, so that old unfinished work is not used
FORMAT = 1
LEAST_FACE = 60


@dataclass(frozen=True, slots=True)
class Settings:
    """How faces are taken from films.

    Args:
        interval: Seconds between the frames of a scene that are looked at; 0 looks at all of them.
        frames_per_scene: At most so many frames of a scene are looked at; 0 sets no limit.
        scene_threshold: How much a picture must change for a cut, in the measure of PySceneDetect's content detector.
        min_scene: Seconds that a scene lasts at least.
        detector: `haar` or `yunet`.
        min_score: Least score of the detector; None for its usual one.
        min_face: Least size of a face, in pixels of the film; None for a sixth of its height or 60, whichever is more.
        min_inside, min_frontal, min_light, max_light, min_contrast, min_sharpness: See `Thresholds`.
        face_share: How much of the picture's height the face takes.
        near: Pictures are near duplicates when at most so many of the 64 bits of their perceptual hashes differ.
        keep_rejected: For each reason, at most so many rejected faces of a film are kept, to be looked at.
        frames_per_piece: After so many frames what was found is committed, and an interrupted run goes on from there.

    Raises:
        UserError: A setting is out of range.
    """

    interval: float = 0.5
    frames_per_scene: int = 0
    scene_threshold: float = 27.0
    min_scene: float = 0.5
    detector: str = HAAR
    min_score: float | None = None
    min_face: int | None = None
    min_inside: float = 0.9
    min_frontal: float = 0.35
    min_light: float = 30.0
    max_light: float = 225.0
    min_contrast: float = 12.0
    min_sharpness: float = 4.0
    face_share: float = 0.7
    near: int = NEAR_BITS
    keep_rejected: int = 0
    frames_per_piece: int = 240

    def __post_init__(self) -> None:
        """Check the values."""
        if self.detector not in DETECTORS:
            raise UserError(f"detector must be one of {', '.join(DETECTORS)}, got {self.detector!r}")
        ranges: dict[str, tuple[float, float]] = {
            "interval": (0, math.inf), "frames_per_scene": (0, math.inf), "scene_threshold": (0.1, 255),
            "min_scene": (0, math.inf), "face_share": (0.1, 1), "near": (0, 32), "keep_rejected": (0, 100_000),
            "frames_per_piece": (1, math.inf),
        }  # fmt: skip
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            if not least <= value <= most or value == math.inf:
                limit = f"between {least:g} and {most:g}" if most < math.inf else f"a number from {least:g} on"
                raise UserError(f"{name.replace('_', ' ')} must be {limit}, got {value}")
        if self.min_face is not None and self.min_face < 16:
            raise UserError(f"min face must be at least 16 pixels, got {self.min_face}")
        self.thresholds((360, 640))

    def thresholds(self, frame: tuple[int, ...]) -> Thresholds:
        """The thresholds for a film whose frames have this height and width."""
        return Thresholds(
            score=USUAL_SCORE[self.detector] if self.min_score is None else self.min_score,
            size=max(LEAST_FACE, round(min(frame[:2]) / 6)) if self.min_face is None else self.min_face,
            inside=self.min_inside,
            frontal=self.min_frontal,
            dark=self.min_light,
            bright=self.max_light,
            contrast=self.min_contrast,
            sharpness=self.min_sharpness,
        )

    def stamp(self, model: bytes | None) -> str:
        """16 hex digits that are others for other settings or another detector's model."""
        told = json.dumps([FORMAT, asdict(self), hashlib.sha256(model or b"").hexdigest()], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:16]
