"""What a run folder protects: other programs' files, unfinished trainings, and the line between parts of the data."""

import json
import shutil
from pathlib import Path

import cv2
import pytest
from tiny import TINY, Command

from pipelines.data.opening import open_data, resolve_name
from pipelines.data.preprocessing import Preprocessing
from pipelines.errors import UserError
from pipelines.run import Run


def interrupt_after_one_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(self: object, epoch: int, logs: object = None) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.console.TrainingProgress.on_epoch_begin", stop)


def test_overwrite_leaves_other_programs_folders_alone(command: Command, tiny_recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "other"}')
    (tmp_path / "weights.bin").write_text("precious")
    for arguments in (("train", tiny_recipe, "--data", "drawn:70"), ("demo", "--images", 70)):
        done = command(*arguments, "--out", tmp_path, *(["--overwrite"] if arguments[0] == "train" else []))
        assert done.status == 1
        assert "choose another --out" in done.err
    assert (tmp_path / "weights.bin").read_text() == "precious"


def test_a_run_that_was_killed_at_its_first_file_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".config.0123abcd-scratchnet.json").write_text("{")
    assert not Run(tmp_path).start({}, "", overwrite=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "split.csv"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".config.0123abcd.tmp").write_text("{")
    with pytest.raises(UserError, match="is not empty and is not a run"):
        Run(tmp_path / "other").start({}, "", overwrite=False)


def test_overwrite_deletes_only_what_a_run_writes(command: Command, tiny_recipe: Path, tmp_path: Path) -> None:
    train = ("train", tiny_recipe, "--data", "drawn:70", "--epochs", 1, "--out", tmp_path / "run", "--overwrite")
    assert command(*train).status == 0
    (tmp_path / "run" / "notes.txt").write_text("mine")
    assert command(*train).status == 0
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def test_a_mistake_in_the_recipe_does_not_cost_the_earlier_run(
    command: Command, tiny_recipe: Path, tmp_path: Path
) -> None:
    train = ("--data", "drawn:70", "--epochs", 1, "--out", tmp_path / "run", "--overwrite")
    assert command("train", tiny_recipe, *train).status == 0
    typing_error = tmp_path / "typo.toml"
    typing_error.write_text(TINY.replace("Flatten", "Flaten"))
    assert "Flaten" in command("train", typing_error, *train).err
    assert (tmp_path / "run" / "model.safetensors").exists()


def test_a_limit_that_leaves_too_little_is_named_and_writes_nothing(
    command: Command, tiny_recipe: Path, tmp_path: Path
) -> None:
    done = command("train", tiny_recipe, "--data", "drawn:70", "--limit", 1, "--out", tmp_path / "run")
    assert done.status == 1
    assert "raise the limit of 1" in done.err
    assert not (tmp_path / "run").exists()


def test_evaluating_an_unfinished_run_does_not_finish_it(
    command: Command, tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = ("train", tiny_recipe, "--data", "drawn:70", "--out", tmp_path / "run")
    with monkeypatch.context() as patched:
        interrupt_after_one_epoch(patched)
        assert command(*train).status == 130
    assert command("evaluate", tmp_path / "run").status == 0
    done = command(*train)
    assert done.status == 0, done.err
    assert "going on with the interrupted run" in done.out
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["training"]["epochs"] == 2


def test_a_run_does_not_go_on_with_other_images(
    command: Command, tiny_recipe: Path, faces: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = tmp_path / "images"
    shutil.copytree(faces["folder"], images)
    train = ("train", tiny_recipe, "--data", images, "--out", tmp_path / "run")
    with monkeypatch.context() as patched:
        interrupt_after_one_epoch(patched)
        assert command(*train).status == 130
    first = next(images.glob("happy/*.png"))
    shutil.copy(first, first.with_name("another.png"))
    done = command(*train)
    assert done.status == 1
    assert "the data have changed" in done.err


def test_a_run_does_not_go_on_with_other_pixels_under_the_same_names(
    command: Command, tiny_recipe: Path, faces: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Path(shutil.copytree(faces["split"], tmp_path / "data"))
    train = ("train", tiny_recipe, "--data", data, "--epochs", 3, "--out", tmp_path / "run")
    with monkeypatch.context() as during:
        interrupt_after_one_epoch(during)
        assert command(*train).status == 130
    changed = next((data / "train" / "happy").iterdir())
    before = changed.read_bytes()
    cv2.imwrite(str(changed), cv2.imread(str(changed), cv2.IMREAD_GRAYSCALE) // 2)
    done = command(*train)
    assert done.status == 1
    assert "the pixels of the data have changed since the run in" in done.err
    changed.write_bytes(before)
    assert command(*train).status == 0


def test_validation_images_that_are_copies_of_training_images_are_told(
    command: Command, tiny_recipe: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    data = Path(shutil.copytree(faces["split"], tmp_path / "data"))
    for path in [*(data / "train").rglob("*.png")]:
        shutil.copy(path, path.with_name(f"copy-{path.name}"))
    done = command("train", tiny_recipe, "--data", data, "--epochs", 1, "--out", tmp_path / "run")
    assert done.status == 0, done.err
    seen, validated = (Run(tmp_path / "run").contents_of(part) for part in ("train", "validation"))
    assert seen is not None
    assert validated is not None
    assert seen & validated
    assert "of 34 validation images are, pixel by pixel, copies of training images" in done.err


def test_drawn_data_are_the_same_when_they_are_evaluated(command: Command, tiny_recipe: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert command("train", tiny_recipe, "--data", "drawn:70:3", "--epochs", 1, "--out", run).status == 0
    assert json.loads((run / "config.json").read_text())["data"] == "drawn:70:3"
    done = command("evaluate", run)
    assert "images 14" in done.out
    assert "trained on" not in done.err
    assert "trained on" in command("evaluate", run, "--split", "all").err


def test_drawn_names_say_how_many_and_which() -> None:
    size = Preprocessing(16, 16, 1)
    assert resolve_name("drawn") == "drawn:4200:0"
    assert len(open_data("drawn:70:3", size).samples) == 70
    with pytest.raises(ValueError, match="drawn:COUNT:SEED, got 'drawn:many'"):
        open_data("drawn:many", size)


def test_file_names_need_not_be_valid_unicode(
    command: Command, tiny_recipe: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    images = tmp_path / "images"
    shutil.copytree(faces["folder"], images)
    odd = images / "happy" / b"caf\xe9.png".decode("utf-8", "surrogateescape")
    odd.write_bytes(b"no image")
    done = command("train", tiny_recipe, "--data", images, "--epochs", 1, "--out", tmp_path / "run")
    assert done.status == 0, done.err
    assert "caf" in done.err
