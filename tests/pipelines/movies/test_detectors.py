"""Both detectors find the faces that there are, where they are, and tell frontal from turned ones."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from processes import run_python

from pipelines.errors import UserError
from pipelines.movies import yunet_model as fetching
from pipelines.movies.detectors import Detector, HaarDetector, YuNetDetector
from pipelines.movies.drawn_film import RATE, SCENE_FRAMES, DrawnFilm
from pipelines.movies.film import Film
from pipelines.movies.yunet_model import yunet_model


@pytest.fixture(scope="module")
def model(shared_data: Path) -> bytes:
    path = shared_data.parent / "models" / fetching.NAME
    if not path.is_file():
        pytest.skip(f"YuNet's model is not at {path}")
    return path.read_bytes()


@pytest.fixture(scope="module", params=["haar", "yunet"])
def detector(request: pytest.FixtureRequest) -> Detector:
    return HaarDetector() if request.param == "haar" else YuNetDetector(request.getfixturevalue("model"))


@pytest.fixture(scope="module")
def drawn() -> list[NDArray[np.uint8]]:
    return list(DrawnFilm().frames())


def test_each_face_of_a_frame_is_found_where_it_is_from_left_to_right(
    detector: Detector, drawn: list[NDArray[np.uint8]]
) -> None:
    faces = detector.find(drawn[SCENE_FRAMES], 60)  # two people
    assert len(faces) == 2
    for face, x in zip(faces, (180, 460), strict=True):
        assert abs(face.middle[0] - x) < 25
        assert abs(face.middle[1] - 180) < 40
        assert 100 < face.side < 220


def test_nothing_is_found_where_there_is_no_face(detector: Detector, drawn: list[NDArray[np.uint8]]) -> None:
    assert detector.find(drawn[2 * SCENE_FRAMES + 5], 60) == []
    assert detector.find(np.zeros((20, 30, 3), np.uint8), 60) == []


def test_tiny_frames_do_not_show_the_detector_memory_that_nobody_has_written(shared_data: Path) -> None:
    path = shared_data.parent / "models" / fetching.NAME
    if not path.is_file():
        pytest.skip(f"YuNet's model is not at {path}")
    code = """
import sys
from pathlib import Path
import numpy as np
from pipelines.movies.detectors import YuNetDetector
detector = YuNetDetector(Path(sys.argv[1]).read_bytes())
for height, width in ((1, 1), (20, 30), (32, 32), (20, 40)) * 3:
    detector.find(np.zeros((200, 300, 3), np.uint8), 60)
    print(detector.find(np.zeros((height, width, 3), np.uint8), 60))
"""
    # glibc fills memory with a pattern before it hands it out, with which OpenCV found faces of infinite size
    assert run_python(code, str(path), MALLOC_PERTURB_="165") == (0, "[]\n" * 12, "")


def test_boxes_are_in_pixels_of_the_frame_whatever_its_size(detector: Detector, drawn: list[NDArray[np.uint8]]) -> None:
    small = detector.find(drawn[0], 60)[0]
    large = detector.find(cv2.resize(drawn[0], None, fx=2, fy=2), 120)[0]
    assert np.allclose(np.array(large.middle) / 2, small.middle, atol=6)
    assert abs(large.side / 2 - small.side) < 20


def test_faces_much_smaller_than_wanted_are_not_found(detector: Detector, drawn: list[NDArray[np.uint8]]) -> None:
    assert detector.find(drawn[0], 320) == []


def test_faces_that_look_at_the_camera_are_more_frontal_than_turned_ones(detector: Detector, shared_data: Path) -> None:
    # in this clip the singer looks at the camera in some frames and to the side in others
    straight, turned = (152, 156, 172, 176), (136, 200, 204, 206)
    found = {}
    with Film(shared_data / "movies" / "short_hamilton_clip.mp4") as film:
        for frame in film.frames():
            if frame.number in {*straight, *turned}:
                found[frame.number] = max(detector.find(frame.pixels, 60), key=lambda face: face.side).frontal
    assert min(found[n] for n in straight) > max(found[n] for n in turned)


def test_the_drawn_film_is_the_same_each_time_and_others_for_other_seeds(tmp_path: Path) -> None:
    one, two = tmp_path / "1.avi", tmp_path / "2.avi"
    DrawnFilm(3, 5).write(one)
    DrawnFilm(3, 5).write(two)
    assert one.read_bytes() == two.read_bytes()
    DrawnFilm(3, 6).write(two)
    assert one.read_bytes() != two.read_bytes()
    with Film(one) as film:
        assert sum(1 for _ in film.frames()) == 3 * RATE


@pytest.mark.parametrize("name", ["drawn:x", "drawn:1:2:3", "drawn:0", "drawn:-3", "drawn:", "drawn:99999999"])
def test_a_drawn_film_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="drawn"):
        DrawnFilm.parse(name)


def test_only_drawn_is_a_drawn_film() -> None:
    assert DrawnFilm.parse("drawn:3") == DrawnFilm(3)
    assert DrawnFilm.parse("drawn.mp4") is None


def test_a_model_is_fetched_once_checked_and_kept(
    model: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, cached = tmp_path / "source.onnx", tmp_path / "cache" / "models" / "yunet.onnx"
    source.write_bytes(model)
    monkeypatch.setattr(fetching, "URL", source.as_uri())
    monkeypatch.setattr(fetching, "_cache", lambda: cached)
    with pytest.raises(UserError, match="--detector-model"):
        yunet_model(download=False)
    assert yunet_model() == model
    source.unlink()
    assert yunet_model() == model
    cached.write_bytes(b"damaged")
    with pytest.raises(UserError, match="could not be fetched"):
        yunet_model()
    source.write_bytes(model[:-1] + b"?")
    with pytest.raises(UserError, match="not the file that was expected"):
        yunet_model()
    assert cached.read_bytes() == b"damaged"


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        yunet_model(tmp_path / "none.onnx")
    with pytest.raises(UserError, match="not a YuNet"):
        YuNetDetector(b"this is no model")


def test_a_drawn_film_that_is_cut_short_is_named_and_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = list(DrawnFilm(1).frames())[:-1]
    monkeypatch.setattr(DrawnFilm, "frames", lambda self: iter(few))
    with pytest.raises(OSError, match="could not be written in full") as caught:
        DrawnFilm(1).write(tmp_path / "film.avi")
    assert caught.value.filename == str(tmp_path / "film.avi")
    assert not list(tmp_path.iterdir())
