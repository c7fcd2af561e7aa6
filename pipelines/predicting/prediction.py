"""What a model says of an image."""

from dataclasses import dataclass
from typing import Any

from pipelines.movies.detectors import Face

Probabilities = dict[str, float]
NO_FACE = "no face found"


def best_class(probabilities: Probabilities) -> str:
    """The most probable class; the first of equals."""
    return max(probabilities, key=probabilities.__getitem__)


@dataclass(frozen=True, slots=True)
class FacePrediction:
    """What a model says of one face.

    Attributes:
        face: Its box in pixels of the image, and the detector's score.
        probabilities: By class, in label order.
    """

    face: Face
    probabilities: Probabilities

    @property
    def best(self) -> str:
        """The most probable class."""
        return best_class(self.probabilities)

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON can hold it."""
        face = self.face
        return {
            "box": {"x": face.x, "y": face.y, "width": face.width, "height": face.height},
            "score": face.score,
            "class": self.best,
            "probabilities": self.probabilities,
        }


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says of an image or of its faces, or why it could not be asked.

    Attributes:
        image: the path.
        probabilities: by class, in label order; None if the image could not be read, or its faces were looked for.
        error: the reason if it could not be read.
        faces: what was found where faces were looked for, from left to right; None where the image was asked about as
            a whole.
    """

    image: str
    probabilities: Probabilities | None = None
    error: str | None = None
    faces: tuple[FacePrediction, ...] | None = None

    @property
    def best(self) -> str | None:
        """The most probable class of the whole image."""
        return best_class(self.probabilities) if self.probabilities else None

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON can hold it."""
        if self.error is not None:
            return {"image": self.image, "error": self.error}
        if self.faces is not None:
            return {"image": self.image, "faces": [face.to_json() for face in self.faces]}
        return {"image": self.image, "class": self.best, "probabilities": self.probabilities}
