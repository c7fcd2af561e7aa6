"""What the layers of a network have learned to look for, and what they find in an image."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from pipelines.architecture import by
from pipelines.figures.sizing import shortened, text_width
from scratchnet.arrays import FloatArray

# lengths in inches, sizes of text in points
TILE = 0.62
APART = 0.06
MAP = 0.8
MOST_FILTERS = 64
MOST_MAPS = 8
TEXT = 8.0


class LayerMaps(NamedTuple):
    """What a layer makes of one image.

    Attributes:
        name: the layer's.
        maps: (height, width, channels).
    """

    name: str
    maps: FloatArray


def draw_filters(kernel: FloatArray, layer: str) -> Figure:
    """Draw the filters of a convolution as tiles.

    Those over one channel are drawn in blue for negative and red for positive weights, on one scale; those over three
    as the colours that they answer to, grey being zero, each scaled for itself; over other numbers of channels, their
    mean over these.

    Args:
        kernel: (height, width, channels, filters).
        layer: its name.
    """
    shown = kernel[..., :MOST_FILTERS]
    height, width, channels, count = shown.shape
    columns = min(count, 16 if count > 32 else 8)
    rows = -(-count // columns)
    of = f"{count} of {kernel.shape[3]}" if count < kernel.shape[3] else f"{count}"
    title = f"{of} filters {by((height, width))} of {shortened(layer, 40)}, {_channels(channels)}"
    bar = 0.2 if channels == 3 else 0.95
    across, down = columns * (TILE + APART), rows * (TILE * height / width + APART)
    size = (max(0.15 + across + bar, text_width(title, 10) + 0.3), down + 0.55)
    figure = Figure(figsize=size)
    figure.suptitle(title, fontsize=10, y=1 - 0.12 / size[1], va="top")
    grid = figure.add_gridspec(
        rows, columns, left=0.15 / size[0], right=(0.15 + across) / size[0], bottom=0.12 / size[1],
        top=(0.12 + down) / size[1], wspace=APART / TILE, hspace=APART / (TILE * height / width),
    )  # fmt: skip
    panels = grid.subplots(squeeze=False)
    drawn = shown if channels in {1, 3} else shown.mean(axis=2, keepdims=True)
    limit = _largest(drawn)
    image: Any = None
    for number, axes in enumerate(panels.flat):
        _bare(axes)
        if number >= count:
            axes.set_axis_off()
        elif channels == 3:
            tile = drawn[..., number]
            axes.imshow(np.clip(0.5 + tile / (2 * _largest(tile)), 0, 1))
        else:
            image = axes.imshow(drawn[:, :, 0, number], cmap="RdBu_r", vmin=-limit, vmax=limit)
    if image is not None:
        place = ((0.3 + across) / size[0], 0.12 / size[1], 0.13 / size[0], (down - APART) / size[1])
        scale = figure.colorbar(image, cax=figure.add_axes(place))
        scale.ax.tick_params(labelsize=TEXT)
        scale.locator = MaxNLocator(5)
        scale.update_ticks()
    return figure


def _largest(weights: FloatArray) -> float:
    """The largest absolute value; 1 where there is none but 0 or what is no number."""
    return float(np.abs(weights[np.isfinite(weights)]).max(initial=0.0)) or 1.0


def _channels(channels: int) -> str:
    if channels == 1:
        return "over one channel"
    return f"over {channels} channels" if channels == 3 else f"mean over {channels} channels"


def draw_feature_maps(image: NDArray[np.uint8], layers: Sequence[LayerMaps], title: str = "") -> Figure:
    """Draw what each of some layers makes of an image: of each the maps that vary most over the image.

    Args:
        image: (height, width, 1 or 3), what the network sees.
        layers: from the first to the last; the maps of one layer have one scale.
        title: above everything.
    """
    names = [f"{shortened(layer.name, 32)}\n{by(layer.maps.shape)}" for layer in layers]
    margin = max(text_width(line, TEXT) for name in names for line in name.split("\n")) + 0.2
    columns = max(min(layer.maps.shape[2], MOST_MAPS) for layer in layers)
    aspect = image.shape[0] / image.shape[1]
    across, down = margin + columns * MAP, (len(layers) + 1) * MAP * aspect
    figure = Figure(figsize=(across + 0.2, down + 0.5))
    grid = figure.add_gridspec(
        len(layers) + 1, columns, left=margin / (across + 0.2), right=1 - 0.1 / (across + 0.2),
        bottom=0.1 / (down + 0.5), top=1 - 0.4 / (down + 0.5), wspace=0.05, hspace=0.05,
    )  # fmt: skip
    figure.suptitle(title, fontsize=10, y=1 - 0.12 / (down + 0.5), va="top")
    axes = figure.add_subplot(grid[0, 0])
    _bare(axes)
    show_image(axes, image)
    _name(axes, f"image\n{by(image.shape)}")
    for row, (layer, name) in enumerate(zip(layers, names, strict=True), 1):
        finite = layer.maps[np.isfinite(layer.maps)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        for column, channel in enumerate(_liveliest(layer.maps, columns)):
            axes = figure.add_subplot(grid[row, column])
            _bare(axes)
            drawn = layer.maps[:, :, channel]
            axes.imshow(drawn, cmap="viridis", vmin=low, vmax=high, aspect="auto", interpolation="nearest")
            if column == 0:
                _name(axes, name)
    return figure


def _liveliest(maps: FloatArray, count: int) -> list[int]:
    """The channels that vary most over the image, the most first."""
    spread = maps.std(axis=(0, 1), dtype=np.float64)
    return [int(channel) for channel in np.argsort(-spread, kind="stable")[:count]]


def show_image(axes: Axes, image: NDArray[np.uint8]) -> None:
    """Draw an image as the network sees it, grey or in colour."""
    shown = image[:, :, 0] if image.shape[2] == 1 else image
    axes.imshow(shown, cmap="gray", vmin=0, vmax=255, aspect="auto")


def _name(axes: Axes, text: str) -> None:
    axes.set_ylabel(text, rotation=0, ha="right", va="center", fontsize=TEXT, parse_math=False)


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
