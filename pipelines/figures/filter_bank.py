"""The first filters of a feature extractor, and what each of them answers to in some images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipelines.figures.filters import show_image
from pipelines.figures.sizing import text_width
from scratchnet.arrays import FloatArray

# lengths in inches, sizes of text in points
TILE = 0.5
MAP = 0.72
APART = 0.06
TEXT = 8.0
TITLE = 10.0
MARGIN = 0.12
MOST_IMAGES = 6
FULL_COLOUR = 0.995  # of a filter's answers within the pictures are weaker than the fullest colour
BLOCKS = 2  # filters stand in two columns


def draw_filter_bank(
    names: Sequence[str], kernels: FloatArray, images: NDArray[np.uint8], title: str = "The first filters"
) -> Figure:
    """Draw each filter, and behind it what it makes of some images before the ReLU.

    Weights and answers are blue below zero and red above; white is zero. Each filter and each row of answers has a
    scale of its own, so rows show where a filter answers, not how much more than another; the outermost pixels, where
    it also sees the zeros around an image, have no say in it. Answers are those of the network, to all channels. Of
    weights over several channels, the mean is drawn, and the title says so.

    Args:
        names: of the filters.
        kernels: (3, 3, channels, filters).
        images: (n, height, width, 1 or 3), of which the first six are shown.
        title: above everything.

    Raises:
        ValueError: there are no images, or other numbers of names or channels than the filters have.
    """
    if len(names) != kernels.shape[3] or not len(images):
        raise ValueError(f"got {len(names)} names for {kernels.shape[3]} filters, and {len(images)} images")
    if images.shape[3] != kernels.shape[2]:
        raise ValueError(f"channels of filters and images differ: {kernels.shape[2]} and {images.shape[3]}")
    if kernels.shape[2] > 1:
        title += f" (weights: the mean over {kernels.shape[2]} channels)"
    shown = images[:MOST_IMAGES]
    answers = _answers(shown, kernels)
    # answers to the step from the picture to the zeros around it would outshine all others
    inner = answers[:, 1:-1, 1:-1] if min(answers.shape[1:3]) > 2 else answers
    rows = -(-len(names) // BLOCKS)
    label = max(text_width(name, TEXT) for name in names) + 0.15
    aspect = shown.shape[1] / shown.shape[2]
    line = max(TILE, MAP * aspect) + APART
    block = label + TILE + 0.12 + len(shown) * (MAP + APART) + 0.25
    size = (2 * MARGIN + BLOCKS * block - 0.25, 0.45 + (rows + 1) * line + MARGIN)
    figure = Figure(figsize=size)
    figure.suptitle(title, fontsize=TITLE, y=1 - MARGIN / size[1], va="top")

    def place(left: float, row: int, width: float, height: float) -> Axes:
        """Axes in a row, in the middle of its height."""
        bottom = size[1] - 0.45 - (row + 1) * line + (line - APART - height) / 2
        axes: Axes = figure.add_axes((left / size[0], bottom / size[1], width / size[0], height / size[1]))
        axes.set_xticks([])
        axes.set_yticks([])
        return axes

    for column in range(BLOCKS):
        left = MARGIN + column * block
        at = left + label + TILE + 0.12
        for number, image in enumerate(shown):
            axes = place(at + number * (MAP + APART), 0, MAP, MAP * aspect)
            axes.spines[:].set_visible(False)
            show_image(axes, image)
        for row, f in enumerate(range(column * rows, min(len(names), (column + 1) * rows)), 1):
            limit = float(np.quantile(np.abs(inner[..., f]), FULL_COLOUR)) or 1.0
            axes = place(left + label, row, TILE, TILE)
            axes.text(-0.12, 0.5, names[f], ha="right", va="center", fontsize=TEXT, transform=axes.transAxes)
            _tile(axes, kernels[..., f].mean(axis=2))
            for number in range(len(shown)):
                axes = place(at + number * (MAP + APART), row, MAP, MAP * aspect)
                axes.spines[:].set_visible(False)
                _coloured(axes, answers[number, :, :, f], limit)
    return figure


def _answers(images: NDArray[np.uint8], kernels: FloatArray) -> FloatArray:
    """The first convolution before its ReLU, (n, height, width, filters), of pixels from 0 to 1 with zeros around."""
    padded = np.pad(images / 255, ((0, 0), (1, 1), (1, 1), (0, 0)))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    result: FloatArray = np.einsum("nijcab,abcf->nijf", patches, kernels.astype(np.float64), optimize=True)
    return result


def _coloured(axes: Axes, values: FloatArray, limit: float) -> Any:
    return axes.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")


def _tile(axes: Axes, mask: FloatArray) -> None:
    """A filter's weights, on a scale of their own."""
    limit = float(np.abs(mask).max()) or 1.0
    _coloured(axes, mask, limit)
    axes.spines[:].set_linewidth(0.6)
