"""Names in any script and of any length are drawn, and none leaves the picture."""

import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from pipelines.data.augmentation import USUAL
from pipelines.figures import fonts
from pipelines.figures.augmented import Original, draw_augmented
from pipelines.figures.classes import draw_class_bars, draw_class_pies
from pipelines.figures.fonts import choose_fonts, font_file, shorten, text_width, wrap
from pipelines.figures.samples import draw_prediction_samples
from pipelines.figures.saving import is_own, save_figure
from pipelines.figures.sheets import Cell, draw_groups, draw_sheet
from pipelines.figures.text import plain

HARD = (
    "Happiness beyond all measure, as it is seen in the films of that time", "快乐" * 14, "سعيد", "_$x$ and $y",
    "surprise-and-astonishment-unbroken-and-longer", "line\nbreak", "\udcff",
)  # fmt: skip
COUNTS = {part: np.arange(1, 8) * 1_000_000 for part in ("train", "validation", "test")}
IMAGE = np.zeros((8, 8), np.uint8)


FIGURES: dict[str, Callable[[], Figure]] = {
    "bars": lambda: draw_class_bars(HARD, COUNTS),
    "bars of one": lambda: draw_class_bars(HARD[:2], {"all": np.array([0, 9])}),
    "pies": lambda: draw_class_pies(HARD, COUNTS),
    "pie of one": lambda: draw_class_pies(HARD, {"all": np.arange(7)}),
    "copies": lambda: draw_augmented([Original(name, IMAGE, n) for n, name in enumerate(HARD)], USUAL),
    "samples": lambda: draw_prediction_samples(
        [IMAGE] * 7, [(n + 1) % 7 for n in range(7)], range(7), [1.0] * 7, HARD, "t"
    ),
    "one sample": lambda: draw_prediction_samples([IMAGE], [0], [1], [0.5], HARD, "a title longer than the sheet"),
    "sheet": lambda: draw_sheet([("", [Cell(IMAGE)])], f"{HARD[0]}: 1 of 1,000 images"),
    "groups": lambda: draw_groups([[Cell(IMAGE, "train\nsad")]], "Near duplicates: up to 4 of 64 bits differ"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_leaves_the_figure_whatever_the_classes_are_called(name: str, tmp_path: Path) -> None:
    figure = FIGURES[name]()
    save_figure(figure, tmp_path / "x.png")  # warnings are errors here
    assert cv2.imread(str(tmp_path / "x.png")) is not None
    renderer = FigureCanvasAgg(figure).get_renderer()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # not every machine has a font with Chinese letters
        figure.draw(renderer)  # lays everything out anew, in the figure's own resolution
        texts = [
            text
            for text in figure.findobj(Text)
            if text.get_visible() and text.get_text().strip() and (text.axes is None or text.axes.axison)
        ]
        boxes = [text.get_window_extent(renderer) for text in texts]
    assert texts
    for text, box in zip(texts, boxes, strict=True):
        assert box.x0 >= -1, text
        assert box.y0 >= -1, text
        assert box.x1 <= figure.bbox.width + 1, text
        assert box.y1 <= figure.bbox.height + 1, text


@given(st.text(max_size=40), st.integers(1, 30), st.integers(1, 3))
def test_wrapped_text_keeps_to_its_width_and_lines_and_loses_nothing_that_fits(
    text: str, width: int, lines: int
) -> None:
    wrapped = wrap(text.replace("\n", " "), width, lines)
    assert wrapped.count("\n") <= lines - 1
    # a double letter may be wider than a line of one
    assert all(text_width(line) <= max(width, 2) for line in wrapped.split("\n"))
    if text_width(text) <= width and "\n" not in text:
        assert wrapped == text


@pytest.mark.parametrize(
    ("text", "width", "lines", "expected"),
    [
        ("a very long name", 11, 2, "a very long\nname"), ("a very long name", 11, 1, "a very lon…"),
        ("happy-and-glad", 10, 2, "happy-and-\nglad"), ("unbreakable", 6, 2, "unbrea\nkable"),
        ("快乐快乐", 4, 2, "快乐\n快乐"), ("", 3, 2, ""),
    ],
)  # fmt: skip
def test_lines_break_at_gaps_where_there_are_some(text: str, width: int, lines: int, expected: str) -> None:
    assert wrap(text, width, lines) == expected


def test_widths_count_double_letters_twice_and_accents_not() -> None:
    assert [text_width(text) for text in ("abc", "快乐", "e\u0301", "")] == [3, 4, 1, 0]
    assert shorten("abcdef", 4) == "abc…"
    assert shorten("abcd", 4) == "abcd"


def test_a_font_is_chosen_that_has_the_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    usual, other = fonts._USUAL, Path("other.ttf")
    has = {usual: frozenset("abc "), other: frozenset("abc快乐")}
    monkeypatch.setattr(fonts, "_installed", lambda: (other,))
    monkeypatch.setattr(fonts, "_letters", has.__getitem__)
    assert font_file("a b") == usual
    assert font_file("快 a") == other
    assert font_file("快 ß") == usual, "no font has them all"
    monkeypatch.setattr(fonts, "get_font", lambda path: type("Font", (), {"family_name": "Other"}))
    figure = Figure()
    plain, foreign = figure.text(0, 0, "abc"), figure.text(0, 0, "快")
    choose_fonts(figure)
    assert foreign.get_fontfamily() == ["DejaVu Sans", "Other"]
    assert "Other" not in plain.get_fontfamily()


def test_dollars_are_dollars_and_what_cannot_be_printed_is_a_question_mark() -> None:
    assert plain("$x$\t\udcff\n") == "\\$x\\$??\n"


def test_only_what_the_program_drew_is_its_own(tmp_path: Path) -> None:
    save_figure(Figure(), tmp_path / "own.png")
    cv2.imwrite(str(tmp_path / "other.png"), IMAGE)
    (tmp_path / "text.png").write_text("x")
    assert [is_own(tmp_path / f"{name}.png") for name in ("own", "other", "text", "missing")] == [True, *[False] * 3]
