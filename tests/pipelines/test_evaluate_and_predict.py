"""`scratchnet evaluate` and `predict`: honest figures, and answers for single images."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny import Command

import scratchnet as sn
from pipelines.data.csv_source import EMOTIONS
from pipelines.data.drawn import DrawnFaces
from pipelines.data.source import open_source
from pipelines.recipe_files import load_recipe
from pipelines.training import train


@pytest.fixture(scope="session")
def trained(tiny_recipe: Path, faces: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run on each of two layouts: with a test split, and without any."""
    root = tmp_path_factory.mktemp("runs")
    recipe = load_recipe(str(tiny_recipe))
    for layout in ("split", "folder"):
        train(recipe, open_source(faces[layout]), str(faces[layout]), root / layout, epochs=6)
    return {layout: root / layout for layout in ("split", "folder")}


@pytest.fixture
def run_of(trained: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    """Copies, which a test may change."""
    return {layout: Path(shutil.copytree(path, tmp_path / layout)) for layout, path in trained.items()}


def metrics(run: Path) -> dict[str, dict[str, object]]:
    content: dict[str, dict[str, object]] = json.loads((run / "metrics.json").read_text())
    return content


def test_the_test_split_of_the_runs_own_data_is_evaluated(command: Command, run_of: dict[str, Path]) -> None:
    done = command("evaluate", run_of["split"])
    assert done.status == 0, done.err
    assert "images 21" in done.out
    assert "trained on" not in done.err
    found = metrics(run_of["split"])["test"]
    assert found["images"] == 21
    assert cv2.imread(str(run_of["split"] / "confusion_matrix_test.png")) is not None
    assert f"accuracy {found['accuracy']:.4f}" in done.out
    assert "validation" in metrics(run_of["split"]), "earlier figures must stay"


@pytest.mark.usefixtures("without_figures")
def test_the_held_back_part_is_evaluated_where_the_data_have_no_splits(
    command: Command, run_of: dict[str, Path]
) -> None:
    done = command("evaluate", run_of["folder"])
    assert done.status == 0, done.err
    assert "images 21" in done.out
    assert "trained on" not in done.err
    assert metrics(run_of["folder"])["test"]["images"] == 21


@pytest.mark.usefixtures("without_figures")
def test_images_that_were_trained_on_are_confessed(command: Command, run_of: dict[str, Path]) -> None:
    done = command("evaluate", run_of["folder"], "--split", "all")
    assert done.status == 0
    assert "leakage: 67 of these 105 images were trained on" in done.err
    done = command("evaluate", run_of["split"], "--split", "train")
    assert "leakage: 67 of these 67 images were trained on" in done.err


def test_other_layouts_of_the_same_images_give_the_same_figures(
    command: Command, run_of: dict[str, Path], faces: dict[str, Path]
) -> None:
    run = run_of["split"]
    model = sn.load_model(run / "model.safetensors")
    assert model.class_names == tuple(sorted(EMOTIONS)), "the folders' order, not that of the csv"
    assert command("evaluate", run).status == 0
    expected = metrics(run)["test"]
    assert len(set(np.argmax(expected["confusion_matrix"], axis=1))) > 1, "a constant answer would prove nothing"
    for layout in ("zip", "csv"):
        done = command("evaluate", run, "--data", faces[layout])
        assert done.status == 0, done.err
        (measured,) = (value for value in metrics(run).values() if value.get("data") == str(faces[layout].resolve()))
        for name in ("accuracy", "confusion_matrix", "intervals", "macro", "cohen_kappa", "trained_on"):
            assert measured[name] == expected[name], name
        # their sums are over images in another order
        for name in ("log_loss", "brier_score", "ece", "macro_roc_auc", "macro_average_precision"):
            assert measured[name] == pytest.approx(expected[name]), name
    assert len(list(run.glob("confusion_matrix_test-faces-*_normalised.png"))) == 2, "two files of one name"
    assert metrics(run)["test"] == expected


@pytest.mark.usefixtures("without_figures")
def test_a_model_file_is_evaluated_on_the_data_that_are_named(
    command: Command, run_of: dict[str, Path], faces: dict[str, Path]
) -> None:
    model = run_of["split"] / "model.safetensors"
    done = command("evaluate", model, "--data", faces["csv"], "--split", "test")
    assert done.status == 0, done.err
    assert "images 21" in done.out
    done = command("evaluate", model)
    assert done.status == 1
    assert "does not say its data; pass --data" in done.err


def test_what_cannot_be_evaluated_is_named(
    command: Command, run_of: dict[str, Path], faces: dict[str, Path], tmp_path: Path
) -> None:
    run = run_of["split"]
    (tmp_path / "empty").mkdir()
    (tmp_path / "cats" / "cat").mkdir(parents=True)
    (tmp_path / "cats" / "dog").mkdir()
    for name in ("cat", "dog"):
        cv2.imwrite(str(tmp_path / "cats" / name / "1.png"), np.zeros((16, 16), np.uint8))
    for arguments, message in (
        ((tmp_path / "nowhere",), "nowhere does not exist"),
        ((tmp_path / "empty",), "empty is not a run"),
        (
            (run, "--data", faces["csv"], "--split", "validation"),
            "have no validation images; choose --split from",
        ),
        ((run, "--data", tmp_path / "cats"), "has the class 'cat', which is not among the class names"),
    ):
        done = command("evaluate", *arguments)
        assert done.status == 1, arguments
        assert message in done.err
    (run / "model.safetensors").unlink()
    assert "has no model yet" in command("evaluate", run).err


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("config.json", '{"format": "scratchnet run"}', "is damaged: it lacks 'recipe'"),
        ("config.json", '{"model_type": "bert"}', "is not a run: its config.json is another program's"),
        ("split.csv", "a,b\n1,2\n", "split.csv is damaged"),
        ("split.csv", "name,class,part\nx,happy", "split.csv is damaged"),
        ("split.csv", "name,class,part\n" + "x" * 200_000 + ",happy,train\n", "split.csv is damaged"),
        ("split.csv", None, "split.csv is missing, so it is not known which images"),
    ],
)
@pytest.mark.parametrize("subcommand", ["evaluate", "explain", "cluster"])
def test_damaged_run_folders_are_named_by_every_command(
    command: Command, run_of: dict[str, Path], subcommand: str, name: str, content: str | None, words: str
) -> None:
    run = run_of["split"]
    (run / name).unlink()
    if content is not None:
        (run / name).write_text(content)
    before = sorted(run.rglob("*"))
    done = command(subcommand, run)
    assert done.status == 1
    assert words in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert sorted(run.rglob("*")) == before


def test_a_damaged_model_is_named(command: Command, run_of: dict[str, Path]) -> None:
    path = run_of["split"] / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    done = command("evaluate", run_of["split"])
    assert done.status == 1
    assert "model.safetensors is damaged" in done.err


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """A grey face, a large coloured one, and a text."""
    source = DrawnFaces(7, size=16, seed=5)
    paths = [tmp_path / "grey.png", tmp_path / "large.jpg", tmp_path / "letter.png"]
    cv2.imwrite(str(paths[0]), source.read(source.samples[0]))
    cv2.imwrite(str(paths[1]), DrawnFaces(7, size=(90, 70), colour=True).read(DrawnFaces(7, size=16).samples[1]))
    paths[2].write_text("Dear mother")
    return paths


def test_predict_prints_a_row_per_image(command: Command, trained: dict[str, Path], pictures: list[Path]) -> None:
    done = command("predict", trained["split"], *pictures[:2])
    assert done.status == 0, done.err
    assert "grey.png" in done.out
    assert "large.jpg" in done.out
    assert all(name in done.out for name in EMOTIONS)


def test_predict_as_json_gives_the_models_probabilities(
    command: Command, trained: dict[str, Path], pictures: list[Path]
) -> None:
    done = command("predict", trained["split"] / "model.safetensors", pictures[0], "--json")
    assert done.status == 0, done.err
    (answer,) = json.loads(done.out)
    model = sn.load_model(trained["split"] / "model.safetensors")
    grey = cv2.imread(str(pictures[0]), cv2.IMREAD_GRAYSCALE)[None, :, :, None]
    expected = model.predict(grey.astype(np.float32) * np.float32(1 / 255))[0]
    assert answer["image"] == str(pictures[0])
    assert list(answer["probabilities"]) == list(model.class_names)
    np.testing.assert_allclose(list(answer["probabilities"].values()), expected, rtol=1e-5)
    assert answer["class"] == model.class_names[int(np.argmax(expected))]


def test_an_unreadable_image_is_reported_and_the_others_are_answered(
    command: Command, trained: dict[str, Path], pictures: list[Path], tmp_path: Path
) -> None:
    wanted = [pictures[2], pictures[0], tmp_path / "missing.png", pictures[1]]
    done = command("predict", trained["split"], *wanted)
    assert done.status == 1
    assert "grey.png" in done.out
    assert "large.jpg" in done.out
    assert f"{pictures[2]}: not a readable image" in done.err
    assert f"{wanted[2]}: No such file or directory" in done.err
    done = command("predict", trained["split"], *wanted, "--json")
    assert done.status == 1
    answers = json.loads(done.out)
    assert [answer["image"] for answer in answers] == [str(path) for path in wanted]
    assert ["error" in answer for answer in answers] == [True, False, True, False]


@pytest.mark.usefixtures("without_figures")
def test_names_with_brackets_and_colons_are_printed_as_they_are(
    command: Command, trained: dict[str, Path], pictures: list[Path], tmp_path: Path
) -> None:
    run = Path(shutil.copytree(trained["split"], tmp_path / "run [red] :smile:"))
    images = [Path(shutil.copy(picture, run / f"[bold]{picture.name}")) for picture in pictures]
    done = command("predict", run, *images)
    assert str(images[0]) in done.out
    assert f"{images[2]}: not a readable image" in done.err
    done = command("evaluate", run)
    assert done.status == 0, done.err
    assert f"{run} on" in done.out


def test_predict_names_what_is_missing(command: Command, pictures: list[Path], tmp_path: Path) -> None:
    assert "nowhere does not exist" in command("predict", tmp_path / "nowhere", pictures[0]).err
    model = sn.Sequential([sn.Input((16, 16, 1)), sn.layers.Flatten(), sn.layers.Dense(7)])
    model.save(tmp_path / "bare.safetensors")
    done = command("predict", tmp_path / "bare.safetensors", pictures[0])
    assert done.status == 1
    assert "does not say its classes and preprocessing" in done.err
    (tmp_path / "text.safetensors").write_text("Dear mother")
    assert "not a safetensors file" in command("predict", tmp_path / "text.safetensors", pictures[0]).err


def test_a_keras_file_with_classes_and_preprocessing_is_asked_like_any_other(
    command: Command, trained: dict[str, Path], faces: dict[str, Path], pictures: list[Path], tmp_path: Path
) -> None:
    wanted = command("predict", trained["split"], *pictures[:2], "--json")
    model = sn.load_model(trained["split"] / "model.safetensors")
    model.save(tmp_path / "m.keras")
    done = command("predict", tmp_path / "m.keras", *pictures[:2], "--json")
    assert done.status == 0, done.err
    for answer, expected in zip(json.loads(done.out), json.loads(wanted.out), strict=True):
        assert answer["class"] == expected["class"]
        assert answer["probabilities"] == pytest.approx(expected["probabilities"], rel=1e-5)
    done = command("evaluate", tmp_path / "m.keras", "--data", faces["csv"], "--split", "test")
    assert done.status == 0, done.err
    assert "images 21" in done.out


def test_what_is_missing_of_a_keras_files_training_is_said_in_one_line(
    command: Command, pictures: list[Path], tmp_path: Path
) -> None:
    from oracle import keras

    theirs = keras.Sequential([keras.Input((16, 16, 1)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")])
    theirs.compile("ftrl", "mse")
    theirs.save(tmp_path / "m.keras")
    done = command("predict", tmp_path / "m.keras", pictures[0])
    assert done.status == 1
    assert "m.keras: the model is there, but not how it is trained" in done.err
    assert "does not say its classes and preprocessing" in done.err
    assert "Warning" not in done.err


def test_models_that_do_not_fit_their_classes_or_preprocessing_are_refused(
    command: Command, pictures: list[Path], tmp_path: Path
) -> None:
    image = sn.Input((16, 16, 1))
    flat = sn.layers.Flatten()(image)
    one, two = sn.layers.Dense(1)(flat), sn.layers.Dense(2)(flat)
    for outputs, size, message in (
        (one, 16, r"gives results of shape (1,) for its 2 class names"),
        (image, 16, r"gives results of shape (16, 16, 1) for its 2 class names"),
        ([one, two], 16, "must take one image and give one result"),
        (two, 8, "makes images of shape (8, 8, 1), but "),
    ):
        model = sn.Model(image, outputs)
        model.class_names = ("a", "b")
        model.preprocessing = {"height": size, "width": size, "channels": 1}
        model.save(tmp_path / "m.safetensors")
        done = command("predict", tmp_path / "m.safetensors", pictures[0])
        assert done.status == 1
        assert message in done.err
        assert "Traceback" not in done.err


def test_real_faces_are_trained_on_and_evaluated(command: Command, shared_data: Path, tmp_path: Path) -> None:
    archive = shared_data / "fer2013" / "archive.zip"
    run = tmp_path / "run"
    done = command("train", "fer-small", "--data", archive, "--limit", 200, "--epochs", 1, "--out", run)
    assert done.status == 0, done.err
    assert "684,423 parameters, 170 training and 30 validation images, 7 classes" in done.out
    done = command("evaluate", run)
    assert done.status == 0, done.err
    result = metrics(run)["test"]
    assert result["images"] == 3589
    assert np.sum(result["confusion_matrix"]) == 3589
    assert 0.01 < float(str(result["accuracy"])) < 0.6
