"""Each picture gets the model's own answer, in order, whatever its neighbours are, and in little memory."""

import threading
from functools import partial
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import pytest
from brightness import bright_probability, brightness_model, write_grey

import scratchnet as sn
from pipelines.data.errors import DataError
from pipelines.movies.drawn_film import SCENE_FRAMES, DrawnFilm
from pipelines.predicting import stream
from pipelines.predicting.faces import SQUARE_SIDES, FaceFinder, FaceSearch
from pipelines.predicting.inputs import Picture
from pipelines.predicting.stream import predict_images, predict_pictures


def encoded(level: int, size: tuple[int, int] = (6, 5)) -> bytes:
    return bytes(cv2.imencode(".png", np.full(size, level, np.uint8))[1])


def picture(name: str, data: bytes | Exception) -> Picture:
    def load() -> bytes:
        if isinstance(data, Exception):
            raise data
        return data

    return Picture(name, PurePosixPath(name), load)


@pytest.mark.parametrize("sigmoid", [False, True])
def test_every_class_has_its_probability_also_with_a_single_sigmoid_unit(tmp_path: Path, sigmoid: bool) -> None:
    levels = (0, 90, 255)
    paths = [write_grey(tmp_path / f"{level}.png", level) for level in levels]
    for level, said in zip(levels, predict_images(brightness_model(sigmoid=sigmoid), paths), strict=True):
        bright = bright_probability(level)
        assert said.probabilities == pytest.approx({"dark": 1 - bright, "bright": bright}, abs=1e-5)
        assert said.best == ("bright" if level > 127 else "dark")


def test_answers_come_in_order_and_the_unreadable_stop_nothing() -> None:
    pictures = [picture(f"{n}.png", encoded(n % 256)) for n in range(3 * stream.BATCH + 5)]
    pictures[3] = picture("broken.png", b"no image")
    pictures[100] = picture("gone.png", FileNotFoundError(2, "No such file or directory", "gone.png"))
    pictures[101] = picture("odd.png", DataError("odd.png: is odd"))
    told: list[tuple[int, int]] = []
    answers = list(predict_pictures(brightness_model(), pictures, progress=lambda *now: told.append(now)))
    assert told == [(n + 1, len(pictures)) for n in range(len(pictures))]
    assert [answer.picture for answer in answers] == pictures
    for n, answer in enumerate(answers):
        said = answer.prediction
        if n in (3, 100, 101):
            assert said.probabilities is None
        else:
            assert said.probabilities is not None
            assert said.probabilities["bright"] == pytest.approx(bright_probability(n % 256), abs=1e-5)
        assert answer.pixels is None
    errors = {answer.prediction.image: answer.prediction.error for answer in answers if answer.prediction.error}
    assert errors == {
        "broken.png": "not a readable image", "gone.png": "No such file or directory", "odd.png": "is odd",
    }  # fmt: skip


def test_nothing_asked_gives_nothing() -> None:
    assert list(predict_pictures(brightness_model(), [])) == []
    assert [a.prediction.error for a in predict_pictures(brightness_model(), [picture("x", b"")])] == [
        "the file is empty"
    ]


def test_few_images_are_held_at_once_however_many_are_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HELD_BYTES", 10_000)
    data, lock, loaded, answered = encoded(9, (50, 100)), threading.Lock(), [0], 0

    def load() -> bytes:
        with lock:
            loaded[0] += 1
        return data

    pictures = [Picture(f"{n}", PurePosixPath(f"{n}"), load) for n in range(200)]
    most = 0
    for answer in predict_pictures(brightness_model(), pictures, keep_pixels=True):
        assert answer.pixels is not None
        answered += 1
        most = max(most, loaded[0] - answered)
    assert answered == 200
    # two images of 5,000 bytes fill the room; four threads and some more read ahead
    assert most <= 2 + 4 + stream.AHEAD + 1


def test_one_who_stops_listening_stops_the_reading() -> None:
    loaded = []
    pictures = [Picture(f"{n}", PurePosixPath(f"{n}"), partial(_note, loaded, n)) for n in range(1000)]
    answers = predict_pictures(brightness_model(), pictures)
    next(answers)
    answers.close()
    assert len(loaded) < 1000


def _note(loaded: list[int], number: int) -> bytes:
    loaded.append(number)
    return encoded(number % 256)


def test_each_face_gets_its_own_answer_and_an_image_without_one_says_so(tmp_path: Path) -> None:
    frames = list(DrawnFilm().frames())
    two, none = frames[SCENE_FRAMES], frames[2 * SCENE_FRAMES + 5]
    for name, frame in (("two.png", two), ("none.png", none)):
        cv2.imwrite(str(tmp_path / name), frame)
    model = sn.load_model(_saved(tmp_path))
    finder = FaceFinder(FaceSearch())
    pictures = [Picture(n, PurePosixPath(n), (tmp_path / n).read_bytes) for n in ("two.png", "none.png")]
    seen, empty = (answer.prediction for answer in predict_pictures(model, pictures, finder))
    assert empty.faces == ()
    assert empty.error is None
    assert empty.to_json() == {"image": "none.png", "faces": []}
    assert seen.faces is not None
    assert [abs(said.face.middle[0] - x) < 25 for said, x in zip(seen.faces, (180, 460), strict=True)] == [True, True]
    grey = cv2.cvtColor(two, cv2.COLOR_BGR2GRAY)
    for said in seen.faces:
        face = said.face
        grow = round(face.side * (SQUARE_SIDES - 1) / 2)
        part = grey[face.y - grow : face.y + face.height + grow, face.x - grow : face.x + face.width + grow]
        assert said.probabilities["bright"] == pytest.approx(bright_probability(float(part.mean())), abs=0.02)
    assert set(seen.to_json()["faces"][0]) == {"box", "score", "class", "probabilities"}


def _saved(folder: Path) -> Path:
    path = folder / "m.safetensors"
    brightness_model().save(path)
    return path
