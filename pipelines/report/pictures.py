"""Figures as part of the page: nothing is loaded from elsewhere."""

import base64
import io
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from pipelines.figures.saving import DPI, draw_figure
from pipelines.reading import read_file
from pipelines.report.blocks import Picture

# CSS pixels of an inch of a figure: its writing of 8 to 10 points then has the size of small print
PIXELS_PER_INCH = 92
# of photographs: enough for a sharp print, and for a screen of two pixels to one
PHOTOGRAPH_DPI = 160


def embed(figure: Figure, alt: str, caption: str, *, photographs: bool = False) -> Picture:
    """Put a figure into a `data:` address, the same bytes each time.

    Args:
        figure: not drawn yet.
        alt: what it shows, for those who cannot see it.
        caption: below it.
        photographs: whether it is made of images, which are smaller as PNG than as SVG.
    """
    stream, kind = io.BytesIO(), "png" if photographs else "svg"
    draw_figure(figure, stream, kind, PHOTOGRAPH_DPI)
    width, height = (round(PIXELS_PER_INCH * inches) for inches in figure.get_size_inches())
    uri = _uri("png" if photographs else "svg+xml", stream.getvalue())
    return Picture(uri, alt, caption, width, height)


def embed_file(path: Path, alt: str, caption: str) -> Picture:
    """Put a PNG that `save_figure` wrote into a `data:` address; arguments as of `embed`."""
    content = read_file(path)
    with Image.open(io.BytesIO(content)) as image:
        width, height = (round(PIXELS_PER_INCH * pixels / DPI) for pixels in image.size)
    return Picture(_uri("png", content), alt, caption, width, height)


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
