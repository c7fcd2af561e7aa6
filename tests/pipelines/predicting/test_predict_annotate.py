"""Annotated copies can be read at any size, and take the place of no file that is not theirs."""

from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipelines.figures.colours import class_colours
from pipelines.movies.detectors import Face
from pipelines.predicting.annotate import LEAST_SIDE, annotate
from pipelines.predicting.copies import Copies
from pipelines.predicting.prediction import FacePrediction, Prediction

NAMES = ("happy", "sad", "快乐", "a name of a class that is much longer than any image is wide, and then some")


def probabilities(best: int) -> dict[str, float]:
    return {name: 0.7 if label == best else 0.1 for label, name in enumerate(NAMES)}


def colour(label: int) -> list[int]:
    return [round(255 * value) for value in class_colours(len(NAMES))[label][:3]]


def count(image: np.ndarray, rgb: list[int]) -> int:
    return int((image == np.array(rgb, np.uint8)).all(axis=2).sum())


@pytest.mark.parametrize("size", [(48, 48), (400, 500), (3000, 4000)])
def test_a_box_is_drawn_around_the_face_in_the_colour_of_its_class_at_any_size(size: tuple[int, int]) -> None:
    height, width = size
    face = Face(width // 4, height // 4, width // 2, height // 2, 1.0, 1.0)
    pixels = np.full((*size, 3), 200, np.uint8)
    drawn = annotate(pixels, Prediction("x", faces=(FacePrediction(face, probabilities(1)),)), NAMES)
    scale = max(1.0, LEAST_SIDE / max(size))
    assert drawn.shape == (round(height * scale), round(width * scale), 3)
    assert (pixels == 200).all(), "what came in stays as it is"
    middle_row, middle_column = drawn.shape[0] // 2, drawn.shape[1] // 2
    for row, column in (
        (middle_row, round(face.x * scale)),
        (middle_row, round((face.x + face.width) * scale) - 1),
        (round((face.y + face.height) * scale) - 1, middle_column),
    ):
        assert drawn[row, column].tolist() == colour(1)
    # the label stands above the box, as high as letters that can be read
    label = (drawn[: round(face.y * scale)] == np.array(colour(1), np.uint8)).all(axis=2)
    assert np.flatnonzero(label.any(axis=1)).size >= 14
    assert (drawn[middle_row - 5 : middle_row + 5, middle_column - 5 : middle_column + 5] == 200).all()


@pytest.mark.parametrize("size", [(48, 48), (30, 900), (900, 9), (1, 1)])
@pytest.mark.parametrize("best", range(4))
def test_a_whole_image_lies_unhidden_below_a_strip_of_its_colour(size: tuple[int, int], best: int) -> None:
    pixels = np.full(size, 77, np.uint8)
    drawn = annotate(pixels, Prediction("x", probabilities(best)), NAMES)
    scale = max(1.0, LEAST_SIDE / max(size))
    shown = max(1, round(size[0] * scale)) * max(1, round(size[1] * scale))
    assert shown - 40 <= count(drawn, [77, 77, 77]) <= shown + 40  # letters have grey edges
    strip = drawn[: drawn.shape[0] - round(size[0] * scale) - 2]
    assert count(strip, colour(best)) > 0.5 * strip.shape[0] * strip.shape[1]
    assert drawn[0, 0].tolist() == drawn[-1, -1].tolist() == colour(best)


def test_an_image_without_a_face_says_so() -> None:
    pixels = np.full((100, 400, 3), 200, np.uint8)
    drawn = annotate(pixels, Prediction("x", faces=()), NAMES)
    assert drawn.shape[0] > 100
    assert drawn.shape[1] > 400
    assert count(drawn, [200, 200, 200]) >= 100 * 400


def test_labels_of_neighbours_do_not_cover_each_other() -> None:
    faces = tuple(
        FacePrediction(Face(x, 100, 40, 40, 1.0, 1.0), probabilities(label)) for x, label in ((100, 0), (145, 1))
    )
    drawn = annotate(np.full((300, 400, 3), 200, np.uint8), Prediction("x", faces=faces), NAMES)
    assert min(count(drawn, colour(label)) for label in (0, 1)) > 600


@given(
    st.integers(1, 60), st.integers(1, 60), st.lists(st.tuples(*[st.integers(-80, 80)] * 2, *[st.integers(1, 90)] * 2)),
    st.integers(0, 3),
)  # fmt: skip
def test_boxes_anywhere_are_drawn_without_harm(
    height: int, width: int, boxes: list[tuple[int, int, int, int]], best: int
) -> None:
    faces = tuple(FacePrediction(Face(*box, 1.0, 1.0), probabilities(best)) for box in boxes)
    drawn = annotate(np.zeros((height, width), np.uint8), Prediction("x", faces=faces), NAMES)
    assert drawn.dtype == np.uint8
    assert drawn.shape[2] == 3


def test_copies_keep_name_and_folder_and_can_be_read_by_any_program(tmp_path: Path) -> None:
    copies = Copies(tmp_path / "marked")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    for place, expected in (
        ("faces/a.png", "faces/a.png"), ("faces/a.JPG", "faces/a.JPG"), ("faces/a.bmp", "faces/a.bmp.png"),
        ("faces/a.bmp.png", "faces/a.bmp (2).png"), ("faces/none", "faces/none.png"),
        ("FACES/A.png", "FACES/A (2).png"), ("b/a.png", "b/a.png"),
    ):  # fmt: skip
        path = copies.write(PurePosixPath(place), pixels)
        assert path == tmp_path / "marked" / expected
        with Image.open(path) as picture:
            assert picture.format == ("JPEG" if path.suffix == ".JPG" else "PNG")
        if path.suffix == ".png":
            np.testing.assert_array_equal(cv2.imread(str(path))[..., ::-1], pixels)
    assert not list((tmp_path / "marked").rglob(".*")), "nothing temporary is left"


def test_copies_of_an_earlier_time_are_replaced_and_other_files_are_not(tmp_path: Path) -> None:
    dark, light = np.zeros((9, 9, 3), np.uint8), np.full((9, 9, 3), 255, np.uint8)
    theirs = dict.fromkeys(("own.png", "own.jpg", "text.png"), b"")
    cv2.imwrite(str(tmp_path / "own.png"), np.full((4, 4), 3, np.uint8))
    cv2.imwrite(str(tmp_path / "own.jpg"), np.full((4, 4), 3, np.uint8))
    (tmp_path / "text.png").write_text("no picture")
    theirs = {name: (tmp_path / name).read_bytes() for name in theirs}
    for pixels in (dark, light):
        copies = Copies(tmp_path)
        for name in (*theirs, "new.png", "new.jpg"):
            copies.write(PurePosixPath(name), pixels)
    assert {name: (tmp_path / name).read_bytes() for name in theirs} == theirs
    names = {path.name for path in tmp_path.iterdir()} - theirs.keys()
    assert names == {"own (2).png", "own (2).jpg", "text (2).png", "new.png", "new.jpg"}
    assert all(cv2.imread(str(tmp_path / name)).min() > 250 for name in names), "the second time replaced the first"


def test_names_as_long_as_a_file_system_takes_are_cut(tmp_path: Path) -> None:
    copies = Copies(tmp_path)
    for name in ("é" * 125 + ".png", "é" * 125 + ".jpg", "é" * 126 + "x.png"):
        path = copies.write(PurePosixPath(name), np.zeros((3, 3, 3), np.uint8))
        assert path.exists()
        assert path.suffix == PurePosixPath(name).suffix
    assert len(list(tmp_path.iterdir())) == 3


def test_a_copy_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Image.Image, path: Path, *arguments: object, **options: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="No space left"):
        Copies(tmp_path / "marked").write(PurePosixPath("a.png"), np.zeros((3, 3, 3), np.uint8))
    assert list((tmp_path / "marked").iterdir()) == []
