"""How much room text takes, for figures whose size follows from what they hold."""

from functools import lru_cache

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

POINTS = 72  # in an inch


@lru_cache(maxsize=8192)
def text_width(text: str, size: float, bold: bool = False) -> float:
    """The width of a line of text.

    Args:
        text: one line.
        size: of the font, in points.
        bold: whether it is bold.

    Returns:
        Inches.
    """
    if not text.strip():
        return 0.0
    font = FontProperties(weight="bold" if bold else "normal")
    return float(TextPath((0, 0), text.replace("$", r"\$"), size=size, prop=font).get_extents().x1) / POINTS


def shortened(text: str, most: int) -> str:
    """A text of at most so many characters, with an ellipsis in its middle if it is longer."""
    if len(text) <= most:
        return text
    return f"{text[: most // 2 - 1]}…{text[-(most - most // 2) :]}"
