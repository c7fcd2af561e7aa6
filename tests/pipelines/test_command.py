"""The command explains itself, and shows everything it can in a demo."""

import errno
import json
import os
import re
from pathlib import Path
from unittest.mock import Mock

import cv2
import pytest
from tiny import Command

import scratchnet as sn
from pipelines import demo
from pipelines.curation.manifest import Manifest
from pipelines.data.drawn import DrawnFaces
from pipelines.files import write_text
from pipelines.recipe_files import load_recipe
from pipelines.run import Run
from pipelines.training import make_dataset


def test_the_version_is_printed(command: Command) -> None:
    assert command("--version") == (0, f"scratchnet {sn.__version__}\n", "")


@pytest.mark.parametrize(
    ("subcommand", "mentioned"),
    [
        ((), ["demo", "train", "evaluate", "predict", "compare", "--version"]),
        (("demo",), ["--out", "--images", "--epochs", "--seed"]),
        (("train",), ["RECIPE", "--data", "--epochs", "--limit", "--seed", "--out", "--overwrite", "fer-small"]),
        (
            ("crossval",),
            [
                "RECIPE",
                "--recipe",
                "--folds",
                "--data",
                "--engine",
                "--set",
                "--epochs",
                "--limit",
                "--seed",
                "--out",
                "--jobs",
                "--overwrite",
            ],
        ),
        (("compare",), ["RUN_OR_MODEL", "--data", "--out", "--steps", "--seed", "drawn faces", "exit status"]),
        (("explain",), ["RUN_OR_MODEL", "IMAGES", "--data", "--out", "--count", "--layer", "--seed", "Grad-CAM"]),
        (("evaluate",), ["RUN", "--data", "--split", "--out", "--json"]),
        (
            ("compare-features",),
            ["[RUN]", "--data", "--split", "--limit", "--training-images", "--layer", "--seed", "--out", "HOG"],
        ),
        (
            ("search",),
            ["RUN_OR_EXTRACTOR", "--query", "--data", "--count", "--metric", "--layer", "--csv", "--json", "--out"],
        ),
        (("report",), ["RUN...", "--out", "--title", "offline"]),
        (("predict",), ["MODEL", "IMAGES", "--json"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_help_mentions_every_option(command: Command, subcommand: tuple[str, ...], mentioned: list[str]) -> None:
    done = command(*subcommand, "--help")
    assert done.status == 0
    for word in mentioned:
        assert word.lower() in done.out.lower(), word


@pytest.mark.parametrize(
    ("arguments", "mentioned"),
    [
        (("trane",), "trane"),
        (("train",), "give the name of a recipe"),
        (("train", "fer-small", "--recipe", "own.toml"), "give the name of a recipe"),
        (("train", "--recipe", "fer-small"), "not a .toml file"),
        (("train", "fer-small", "--engine", "torch"), "--engine"),
        (("train", "fer-small", "--epochs", "0"), "--epochs"),
        (("train", "fer-small", "--seed", "-1"), "--seed"),
        (("train", "fer-small", "--limit", "many"), "--limit"),
        (("train", "fer-small", "--speed", "fast"), "--speed"),
        (("demo", "--images", "10"), "--images"),
        (("compare", "runs/x", "--steps", "0"), "--steps"),
        (("explain", "runs/x", "--count", "0"), "--count"),
        (("predict", "model.safetensors"), "images"),
        (("search", "hog"), "--query"),
        (("search", "hog", "--query", "face.png", "--metric", "manhattan"), "--metric"),
        (("search", "hog", "--query", "face.png", "--size", "48"), "--size"),
        (("compare-features", "--training-images", "1"), "--training-images"),
    ],
)
def test_wrong_use_is_answered_with_status_2_and_the_argument(
    command: Command, arguments: tuple[str, ...], mentioned: str
) -> None:
    done = command(*arguments)
    assert done.status == 2
    assert mentioned in done.err.lower()
    assert "Traceback" not in done.err


def test_a_lack_of_memory_is_said_in_one_sentence(command: Command, tmp_path: Path) -> None:
    size = "99999999x99999999x3"
    done = command("cluster", "fixed", "--data", "drawn:70", "--size", size, "--out", tmp_path / "out")
    assert done.status == 1
    assert "there is not enough memory" in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "make room there, or choose another place"),
        (errno.EROFS, "nothing can be written there: choose another place"),
        (errno.EACCES, "change its permissions, or choose another place"),
        (errno.EFBIG, "files there must not be so large: choose another place"),
    ],
)
def test_what_the_system_refuses_is_told_with_its_path_and_the_remedy(
    command: Command, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    refusal = OSError(number, os.strerror(number), "/there/model.keras")
    monkeypatch.setattr("pipelines.recipe_files.load_recipe", Mock(side_effect=refusal))
    told = f"scratchnet: /there/model.keras: {os.strerror(number)}; {remedy}\n"
    assert command("recipes") == (1, "", told)


def test_a_full_disk_under_what_is_printed_is_told_too(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr("pipelines.commands.recipes.console.print", Mock(side_effect=refusal))
    told = "scratchnet: the output: No space left on device; make room there, or choose another place\n"
    assert command("recipes") == (1, "", told)


def test_a_seed_that_the_folds_cannot_take_is_refused(command: Command, tmp_path: Path) -> None:
    done = command("crossval", "drawn-faces", "--seed", 5_000_000_000, "--out", tmp_path / "out")
    assert done.status == 2
    assert "--seed" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(("out", "words"), [("file/page.html", "file: is a file"), ("folder", "folder: is a folder")])
def test_a_place_that_no_file_can_have_is_named(tmp_path: Path, out: str, words: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=re.escape(words.partition(": ")[2])) as raised:
        write_text(tmp_path / out, "text")
    assert raised.value.filename == str(tmp_path / words.partition(":")[0])
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]


def test_a_folder_that_cannot_be_written_to_is_named(command: Command, tiny_recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = command("train", tiny_recipe, "--limit", 70, "--out", tmp_path / "file" / "run")
    assert done.status == 1
    assert done.err.startswith("scratchnet: ")
    assert str(tmp_path / "file") in done.err


def test_the_demo_shows_everything_beside_keras_and_replaces_an_earlier_one(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    folder = tmp_path / "demo"
    earlier = command("train", demo.RECIPE, "--data", "drawn:70", "--epochs", 1, "--out", folder)
    assert earlier.status == 0, earlier.err
    done = command("demo", "--images", 84, "--epochs", 1, "--out", folder)
    assert done.status == 0, done.err
    for part in (
        "1. 84 faces",
        "2. Its best epoch",
        "3. The saved model",
        "4. The same network in Keras",
        "5. Faces out of a film",
        "6. The faces as vectors",
        "its Keras twin",
        "7. All of it on one page",
        f"Open {folder / 'report.html'}",
    ):
        assert part in done.out
    assert "side by side" in done.out
    assert "seconds of compiling kernels, besides" in done.out
    metrics = json.loads((folder / "metrics.json").read_text())
    theirs = json.loads((folder / "keras" / "metrics.json").read_text())
    assert {"training", "validation", "test"} <= set(metrics)
    assert set(metrics) == set(theirs)
    assert metrics["test"]["images"] == theirs["test"]["images"] == 17
    assert json.loads((folder / "keras" / "config.json").read_text())["engine"] == "keras"
    figures = ("clusters/clusters_pca_kmeans.png", "features/features.png", "search/search.png")
    for name in ("curves.png", "confusion_matrix_test.png", "confusion_matrix_validation.png", *figures):
        assert cv2.imread(str(folder / name)) is not None
    assert len(list((folder / "new_faces").glob("*.png"))) == 7
    rows = Manifest.read(folder / "faces").rows
    assert len({row.class_name for row in rows}) > 2
    assert {row.split for row in rows} == {"train", "validation", "test"}
    assert f"{len(rows)} images are what the manifest says" in done.out
    assert (folder / "faces" / "README.md").exists()
    assert (folder / "audit" / "audit.json").exists()
    assert len(list((folder / "show" / "sheets").glob("*.png"))) == len({row.class_name for row in rows})
    assert sn.load_model(folder / "model.safetensors").output_shape == (None, 7)
    page = (folder / "report.html").read_text()
    assert "Features and clusters" in page
    assert "Side by side" in page


def test_the_demo_without_tensorflow_leaves_keras_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    source = DrawnFaces(7, size=16)
    recipe = load_recipe(demo.RECIPE)
    test = make_dataset(source, source.samples, recipe, "test", False, seed=0)
    demo._compare_with_keras(recipe, source, "drawn:7:0", test, Run(tmp_path), epochs=1, seed=0)
    printed = " ".join(capsys.readouterr().out.split())
    assert printed == (
        'TensorFlow is not installed, so this part is left out: pip install -e ".[keras]" in the checkout'
    )
    assert not any(tmp_path.iterdir())
