"""How figures are written: without a display, and whole or not at all."""

import warnings
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from pipelines.figures.fonts import choose_fonts
from pipelines.files import write_whole

DPI = 150
# stands in each picture that the program draws, so that it is known again
SOFTWARE = "scratchnet"


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG or SVG, as the extension says, whole or not at all; the same figure, the same bytes."""
    FigureCanvasAgg(figure)
    choose_fonts(figure)
    about = {"Creator": SOFTWARE, "Date": None} if path.suffix == ".svg" else {"Software": SOFTWARE}
    with matplotlib.rc_context({"svg.hashsalt": SOFTWARE}), warnings.catch_warnings():
        # letters that no installed font has are drawn as boxes, and a name of a class is no reason to alarm anyone
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        write_whole(path, lambda temporary: figure.savefig(temporary, dpi=DPI, metadata=about))


def remove_figures(folder: Path) -> None:
    """Delete the figures in a folder that `save_figure` drew, and no other files; the folder need not exist."""
    for path in folder.glob("*.png"):
        if is_own(path):
            path.unlink()


def is_own(path: Path) -> bool:
    """Whether a file is a PNG or JPEG that the program drew."""
    try:
        with Image.open(path) as picture:
            return bool(picture.info.get("Software") == SOFTWARE or picture.info.get("comment") == SOFTWARE.encode())
    except (OSError, Image.DecompressionBombError):  # no picture at all, for example
        return False
