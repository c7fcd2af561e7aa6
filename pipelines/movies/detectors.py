"""Finding faces in a frame, and telling how far each is turned away."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.errors import UserError

HAAR, YUNET = "haar", "yunet"
DETECTORS = (HAAR, YUNET)
# the score that a face needs if none is asked for: for the cascade a sum of stages, for YuNet a probability
USUAL_SCORE = {HAAR: 54.5, YUNET: 0.8}
# frames are shrunk until the smallest wanted face is so many pixels wide, a little more than the cascade's window
SEARCHED = 32
# faces a little too small are found as well, so that they can be counted as too small
SMALLER = 0.75
SMALLEST_FRAME = 64  # pixels of either side that YuNet is shown
# the side of a face when the profile cascade looks at it, and how far around it may look
PROFILE, AROUND = 48, 0.9
# at this score of the profile cascade a face is taken to be seen from the side altogether
SIDEWAYS = 7.0


@dataclass(frozen=True, slots=True)
class Face:
    """A face in a frame.

    Args:
        x, y, width, height: Its box in pixels of the frame; it may reach beyond the frame's edge.
        score: The detector's; its scale differs from detector to detector.
        frontal: 1 for a face that looks at the camera, down to 0 for one seen from the side.
    """

    x: int
    y: int
    width: int
    height: int
    score: float
    frontal: float

    @property
    def side(self) -> int:
        """The longer side of the box."""
        return max(self.width, self.height)

    @property
    def middle(self) -> tuple[float, float]:
        """X and y of the box's middle."""
        return self.x + self.width / 2, self.y + self.height / 2


class Detector(Protocol):
    """Finds all faces in a frame."""

    def find(self, pixels: NDArray[np.uint8], least: int) -> list[Face]:
        """The faces in a BGR frame (height, width, 3), from left to right.

        Args:
            pixels: The frame.
            least: Pixels of the smallest wanted face; somewhat smaller ones are found too.
        """
        ...


class HaarDetector:
    """The Haar cascade for frontal faces that comes with opencv-python 4 (Viola & Jones, 2001).

    It finds only faces that look roughly at the camera. How far each is turned is judged by the profile cascade: the
    more of a profile it sees in the face, to either side, the less frontal the face is.
    """

    def __init__(self) -> None:
        """Load the cascades."""
        self._frontal = _cascade("haarcascade_frontalface_alt2.xml")
        self._profile = _cascade("haarcascade_profileface.xml")

    def find(self, pixels: NDArray[np.uint8], least: int) -> list[Face]:
        """See `Detector`."""
        small, scale = _shrink(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), least)
        smallest = max(20, int(least * SMALLER * scale))
        boxes, _, weights = self._frontal.detectMultiScale3(
            small, scaleFactor=1.1, minNeighbors=4, minSize=(smallest, smallest), outputRejectLevels=True
        )
        faces = []
        for box, weight in zip(boxes, np.ravel(weights), strict=True):
            x, y, width, height = (round(float(value) / scale) for value in box)
            faces.append(Face(x, y, width, height, float(weight), self._look(small, box)))
        return sorted(faces, key=_from_left)

    def _look(self, image: NDArray[np.uint8], box: Sequence[int]) -> float:
        x, y, side = (int(value) for value in box[:3])
        reach = round(side * AROUND)
        around = cv2.copyMakeBorder(image, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
        left, top = x + side // 2, y + side // 2
        window = around[top : top + 2 * reach, left : left + 2 * reach]
        size = round(PROFILE * 2 * AROUND)
        window = cv2.resize(window, (size, size), interpolation=cv2.INTER_AREA)
        one, other = self._profile_score(window), self._profile_score(cv2.flip(window, 1))
        return max(0.0, 1 - max(one, other) / SIDEWAYS)

    def _profile_score(self, window: NDArray[np.uint8]) -> float:
        least, most = round(PROFILE * 0.8), round(PROFILE * 1.6)
        boxes, _, weights = self._profile.detectMultiScale3(
            window, scaleFactor=1.1, minNeighbors=1, minSize=(least, least), maxSize=(most, most),
            outputRejectLevels=True,
        )  # fmt: skip
        return max(0.0, float(np.max(weights))) if len(boxes) else 0.0


class YuNetDetector:
    """YuNet, a small neural network that also finds eyes, nose and mouth (Wu et al., 2023).

    A face is frontal when its nose lies half-way between the eyes, and not at all when it lies below or beyond one.

    Args:
        model: The bytes of its ONNX file.

    Raises:
        UserError: OpenCV cannot read the model.
    """

    def __init__(self, model: bytes) -> None:
        """Load the model."""
        try:
            buffer = np.frombuffer(model, np.uint8)
            self._network = cv2.FaceDetectorYN.create("onnx", buffer, np.empty(0, np.uint8), (320, 320), 0.5, 0.3, 5000)
            self.find(np.zeros((64, 64, 3), np.uint8), 20)
        except cv2.error as error:
            raise UserError(f"the detector's model is not a YuNet that OpenCV reads ({error.err or error})") from error

    def find(self, pixels: NDArray[np.uint8], least: int) -> list[Face]:
        """See `Detector`."""
        small, scale = _shrink(pixels, least)
        # of a frame that fits into 32x32 pixels, OpenCV reads memory that nobody has written
        below, beside = (max(0, SMALLEST_FRAME - side) for side in small.shape[:2])
        small = cv2.copyMakeBorder(small, 0, below, 0, beside, cv2.BORDER_CONSTANT)
        self._network.setInputSize((small.shape[1], small.shape[0]))
        found = self._network.detect(small)[1]
        faces = []
        for row in [] if found is None else found:
            x, y, width, height = (round(float(value) / scale) for value in row[:4])
            if max(width, height) >= least * SMALLER:
                faces.append(Face(x, y, width, height, float(row[14]), _symmetry(row[4:10])))
        return sorted(faces, key=_from_left)


def load_detector(name: str, model: bytes | None = None) -> Detector:
    """The detector of that name; YuNet needs the bytes of its model."""
    if name == YUNET:
        return YuNetDetector(model or b"")
    return HaarDetector()


def _cascade(name: str) -> "cv2.CascadeClassifier":
    path = Path(cv2.__file__).parent / "data" / name
    cascade = cv2.CascadeClassifier(str(path))
    if cascade.empty():
        raise UserError(f"{path} is missing from this OpenCV; install opencv-python 4, or use --detector yunet")
    return cascade


def _shrink(image: NDArray[np.uint8], least: int) -> tuple[NDArray[np.uint8], float]:
    scale = SEARCHED / least
    height, width = image.shape[:2]
    if scale >= 1:
        return image, 1.0
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8), scale


def _symmetry(points: NDArray[np.float32]) -> float:
    # how far the nose is from the middle of the eyes, along the line between them
    right_eye, left_eye, nose = (points[i : i + 2].astype(float) for i in (0, 2, 4))
    across = left_eye - right_eye
    length = float(across @ across)
    if not length:
        return 0.0
    aside = float((nose - (right_eye + left_eye) / 2) @ across) / length
    return max(0.0, 1 - 2 * abs(aside))


def _from_left(face: Face) -> tuple[int, int, int, int]:
    return face.x, face.y, face.width, face.height
