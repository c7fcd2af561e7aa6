"""Drawing what a model says onto a copy of the image: a box around each face, or a strip above the whole image."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pipelines.figures.colours import class_colours
from pipelines.figures.fonts import font_file
from pipelines.predicting.prediction import NO_FACE, Prediction, Probabilities, best_class

Colour = tuple[int, int, int]
Saying = tuple[str, str]  # a name, of which the end may be cut, and what always stands behind it
Box = tuple[int, int, int, int]  # left, top, right, bottom; the last two lie outside

# smaller images are enlarged until their longer side has so many pixels, because nobody could read on them
LEAST_SIDE = 320
# height of the letters: this part of the image's shorter side, within bounds
LETTER_PART, SMALLEST_LETTER, LARGEST_LETTER = 0.035, 14, 96
# letters of long names get smaller than that, down to so many pixels; then the name is cut
READABLE = 11
# a strip above a narrow image is wider than the image
LEAST_STRIP = 240
GREY: Colour = (90, 90, 90)


def annotate(pixels: NDArray[np.uint8], prediction: Prediction, class_names: Sequence[str]) -> NDArray[np.uint8]:
    """Draw what is said of an image.

    Where faces were looked for, each has a box in the colour of its class, and beside it the class and its probability;
    an image without a face says so in a strip above it. Otherwise the strip has the class of the whole image, and the
    probabilities of the first three.

    Args:
        pixels: uint8, (height, width) grey or (height, width, 3) RGB; stays as it is.
        prediction: Of this image, which could be read.
        class_names: Of the model, in label order; they decide on the colours.

    Returns:
        uint8 (height, width, 3) RGB; images with less than 320 pixels are enlarged, and strips add to the height.
    """
    palette = class_colours(len(class_names))
    colours: Mapping[str, Colour] = {
        name: (round(255 * red), round(255 * green), round(255 * blue))
        for name, (red, green, blue, _) in zip(class_names, palette, strict=True)
    }
    image, scale = _enlarged(pixels)
    size = min(LARGEST_LETTER, max(SMALLEST_LETTER, round(LETTER_PART * min(image.size))))
    if prediction.faces:
        canvas = _Canvas(image, size)
        boxes = [_scaled(face.face.x, face.face.y, face.face.width, face.face.height, scale)
                 for face in prediction.faces]  # fmt: skip
        for face, box in zip(prediction.faces, boxes, strict=True):
            canvas.frame(box, colours[face.best])
        canvas.avoid(boxes)
        for face, box in zip(prediction.faces, boxes, strict=True):
            canvas.label(box, _sayings(face.probabilities, 1)[0], colours[face.best])
        return np.asarray(image, np.uint8)
    if prediction.probabilities is None:
        return np.asarray(_with_strip(image, [(NO_FACE, "")], GREY, size), np.uint8)
    best = best_class(prediction.probabilities)
    return np.asarray(_with_strip(image, _sayings(prediction.probabilities, 3), colours[best], size), np.uint8)


def _sayings(probabilities: Probabilities, count: int) -> list[Saying]:
    """The most probable classes."""
    ordered = sorted(probabilities.items(), key=lambda entry: -entry[1])[:count]
    return [(_printable(name), f" {value:.0%}") for name, value in ordered]


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _enlarged(pixels: NDArray[np.uint8]) -> tuple[Image.Image, float]:
    rgb = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB), np.uint8) if pixels.ndim == 2 else pixels
    scale = max(1.0, LEAST_SIDE / max(rgb.shape[:2]))
    if scale > 1:
        size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    return Image.fromarray(rgb), scale  # a copy: what came in is not drawn on


def _scaled(x: int, y: int, width: int, height: int, scale: float) -> Box:
    return round(x * scale), round(y * scale), round((x + width) * scale), round((y + height) * scale)


class _Canvas:
    """An image that is drawn on, and what of it is taken."""

    def __init__(self, image: Image.Image, size: int) -> None:
        self._width, self._height = image.size
        self._draw = ImageDraw.Draw(image)
        self._size = size
        self._line = max(2, size // 6)
        self._taken: list[Box] = []

    def avoid(self, boxes: Sequence[Box]) -> None:
        """Labels shall not cover these, if there is room elsewhere."""
        self._taken += boxes

    def frame(self, box: Box, colour: Colour) -> None:
        """Draw a box, with a thin dark line within and without that shows it on any ground."""
        left, top, right, bottom = box
        for grow, width, shade in ((1, self._line + 2, (0, 0, 0)), (0, self._line, colour)):
            corners = [left - grow, top - grow, right - 1 + grow, bottom - 1 + grow]
            if corners[2] >= corners[0] and corners[3] >= corners[1]:
                self._draw.rectangle(corners, outline=shade, width=width)

    def label(self, box: Box, saying: Saying, colour: Colour) -> None:
        """Write beside a box: above it, below it, or within, wherever least is covered, and always inside the image."""
        pad = max(2, self._size // 5)
        text, font = _fitted(saying, self._size, self._width - 2 * pad)
        width = min(self._width, round(font.getlength(text)) + 2 * pad)
        height = _line_height(font) + pad
        left = max(0, min(box[0], self._width - width))
        right = max(0, min(box[2], self._width) - width)
        tops = (box[1] - height, box[3], box[1], box[3] - height)
        places = [
            (x, max(0, min(top, self._height - height)), x + width, max(0, min(top, self._height - height)) + height)
            for top in tops
            for x in (left, right)
        ]
        place = min(places, key=lambda spot: sum(_overlap(spot, other) for other in self._taken))
        self._taken.append(place)
        self._draw.rectangle([place[0], place[1], place[2] - 1, place[3] - 1], fill=colour)
        self._draw.text((place[0] + pad, (place[1] + place[3]) / 2), text, _ink(colour), font, anchor="lm")


def _with_strip(image: Image.Image, sayings: Sequence[Saying], colour: Colour, size: int) -> Image.Image:
    """The image below a strip of text, both in a frame of that colour."""
    pad = max(3, size // 3)
    line = max(2, size // 6)
    width = max(image.width, LEAST_STRIP)
    texts = [_fitted(saying, size, width - 2 * pad) for saying in sayings]
    heights = [_line_height(font) + pad // 3 for _, font in texts]
    strip = sum(heights) + pad
    result = Image.new("RGB", (width + 2 * line, image.height + strip + line), colour)
    result.paste(image, (line + (width - image.width) // 2, strip))
    draw = ImageDraw.Draw(result)
    top = pad / 2
    for (text, font), height in zip(texts, heights, strict=True):
        draw.text((line + pad, top + height / 2), text, _ink(colour), font, anchor="lm")
        top += height
    return result


def _fitted(saying: Saying, size: int, room: int) -> tuple[str, ImageFont.FreeTypeFont]:
    """A text and a font at most so large, smaller if the text would not fit, and cut if it would be too small."""
    name, figure = saying
    path = font_file(name + figure)
    font = _font(path, size)
    width = font.getlength(name + figure)
    if width > room:
        font = _font(path, max(READABLE, int(size * room / width)))
    text = name + figure
    while font.getlength(text) > room and name:
        name = name[:-1]
        text = f"{name.rstrip()}…{figure}"
    return text, font


def _line_height(font: ImageFont.FreeTypeFont) -> int:
    ascent, descent = font.getmetrics()
    return int(ascent + descent)


def _ink(colour: Colour) -> Colour:
    # black or white, whichever contrasts more (relative luminance after WCAG 2)
    red, green, blue = ((value / 255) ** 2.2 for value in colour)
    return (0, 0, 0) if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 else (255, 255, 255)


def _overlap(one: Box, other: Box) -> int:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return max(0, across) * max(0, down)


@cache
def _font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size)
