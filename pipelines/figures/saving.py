"""How figures are written: without a display, and whole or not at all."""

import warnings
from io import BytesIO
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from pipelines.figures.fonts import choose_fonts
from pipelines.files import write_whole
from pipelines.reading import open_regular

DPI = 150
# stands in each picture that the program draws, so that it is known again
SOFTWARE = "scratchnet"


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG or SVG, as the extension says, whole or not at all; the same figure, the same bytes."""
    write_whole(path, lambda temporary: draw_figure(figure, temporary, path.suffix.removeprefix(".")))


def draw_figure(figure: Figure, target: Path | BytesIO, kind: str, dpi: int = DPI) -> None:
    """Draw a figure into a file or into memory.

    Args:
        figure: not drawn yet.
        target: what is filled.
        kind: `png` or `svg`.
        dpi: dots per inch of a PNG.
    """
    FigureCanvasAgg(figure)
    choose_fonts(figure)
    about = {"Creator": SOFTWARE, "Date": None} if kind == "svg" else {"Software": SOFTWARE}
    with warnings.catch_warnings(), matplotlib.rc_context({"svg.hashsalt": SOFTWARE}):
        # letters that no installed font has are drawn as boxes, and a name of a class is no reason to alarm anyone
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        figure.savefig(target, format=kind, dpi=dpi, metadata=about)


def remove_figures(folder: Path) -> None:
    """Delete the figures in a folder that `save_figure` drew, and no other files; the folder need not exist."""
    for path in folder.glob("*.png"):
        if is_own(path):
            path.unlink()


def is_own(path: Path) -> bool:
    """Whether a file is a PNG or JPEG that the program drew."""
    try:
        with open_regular(path) as file, Image.open(file) as picture:
            return bool(picture.info.get("Software") == SOFTWARE or picture.info.get("comment") == SOFTWARE.encode())
    except (OSError, Image.DecompressionBombError):  # no picture at all, for example
        return False
