"""A dataset out of nothing: faces with the seven expressions, drawn with OpenCV, for trying everything without data."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.data.class_names import class_key, order_classes
from pipelines.data.drawn_canvas import Canvas, Colour, Dice, View
from pipelines.data.drawn_expressions import CLASS_NAMES, act
from pipelines.data.drawn_face import Looks, draw_face
from pipelines.data.errors import DataError
from pipelines.data.sample import LeftOut, Sample
from pipelines.data.split import stratified_split

# faces are drawn at this many pixels or more, then shrunk
DRAWING_SIZE = 96


class DrawnFaces:
    """A `Source` of drawn faces, as many as wanted, half-way between a toy and FER-2013 in difficulty.

    Image i shows the expression `i % 7` and depends only on `seed`, i, `size` and `colour`: a larger `count` adds
    images and changes none.

    Args:
        count: How many images.
        size: Pixels of a side, or (height, width).
        colour: RGB images instead of grey ones.
        seed: Another seed, other faces.
        test_fraction: The share of the images in the split `test`, 0 for none; the others are in `train`.

        class_names: The seven classes in label order; alphabetical if left out.

    Raises:
        DataError: An argument is out of range, or the class names are not the seven.
    """

    def __init__(
        self,
        count: int,
        *,
        size: int | tuple[int, int] = 48,
        colour: bool = False,
        seed: int = 0,
        test_fraction: float = 0.2,
        class_names: Sequence[str] | None = None,
    ) -> None:
        """List the samples; nothing is drawn before `read`."""
        height, width = (size, size) if isinstance(size, int) else size
        if count < 1:
            raise DataError(f"count must be at least 1, got {count}")
        if min(height, width) < 8:
            raise DataError(f"size must be at least 8 pixels each way, got {size}")
        if seed < 0:
            raise DataError(f"seed must be at least 0, got {seed}")
        if not 0 <= test_fraction < 1:
            raise DataError(f"test_fraction must be at least 0 and below 1, got {test_fraction}")
        self.class_names = order_classes(CLASS_NAMES, class_names, "the drawn faces")
        self.skipped: tuple[tuple[str, str], ...] = ()
        self.left_out: tuple[LeftOut, ...] = ()
        self._size = (int(height), int(width))
        self._colour, self._seed = colour, seed
        label_of = {class_key(name): label for label, name in enumerate(self.class_names)}
        # the expression of image i never depends on the order of the classes
        labels = np.array([label_of[class_key(CLASS_NAMES[i % len(CLASS_NAMES)])] for i in range(count)])
        held = set(stratified_split(labels, test_fraction, seed)[1].tolist()) if test_fraction else set()
        self._indices = {f"drawn/{self.class_names[label]}/{i}": i for i, label in enumerate(labels)}
        every = [Sample(name, int(labels[i]), "test" if i in held else "train") for name, i in self._indices.items()]
        self.samples = tuple(sorted(every, key=lambda sample: sample.split == "test"))

    def read(self, sample: Sample) -> NDArray[np.uint8]:
        """Draw one face: uint8, (height, width) or (height, width, 3) RGB; `DataError` if it is another source's."""
        index = self._indices.get(sample.name)
        if index is None:
            raise DataError(f"{sample.name}: not one of the {len(self._indices)} drawn faces")
        dice = Dice((self._seed, index))
        actions = act(CLASS_NAMES[index % len(CLASS_NAMES)], dice)
        height, width = self._size
        # drawn large and shrunk: a line then darkens each pixel by the part of it that it covers
        factor = max(1, math.ceil(DRAWING_SIZE / min(height, width)))
        large = (height * factor, width * factor)
        canvas = Canvas(_view(large, dice), colour=self._colour)
        image = np.empty((*large, 3) if self._colour else large, np.uint8)
        _fill_background(image, canvas, dice)
        draw_face(canvas, Looks.of(dice), actions, dice)
        canvas.draw(image)
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        return _photograph(np.asarray(small, np.uint8), dice)


def _view(size: tuple[int, int], dice: Dice) -> View:
    height, width = size
    side = min(size)
    return View(
        x=width * 0.5 + side * dice.near(0.04),
        y=height * 0.5 + side * dice.near(0.04),
        scale=side * dice.between(0.45, 0.54),
        roll=dice.near(0.16),
        yaw=dice.near(0.2),
        pitch=dice.near(0.1),
        perspective=(dice.near(0.08), dice.near(0.08)),
    )


def _fill_background(image: NDArray[np.uint8], canvas: Canvas, dice: Dice) -> None:
    def some_colour() -> Colour:
        light = dice.between(0, 200)
        return (light + dice.between(0, 55), light + dice.between(0, 55), light + dice.between(0, 55))

    image[:] = canvas.ink(some_colour())[: image.shape[2] if image.ndim == 3 else 1]
    height, width = image.shape[:2]
    for _ in range(int(dice.between(0, 4))):
        corner = (int(dice.between(-0.3, 1) * width), int(dice.between(-0.3, 1) * height))
        other = (corner[0] + int(dice.between(0.1, 0.7) * width), corner[1] + int(dice.between(0.1, 1) * height))
        cv2.rectangle(image, corner, other, canvas.ink(some_colour()), cv2.FILLED)


def _photograph(image: NDArray[np.uint8], dice: Dice) -> NDArray[np.uint8]:
    # light from one side, exposure, blur, noise, and now and then a negative
    height, width = image.shape[:2]
    side, above = dice.near(0.5), dice.near(0.4)
    rows = np.linspace(-above, above, height, dtype=np.float32)[:, None]
    light = np.linspace(-side, side, width, dtype=np.float32) + rows + np.float32(dice.between(0.8, 1.15))
    lit = image.astype(np.float32) * (
        np.maximum(light, 0.15) if image.ndim == 2 else np.maximum(light, 0.15)[..., None]
    )
    lit += np.float32(dice.near(25))
    if dice.chance(0.5):
        # in proportion to the image, so that a large one is as blurred as a small one
        lit = cv2.GaussianBlur(lit, (0, 0), dice.between(0.3, 0.7) * min(height, width) / 48)
    lit += dice.rng.standard_normal(lit.shape, np.float32) * np.float32(dice.between(1, 9))
    if dice.chance(0.05):
        lit = 255 - lit
    return np.asarray(np.clip(lit, 0, 255), np.uint8)
