"""The picture of a face is 640x480, has the face in its middle, and is never stretched."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.movies.crop import cut_out, inside, window
from pipelines.movies.detectors import Face

boxes = st.builds(
    Face, st.integers(-50, 400), st.integers(-50, 300), st.integers(16, 200), st.integers(16, 200), st.just(1.0),
    st.just(1.0),
)  # fmt: skip


@given(boxes, st.floats(0.1, 1))
def test_the_window_is_4_to_3_with_the_face_in_its_middle_and_of_the_wanted_share(face: Face, share: float) -> None:
    left, top, width, height = window(face, share)
    assert 3 * width == 4 * height
    assert abs(left + width / 2 - face.middle[0]) <= 0.5
    assert abs(top + height / 2 - face.middle[1]) <= 0.5
    assert abs(height * share - face.side) <= 1.5 * share + 1e-9


@given(boxes, st.floats(0.3, 1))
def test_a_picture_is_what_a_padded_frame_shows(face: Face, share: float) -> None:
    frame = np.random.default_rng(0).integers(0, 255, (200, 300, 3)).astype(np.uint8)
    picture = cut_out(frame, face, share)
    assert picture.shape == (480, 640, 3)
    assert picture.dtype == np.uint8
    left, top, width, height = window(face, share)
    if (width, height) == (640, 480):  # nothing is scaled, so every pixel can be looked up
        padded = np.pad(frame, ((700, 700), (700, 700), (0, 0)), mode="reflect")
        np.testing.assert_array_equal(picture, padded[top + 700 : top + 1180, left + 700 : left + 1340, ::-1])


@pytest.mark.parametrize(("x", "y"), [(100, 60), (-20, 10), (250, 150), (0, 0)])
def test_unscaled_pictures_are_the_frame_continued_by_its_reflection(x: int, y: int) -> None:
    frame = np.random.default_rng(1).integers(0, 255, (200, 300, 3)).astype(np.uint8)
    face = Face(x, y, 96, 96, 1.0, 1.0)
    left, top, width, height = window(face, 0.2)
    assert (width, height) == (640, 480)
    padded = np.pad(frame, ((800, 800), (800, 800), (0, 0)), mode="reflect")
    expected = padded[top + 800 : top + 1280, left + 800 : left + 1440, ::-1]
    np.testing.assert_array_equal(cut_out(frame, face, 0.2), expected)


def test_a_circle_stays_a_circle() -> None:
    rows, columns = np.mgrid[:360, :640]
    disc = ((rows - 180) ** 2 + (columns - 320) ** 2 < 50**2).astype(np.uint8) * 255
    picture = cut_out(np.repeat(disc[..., None], 3, axis=2), Face(270, 130, 100, 100, 1.0, 1.0), 0.5)[..., 0] > 127
    across, down = picture.any(axis=0).sum(), picture.any(axis=1).sum()
    assert abs(int(across) - int(down)) <= 2
    assert abs(int(down) - 240) <= 6
    columns_hit, rows_hit = np.flatnonzero(picture.any(axis=0)), np.flatnonzero(picture.any(axis=1))
    assert abs(columns_hit.mean() - 319.5) < 4
    assert abs(rows_hit.mean() - 239.5) < 4


@pytest.mark.parametrize(
    ("face", "expected"),
    [
        (Face(100, 100, 80, 80, 1, 1), 1.0),
        (Face(-40, 100, 80, 80, 1, 1), 0.5),  # its middle lies on the edge
        (Face(-40, -40, 80, 80, 1, 1), 0.25),
        (Face(-200, 0, 80, 80, 1, 1), 0.0),
    ],
)
def test_the_share_of_the_head_inside_the_frame(face: Face, expected: float) -> None:
    assert inside((300, 400), face) == pytest.approx(expected)
