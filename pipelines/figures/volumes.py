"""A stack of layers as volumes: the faces show the size of the feature maps, the thickness their number.

Layers that give maps of one size touch each other; the pool that halves them comes last. What neither changes sizes nor
mixes channels, such as normalisation, is left to the table.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Polygon

from pipelines.architecture import TIMES, LayerRow, by
from pipelines.figures.layer_colours import colour_of, family_of
from pipelines.figures.sizing import shortened, text_width

# all lengths are in inches
TALLEST = 1.3
SMALLEST = 0.13
MOST_THICK = 2.2  # of a block
SLANT = 0.34  # of a face, how far its volume reaches to the right and up
BAR = 0.09  # thickness of what is no maps
GAP = 0.3
LINE = 0.14
TEXT = 7.5  # points
MOST_COUNTS = 3  # of channels in one block, that are written below
EDGE = "#404040"
WORDS = {
    "Conv2D": "conv", "DepthwiseConv2D": "depthwise conv", "SeparableConv2D": "separable conv",
    "MaxPooling2D": "max pool", "AveragePooling2D": "average pool", "GlobalMaxPooling2D": "global max pool",
    "GlobalAveragePooling2D": "global average pool", "Dense": "dense", "Input": "input",
}  # fmt: skip

Block: TypeAlias = list[LayerRow]


def blocks_of(rows: Sequence[LayerRow]) -> list[Block]:
    """What is drawn of a chain, its input first; what touches is together."""
    blocks: list[Block] = []
    for row in rows:
        family = family_of(row.kind)
        if family not in {"input", "convolution", "pooling", "dense"}:
            continue
        if family in {"convolution", "pooling"} and len(row.shape) == 3 and blocks:
            last = blocks[-1][-1]
            touches = family == "pooling" or row.shape[:2] == last.shape[:2]
            if family_of(last.kind) == "convolution" and touches:
                blocks[-1].append(row)
                continue
        blocks.append([row])
    return blocks


class Volumes:
    """The drawing of a chain, in as many lines as fit into a width.

    Args:
        rows: of the chain, its input first.
        width: of the drawing.

    Attributes:
        width: what is needed, at most the width given unless one block is wider.
        height: what is needed.
    """

    def __init__(self, rows: Sequence[LayerRow], width: float) -> None:
        blocks = [_Drawn(block, _side(rows)) for block in blocks_of(rows)]
        self._lines: list[list[_Drawn]] = [[]]
        for block in blocks:
            if self._lines[-1] and sum(other.width for other in [*self._lines[-1], block]) > width:
                self._lines.append([])
            self._lines[-1].append(block)
        self.width = max(sum(block.width for block in line) for line in self._lines)
        self.height = sum(_height(line) for line in self._lines)

    def draw(self, axes: Axes, left: float, top: float) -> None:
        """Draw into axes whose unit is an inch, from `left` to the right and from `top` downward."""
        for line in self._lines:
            x = left
            above = max(len(block.above) for block in line) * LINE
            middle = top - above - max(block.tall for block in line) / 2 - 0.06
            for number, block in enumerate(line):
                block.draw(axes, x, middle)
                if number < len(line) - 1:
                    _draw_arrow(axes, x + block.right, x + block.width + line[number + 1].left, middle)
                elif line is not self._lines[-1]:  # to the next line
                    _draw_arrow(axes, x + block.right, x + block.right + 0.5, middle)
                x += block.width
            top -= _height(line)


class _Drawn:
    """A block with its measures."""

    def __init__(self, block: Block, side: float) -> None:
        self.block = block
        self.faces = [_face(row, side) for row in block]
        thick = [_thickness(row) for row in block]
        scale = min(1.0, MOST_THICK / sum(thick))
        self.thick = [value * scale for value in thick]
        self.above = _what_it_does(block)
        self.below = _what_it_gives(block)
        deep = max(width * SLANT for width, _ in self.faces)
        body = sum(self.thick) + deep
        words = max(text_width(line, TEXT) for line in [*self.above, self.below])
        self.width = max(body, words) + GAP
        self.start = (self.width - sum(self.thick)) / 2
        self.left = self.start - self.faces[0][0] * SLANT / 2  # where an arrow meets the first face
        self.right = self.start + sum(self.thick)
        self.tall = max(height + width * SLANT for width, height in self.faces)

    def draw(self, axes: Axes, x: float, middle: float) -> None:
        """Draw it in a place that begins at `x`, around the height `middle`."""
        at = x + self.start
        for row, (width, height), thick in zip(self.block, self.faces, self.thick, strict=True):
            _draw_volume(axes, at, middle, thick, width * SLANT, height, colour_of(row.kind))
            at += thick
        centre = x + self.width / 2
        for number, line in enumerate(reversed(self.above)):
            height = middle + self.tall / 2 + 0.06 + number * LINE
            axes.text(centre, height, line, ha="center", va="bottom", fontsize=TEXT, parse_math=False)
        bottom = middle - self.tall / 2 - 0.05
        axes.text(centre, bottom, self.below, ha="center", va="top", fontsize=TEXT, weight="bold", parse_math=False)


def _draw_volume(axes: Axes, x: float, middle: float, thick: float, slant: float, height: float, colour: str) -> None:
    """A box seen from the right and above, whose middle plane begins at `x`."""
    left, bottom = x - slant / 2, middle - (height + slant) / 2
    right, top = left + thick, bottom + height
    faces = [
        ([(left, bottom), (right, bottom), (right, top), (left, top)], 1.0),
        ([(left, top), (right, top), (right + slant, top + slant), (left + slant, top + slant)], 1.12),
        ([(right, bottom), (right + slant, bottom + slant), (right + slant, top + slant), (right, top)], 0.82),
    ]
    for corners, light in faces:
        shade = tuple(min(1.0, part * light) for part in to_rgb(colour))
        axes.add_patch(Polygon(corners, closed=True, facecolor=shade, edgecolor=EDGE, linewidth=0.5, joinstyle="round"))


def _draw_arrow(axes: Axes, start: float, end: float, height: float) -> None:
    arrow = {"arrowstyle": "-|>", "color": EDGE, "lw": 0.8, "shrinkA": 0, "shrinkB": 0.5}
    axes.annotate("", (end, height), (start, height), arrowprops=arrow)


def _height(line: Sequence[_Drawn]) -> float:
    return max(len(block.above) for block in line) * LINE + max(block.tall for block in line) + LINE + 0.25


def _side(rows: Sequence[LayerRow]) -> float:
    """Pixels of the longest side of any maps; 1 if there are none."""
    return max((size or 1 for row in rows if len(row.shape) == 3 for size in row.shape[:2]), default=1)


def _face(row: LayerRow, side: float) -> tuple[float, float]:
    """Width and height of a row's maps, as roots, so that small ones are still seen; a bar for a vector."""
    if len(row.shape) == 3:
        height, width = (max(SMALLEST, TALLEST * math.sqrt((size or 1) / side)) for size in row.shape[:2])
        return width, height
    return 0.2, min(TALLEST, 0.2 + 0.09 * math.log2((row.shape[-1] if row.shape else 1) or 1))


def _thickness(row: LayerRow) -> float:
    if len(row.shape) == 3:
        return max(0.05, 0.032 * math.log2((row.shape[2] or 1) + 1))
    return BAR


def _what_it_gives(block: Block) -> str:
    """The size of a block's maps; where it is a pool that ends the block, of those before."""
    rows = [row for row in block if family_of(row.kind) != "pooling"] or block
    size = rows[-1].size
    channels = list(dict.fromkeys(row.shape[-1] for row in rows))
    if 1 < len(channels) <= MOST_COUNTS:
        size = by([*rows[-1].shape[:-1], channels[0]]) + "".join(f", {count}" for count in channels[1:])
    return size


def _what_it_does(block: Block) -> list[str]:
    """Lines of words for the layers of a block."""
    words: list[str] = []
    for row in block:
        word = WORDS.get(row.kind, row.kind)
        if row.kernel:
            word += f" {by(row.kernel)}"
        if family_of(row.kind) == "convolution" and row.strides not in {None, (1, 1)}:
            assert row.strides is not None
            word += f" / {row.strides[0]}" if row.strides[0] == row.strides[1] else f" / {row.strides}"
        words.append(word)
    return [shortened(f"{count} {TIMES} {word}" if count > 1 else word, 40) for word, count in Counter(words).items()]
