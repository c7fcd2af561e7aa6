"""A face is cut out as the model's training images were."""

import json
import math
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import UserError
from pipelines.movies.crop import cut_out, cut_square
from pipelines.movies.detectors import Face
from pipelines.movies.drawn_film import DrawnFilm
from pipelines.predicting.faces import FILM, SQUARE, FaceFinder, FaceSearch, crop_of

starts, lengths = st.integers(-60, 90), st.integers(1, 50)


@given(st.builds(Face, starts, starts, lengths, lengths, st.just(1.0), st.just(1.0)), st.floats(0.5, 2))
def test_a_square_is_what_a_reflected_frame_shows_around_the_middle_of_the_face(face: Face, sides: float) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (70, 80, 3)).astype(np.uint8)
    square = cut_square(frame, face, sides)
    side = max(1, round(face.side * sides))
    assert square.shape == (side, side, 3)
    left, top = round(face.middle[0] - side / 2), round(face.middle[1] - side / 2)
    padded = np.pad(frame, ((200, 200), (200, 200), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(square, padded[top + 200 : top + 200 + side, left + 200 : left + 200 + side, ::-1])


def test_the_squares_are_those_of_fer_2013(shared_data: Path) -> None:
    # a FER-2013 image on a wider canvas: the square around the face that is found should be the image again
    finder = FaceFinder(FaceSearch(min_face=96))
    sides, errors = [], []
    with zipfile.ZipFile(shared_data / "fer2013" / "archive.zip") as archive:
        names = [name for name in sorted(archive.namelist()) if name.startswith("test/")][::90]
        for name in names:
            image = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_GRAYSCALE)
            image = cv2.resize(image, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
            canvas = cv2.copyMakeBorder(image, 96, 96, 96, 96, cv2.BORDER_REPLICATE)
            for face, cut in finder(canvas)[:1]:
                sides.append(cut.shape[0] / 192)
                errors.append(max(abs(face.middle[0] - 192), abs(face.middle[1] - 192)) / 192)
    assert len(sides) > 20
    assert 0.95 < float(np.median(sides)) < 1.05
    assert float(np.median(errors)) < 0.06


def test_film_cuts_are_the_pictures_that_extraction_makes() -> None:
    frame = next(iter(DrawnFilm().frames()))
    rgb = np.ascontiguousarray(frame[..., ::-1])
    (face, square), *_ = FaceFinder(FaceSearch())(rgb)
    (same, picture), *_ = FaceFinder(FaceSearch(crop=FILM))(rgb)
    assert same == face
    assert square.shape[0] == square.shape[1] == round(1.03 * face.side)
    np.testing.assert_array_equal(picture, cut_out(frame, face, 0.7))


def test_grey_and_tiny_images_are_searched_too() -> None:
    grey = cv2.cvtColor(next(iter(DrawnFilm().frames())), cv2.COLOR_BGR2GRAY)
    assert len(FaceFinder(FaceSearch())(grey)) >= 1
    assert FaceFinder(FaceSearch())(np.zeros((1, 1), np.uint8)) == []
    assert FaceFinder(FaceSearch())(np.zeros((1, 500, 3), np.uint8)) == []


def test_least_size_and_score_keep_faces_out() -> None:
    rgb = np.ascontiguousarray(next(iter(DrawnFilm().frames()))[..., ::-1])
    assert FaceFinder(FaceSearch(min_face=320))(rgb) == []
    assert FaceFinder(FaceSearch(min_score=1000))(rgb) == []


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_score_that_no_face_can_reach_is_refused(score: float) -> None:
    with pytest.raises(UserError, match="min-score must be a finite number"):
        FaceSearch(min_score=score)


def test_settings_that_cannot_be_are_named(tmp_path: Path) -> None:
    for settings, message in (
        ({"detector": "eyes"}, "detector must be one of haar, yunet, got 'eyes'"),
        ({"crop": "round"}, "crop must be one of square, film, got 'round'"),
        ({"min_face": 0}, "min-face must be at least 1, got 0"),
    ):
        with pytest.raises(UserError, match=message):
            FaceSearch(**settings)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="cannot be read"):
        FaceFinder(FaceSearch(detector="yunet", model=tmp_path / "none.onnx"))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("Happy/Happy_film_00001.png", "Sad/Sad_film_00002.png"), FILM),
        (("happy/1.png", "Sad/Sad_film_00002.png"), SQUARE),
        (("fer2013.csv:17",), SQUARE),
        ((), SQUARE),
    ],
)
def test_a_run_tells_how_its_images_were_cut(tmp_path: Path, names: tuple[str, ...], expected: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"format": "scratchnet run"}))
    rows = "".join(f"{name},c,train\n" for name in names)
    (tmp_path / "split.csv").write_text(f"name,class,part\n{rows}other/9.png,c,test\n")
    assert crop_of(tmp_path) == expected
    assert crop_of(tmp_path / "model.safetensors") == expected


def test_a_model_file_without_a_run_tells_nothing(tmp_path: Path) -> None:
    assert crop_of(tmp_path / "model.safetensors") == SQUARE
