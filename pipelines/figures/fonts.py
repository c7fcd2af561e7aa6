"""Letters of any script in figures: the usual font, and another one that is installed for what it lacks."""

import unicodedata
from functools import cache
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager, get_font
from matplotlib.text import Text

# comes with matplotlib, and has Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew and Arabic letters
_USUAL = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
_USUAL_FAMILY = "DejaVu Sans"
# has a box for every letter and the letter itself for none
_BOXES = "Last Resort"
_PLAIN = {"400", "normal", "regular", "book"}


def text_width(text: str) -> int:
    """How wide a text is, in letters of usual width: Chinese, Japanese and Korean ones count twice, accents not."""
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text
    )


def shorten(text: str, width: int) -> str:
    """The text if it is at most so wide, otherwise its beginning and an ellipsis."""
    if text_width(text) <= width:
        return text
    while text and text_width(text) > width - 1:
        text = text[:-1]
    return text.rstrip() + "…"


def wrap(text: str, width: int, lines: int = 2) -> str:
    """The text in at most so many lines of at most that width, broken at spaces and hyphens where there are some.

    What does not fit ends in an ellipsis.
    """
    result: list[str] = []
    while len(result) < lines - 1 and text_width(text) > width:
        # the longest beginning that fits, back to its last gap
        end = next(end for end in range(len(text), 0, -1) if text_width(text[:end]) <= width or end == 1)
        gaps = [place for place in range(2, end + 1) if text[place : place + 1] == " " or text[place - 1] in "-_"]
        end = gaps[-1] if gaps else end
        result.append(text[:end].rstrip())
        text = text[end:].lstrip()
    return "\n".join([*result, shorten(text, width)])


def font_file(text: str) -> Path:
    """A font that has all letters of the text, the usual one before others; the usual one if none has."""
    letters = frozenset(filter(str.isprintable, text)) - {" "}
    return next((path for path in (_USUAL, *_installed()) if letters <= _letters(path)), _USUAL)


def choose_fonts(figure: Figure) -> None:
    """Have letters that the usual font lacks drawn in others that are installed; the rest are drawn as boxes."""
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    lacking = frozenset(letter for text in texts for letter in text.get_text() if letter.isprintable())
    lacking -= _letters(_USUAL)
    if not lacking:
        return
    families: list[str] = []
    for path in _installed():
        if lacking & _letters(path):
            families.append(get_font(path).family_name)
            lacking -= _letters(path)
        if not lacking:
            break
    for text in texts:
        if families and not set(text.get_text()) <= _letters(_USUAL):
            text.set_fontfamily([_USUAL_FAMILY, *families])


@cache
def _installed() -> tuple[Path, ...]:
    # upright ones of usual weight first
    fonts = sorted(fontManager.ttflist, key=lambda font: (font.style != "normal", str(font.weight) not in _PLAIN))
    return tuple(dict.fromkeys(Path(font.fname) for font in fonts if _BOXES not in font.name))


@cache
def _letters(path: Path) -> frozenset[str]:
    try:
        return frozenset(map(chr, get_font(path).get_charmap()))
    except (OSError, RuntimeError):  # it has been uninstalled, or FreeType cannot read it
        return frozenset()
