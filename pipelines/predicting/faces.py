"""Finding the faces of a photograph, and cutting each out as the model's training images were."""

import math
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.curation.naming import parse_name
from pipelines.errors import UserError
from pipelines.movies.crop import cut_out, cut_square
from pipelines.movies.detectors import DETECTORS, HAAR, USUAL_SCORE, YUNET, Face, load_detector
from pipelines.movies.settings import Settings
from pipelines.movies.yunet_model import yunet_model
from pipelines.run import Run

SQUARE, FILM = "square", "film"
CROPS = (SQUARE, FILM)
# The side of a FER-2013 image in sides of the face that a detector finds in it, and both have one middle: the median
# of 450 images is 1.02 for the cascade, with which these images seem to have been cut, and 1.04 for YuNet.
SQUARE_SIDES = 1.03
# the smallest face that is looked for: this part of the image's shorter side, and at least so many pixels
SMALLEST_PART, SMALLEST = 20, 24
# names of a run's samples that are looked at to tell what they were
LOOKED_AT = 100


@dataclass(frozen=True, slots=True)
class FaceSearch:
    """How faces are looked for and cut out.

    Args:
        detector: `haar` or `yunet`.
        model: YuNet's file, if it is used and does not lie in the cache.
        download: Whether it may be fetched otherwise.
        min_score: Least score; None for the detector's usual one.
        min_face: Pixels of the smallest wanted face; None for a twentieth of the image's shorter side, at least 24.
        crop: `square`: the face's box made square with a margin of 1.5% on each side, as FER-2013 has it; or `film`:
            640x480 with the face at 0.7 of the height, as `scratchnet dataset extract` makes pictures.

    Raises:
        UserError: An argument is unknown or out of range.
    """

    detector: str = HAAR
    model: Path | None = None
    download: bool = True
    min_score: float | None = None
    min_face: int | None = None
    crop: str = SQUARE

    def __post_init__(self) -> None:
        """Check the values."""
        for name, value, known in (("detector", self.detector, DETECTORS), ("crop", self.crop, CROPS)):
            if value not in known:
                raise UserError(f"{name} must be one of {', '.join(known)}, got {value!r}")
        if self.min_score is not None and not math.isfinite(self.min_score):
            raise UserError(f"min-score must be a finite number, got {self.min_score}")
        if self.min_face is not None and self.min_face < 1:
            raise UserError(f"min-face must be at least 1, got {self.min_face}")


class FaceFinder:
    """Finds faces; not to be used by two threads at once.

    Args:
        search: How.

    Raises:
        UserError: The detector cannot be loaded.
    """

    def __init__(self, search: FaceSearch) -> None:
        """Load the detector."""
        network = yunet_model(search.model, download=search.download) if search.detector == YUNET else None
        self._detector = load_detector(search.detector, network)
        self._least_score = USUAL_SCORE[search.detector] if search.min_score is None else search.min_score
        self._search = search

    def __call__(self, image: NDArray[np.uint8]) -> list[tuple[Face, NDArray[np.uint8]]]:
        """The faces of an image from left to right, each with its picture, uint8 RGB (height, width, 3).

        Args:
            image: uint8, (height, width) grey or (height, width, 3) RGB.
        """
        bgr = np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR if image.ndim == 2 else cv2.COLOR_RGB2BGR), np.uint8)
        least = self._search.min_face or max(SMALLEST, min(image.shape[:2]) // SMALLEST_PART)
        faces = [face for face in self._detector.find(bgr, least) if face.score >= self._least_score]
        return [(face, self._cut(bgr, face)) for face in faces if face.side > 0]

    def _cut(self, bgr: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
        if self._search.crop == FILM:
            return cut_out(bgr, face, Settings().face_share)
        return cut_square(bgr, face, SQUARE_SIDES)


def crop_of(model: Path) -> str:
    """How the images were cut that a model was trained on, as far as its run tells.

    Args:
        model: A run's folder, or a model file in one.

    Returns:
        `film` if the run's samples are named like those of a dataset out of films, otherwise `square`.
    """
    run = Run(model if model.is_dir() else model.parent)
    if not run.config_path.exists():
        return SQUARE
    names = list(islice(sorted(run.part_of("train")), LOOKED_AT)) if run.split_path.exists() else []
    return FILM if names and all(parse_name(PurePosixPath(name).name) for name in names) else SQUARE
