"""`scratchnet predict` answers for files, folders and archives, and harms nothing that it was asked about."""

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from brightness import bright_probability, brightness_model, write_grey
from tiny import Command

from pipelines.movies import yunet_model as fetching
from pipelines.movies.drawn_film import SCENE_FRAMES, DrawnFilm


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    brightness_model(sigmoid=True).save(path)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two images, one that is broken, and a text."""
    folder = tmp_path / "photos"
    write_grey(folder / "dark.png", 20)
    write_grey(folder / "sub" / "bright.jpg", 230, (40, 60))
    (folder / "sub" / "broken.png").write_text("no image")
    (folder / "notes.txt").write_text("x")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_is_answered_image_by_image(command: Command, model: Path, photos: Path) -> None:
    before = contents(photos)
    done = command("predict", model, photos, "--json")
    assert done.status == 1
    answers = json.loads(done.out)
    names = [str(photos / name) for name in ("dark.png", "sub/bright.jpg", "sub/broken.png")]
    assert [answer["image"] for answer in answers] == names
    assert [answer.get("class") for answer in answers] == ["dark", "bright", None]
    assert answers[0]["probabilities"]["bright"] == pytest.approx(bright_probability(20), abs=1e-4)
    assert f"{names[2]}: not a readable image" in done.err
    assert "files that are no images, passed over: 1" in done.err
    assert contents(photos) == before


def test_an_archive_is_answered_like_its_folder(command: Command, model: Path, photos: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "photos"), "zip", photos)
    expected = json.loads(command("predict", model, photos, "--json").out)
    found = json.loads(command("predict", model, archive, "--json").out)
    assert [answer.get("probabilities") for answer in found] == [answer.get("probabilities") for answer in expected]
    assert found[0]["image"] == f"{archive}/dark.png"


def test_files_are_written_and_the_counts_are_printed(
    command: Command, model: Path, photos: Path, tmp_path: Path
) -> None:
    done = command("predict", model, photos, "--csv", tmp_path / "o.csv", "--json", tmp_path / "o.json")
    assert done.status == 1, "an image could not be read"
    assert done.out == "2 images: 1 dark, 1 bright\n"
    assert f"written to {tmp_path / 'o.csv'}" in done.err
    with (tmp_path / "o.csv").open() as file:
        rows = list(csv.DictReader(file))
    answers = json.loads((tmp_path / "o.json").read_text())
    assert [row["image"] for row in rows] == [answer["image"] for answer in answers]
    for row, answer in zip(rows, answers, strict=True):
        assert row["error"] == answer.get("error", "")
        if "probabilities" in answer:
            assert float(row["bright"]) == pytest.approx(answer["probabilities"]["bright"])


def test_an_image_after_json_is_asked_about_and_not_overwritten(command: Command, model: Path, photos: Path) -> None:
    before = contents(photos)
    done = command("predict", model, "--json", photos / "dark.png", photos / "sub" / "bright.jpg")
    assert done.status == 0, done.err
    assert [answer["class"] for answer in json.loads(done.out)] == ["dark", "bright"]
    for arguments in (("--csv", photos / "dark.png", photos), (f"--json={photos / 'dark.png'}", photos)):
        done = command("predict", model, *arguments)
        assert done.status == 1
        assert "names the file to write, which must end in ." in done.err
    assert contents(photos) == before


def test_annotated_copies_keep_the_folders_and_touch_no_original(command: Command, model: Path, photos: Path) -> None:
    before = contents(photos)
    for _ in range(2):  # the second time, what the first has written is not asked about
        done = command("predict", model, photos, "--annotate", photos / "marked", "--json")
        assert f"annotated copies in {photos / 'marked'}: 2" in done.err
        assert len(json.loads(done.out)) == 3
        found = contents(photos)
        assert {name: found[name] for name in before} == before
        copies = {"marked/photos/dark.png", "marked/photos/sub/bright.jpg"}
        assert found.keys() - before.keys() == copies
    assert all(max(cv2.imread(str(photos / name)).shape) >= 320 for name in copies)
    before = contents(photos)
    for among in (photos, photos.parent):  # copies go to DIR/photos
        done = command("predict", model, photos, "--annotate", among)
        assert done.status == 1
        assert "would lie among the images that are read; give another folder" in done.err
    assert contents(photos) == before


def test_faces_are_found_and_asked_about_one_by_one(command: Command, model: Path, tmp_path: Path) -> None:
    frames = list(DrawnFilm().frames())
    cv2.imwrite(str(tmp_path / "two.png"), frames[SCENE_FRAMES])
    cv2.imwrite(str(tmp_path / "none.png"), frames[2 * SCENE_FRAMES + 5])
    images = (tmp_path / "two.png", tmp_path / "none.png")
    done = command("predict", model, *images, "--faces")
    assert done.status == 0, done.err
    assert done.out.count("two.png") == 2
    assert "no face found" in done.out
    done = command("predict", model, *images, "--faces", "--csv", tmp_path / "o.csv", "--annotate", tmp_path / "out")
    assert done.status == 0, done.err
    assert done.out.endswith("; 1 without a face\n")
    with (tmp_path / "o.csv").open() as file:
        assert [row["face"] for row in csv.DictReader(file)] == ["1", "2", "0"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["none.png", "two.png"]
    assert (cv2.imread(str(tmp_path / "out" / "two.png")) != frames[SCENE_FRAMES]).any()


def test_yunet_finds_faces_too(command: Command, model: Path, shared_data: Path, tmp_path: Path) -> None:
    network = shared_data.parent / "models" / fetching.NAME
    if not network.is_file():
        pytest.skip(f"YuNet's model is not at {network}")
    photo = shared_data / "happysad" / "happy" / "05-12-21-happy-people.jpg"
    if not photo.is_file():
        pytest.skip(f"{photo} is missing")
    done = command("predict", model, photo, "--faces", "--detector", "yunet", "--detector-model", network, "--json")
    assert done.status == 0, done.err
    ((face,),) = [answer["faces"] for answer in json.loads(done.out)]
    box = face["box"]
    assert box["x"] < 530 < box["x"] + box["width"]
    assert box["y"] < 280 < box["y"] + box["height"]


def test_a_photograph_is_turned_as_its_camera_says_before_faces_are_looked_for(
    command: Command, model: Path, tmp_path: Path
) -> None:
    upright = next(iter(DrawnFilm().frames()))
    lying = cv2.rotate(upright, cv2.ROTATE_90_COUNTERCLOCKWISE)
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    for name, pixels, options in (("upright", upright, {}), ("turned", lying, {"exif": exif}), ("lying", lying, {})):
        Image.fromarray(pixels[..., ::-1]).save(tmp_path / f"{name}.jpg", quality=100, **options)
    images = [tmp_path / f"{name}.jpg" for name in ("upright", "turned", "lying")]
    done = command("predict", model, *images, "--faces", "--json", "--annotate", tmp_path / "out")
    assert done.status == 0, done.err
    straight, turned, left = (answer["faces"] for answer in json.loads(done.out))
    assert len(straight) == len(turned) >= 1
    assert not left
    for key in ("x", "y", "width", "height"):
        assert abs(straight[0]["box"][key] - turned[0]["box"][key]) <= 8
    with Image.open(tmp_path / "out" / "turned.jpg") as copy:
        assert copy.size == upright.shape[1::-1]
        assert 0x0112 not in copy.getexif(), "a program must not turn it again"


def test_what_makes_no_sense_is_refused_in_one_sentence(
    command: Command, model: Path, photos: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "folder.json"
    folder.mkdir()
    for arguments, message in (
        (("--detector", "yunet"), "--detector says how faces are found; add --faces"),
        (("--detector-model", "x.onnx"), "--detector-model says how faces are found; add --faces"),
        (("--min-face", "30"), "--min-face says how faces are found; add --faces"),
        (("--faces", "--detector", "eyes"), "detector must be one of haar, yunet, got 'eyes'"),
        (("--faces", "--crop", "round"), "crop must be one of square, film, got 'round'"),
        (("--faces", "--detector", "yunet", "--detector-model", photos / "none"), "cannot be read"),
        (("--json", folder), "--json names the file to write, but"),
        (("--annotate", photos / "notes.txt"), "--annotate names a folder for the copies, but"),
    ):
        done = command("predict", model, photos, *arguments)
        assert done.status == 1, arguments
        assert message in done.err
        assert len(done.err.splitlines()) == 1
        assert not done.out


def test_a_table_that_cannot_be_written_is_named_before_anything_is_asked(
    command: Command, model: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr("pipelines.predicting.stream.decode_image", lambda *_: pytest.fail("an image was read"))
    done = command("predict", model, photos, "--csv", tmp_path / "file" / "o.csv")
    assert done.status == 1
    assert "Traceback" not in done.err
    assert str(tmp_path / "file") in done.err


def test_large_photographs_are_no_trouble(command: Command, model: Path, tmp_path: Path) -> None:
    frame = cv2.resize(next(iter(DrawnFilm().frames())), (4000, 3000), interpolation=cv2.INTER_LINEAR)
    cv2.imwrite(str(tmp_path / "large.jpg"), frame)
    done = command("predict", model, tmp_path / "large.jpg", "--faces", "--json", "--annotate", tmp_path / "out")
    assert done.status == 0, done.err
    ((face, *_),) = [answer["faces"] for answer in json.loads(done.out)]
    assert face["box"]["width"] > 400
    copy = cv2.imread(str(tmp_path / "out" / "large.jpg"))
    assert copy.shape == (3000, 4000, 3)
    assert np.abs(copy.astype(int) - frame).max(axis=2).astype(bool).any()


def test_a_model_that_says_nan_names_no_class(command: Command, photos: Path, tmp_path: Path) -> None:
    broken = brightness_model()
    broken.layers[-1].set_weights([np.full((1, 2), np.nan, np.float32), np.zeros(2, np.float32)])
    broken.save(tmp_path / "nan.safetensors")
    for results in ([], ["--json"], ["--csv", tmp_path / "o.csv"], ["--json", tmp_path / "o.json"]):
        done = command("predict", tmp_path / "nan.safetensors", photos / "dark.png", *results)
        assert (done.status, done.out) == (1, "")
        assert f"the model says [nan, nan] of {photos / 'dark.png'}" in done.err
        assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "o.csv").exists()
    assert not (tmp_path / "o.json").exists()
    done = command("explain", tmp_path / "nan.safetensors", photos / "dark.png", "--layer", "missing")
    assert done.status == 1


def test_a_damaged_jpeg_is_named_and_one_without_its_end_is_read(command: Command, model: Path, tmp_path: Path) -> None:
    grain = np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)
    jpeg = cv2.imencode(".jpg", grain)[1].tobytes()
    for name, data in (("whole", jpeg), ("open", jpeg[:-2]), ("garbled", jpeg[:700] + b"\xaa" * 90 + jpeg[790:])):
        (tmp_path / f"{name}.jpg").write_bytes(data)
    done = command("predict", model, *(tmp_path / f"{name}.jpg" for name in ("whole", "open", "garbled")), "--json")
    assert done.status == 1
    whole, unended, garbled = json.loads(done.out)
    assert whole["probabilities"] == unended["probabilities"]
    assert garbled == {"image": str(tmp_path / "garbled.jpg"), "error": "the image is damaged"}
    assert done.err == f"{tmp_path / 'garbled.jpg'}: the image is damaged\n"
