"""How figures are written: without a display, and whole or not at all."""

from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from pipelines.files import write_whole

DPI = 150
# stands in each figure, so that it is known again
_SOFTWARE = "scratchnet"


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG or SVG, as the extension says, whole or not at all; the same figure, the same bytes."""
    FigureCanvasAgg(figure)
    about = {"Creator": _SOFTWARE, "Date": None} if path.suffix == ".svg" else {"Software": _SOFTWARE}
    with matplotlib.rc_context({"svg.hashsalt": _SOFTWARE}):
        write_whole(path, lambda temporary: figure.savefig(temporary, dpi=DPI, metadata=about))


def remove_figures(folder: Path) -> None:
    """Delete the figures in a folder that `save_figure` drew, and no other files; the folder need not exist."""
    for path in folder.glob("*.png"):
        if _is_own(path):
            path.unlink()


def _is_own(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            return bool(picture.info.get("Software") == _SOFTWARE)
    except (OSError, Image.DecompressionBombError):  # no picture at all, for example
        return False
