"""`scratchnet evaluate`: what it prints, what it leaves in the run folder, and what it finds out about copies."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from face_sets import make_dataset
from tiny import TINY, Command, Done

import scratchnet as sn
from pipelines.data.dataset import Dataset
from pipelines.data.opening import open_data
from pipelines.data.preprocessing import Preprocessing
from pipelines.data.source import open_source
from pipelines.evaluation import evaluate_probabilities, load_predictions, predictions_of
from pipelines.evaluation.published import published_figures, told_caveats
from pipelines.evaluation.selection import Recorded, recorded_part
from pipelines.recipe_files import load_recipe
from pipelines.run import Run
from pipelines.training import train

FIGURES = (
    "confusion_matrix_test.png", "confusion_matrix_test_normalised.png", "roc_test.png", "precision_recall_test.png",
    "calibration_test.png", "predictions_test.png",
)  # fmt: skip


@pytest.fixture(scope="module")
def data(faces: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn faces, of which three test images are copies of training images: one under another label."""
    folder = Path(shutil.copytree(faces["split"], tmp_path_factory.mktemp("data") / "faces"))
    happy, sad = (sorted((folder / "train" / name).iterdir())[0] for name in ("happy", "sad"))
    shutil.copy(happy, folder / "test" / "happy" / "copy.png")
    shutil.copy(sad, folder / "test" / "fear" / "copy.png")
    # the same pixels in another file
    cv2.imwrite(str(folder / "test" / "sad" / "copy.bmp"), cv2.imread(str(sad), cv2.IMREAD_GRAYSCALE))
    return folder


@pytest.fixture(scope="module")
def trained(tiny_recipe: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on these faces."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    train(load_recipe(str(tiny_recipe)), open_source(data), str(data), folder, epochs=4)
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy, which a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def metrics(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return content


def test_everything_lands_in_the_run_folder(command: Command, run: Path) -> None:
    before = {path.name for path in run.iterdir()}
    done = command("evaluate", run)
    assert done.out.startswith(f"data: {Run(run).config()['data']}; 24 test images of 108 in all, 7 classes: ")
    assert done.status == 0, done.err
    assert {path.name for path in run.iterdir()} - before == {*FIGURES, "predictions_test.csv"}
    for name in FIGURES:
        picture = cv2.imread(str(run / name))
        assert picture is not None, name
        assert picture.std() > 5, f"{name} is blank"
        assert name in done.out
    measured = metrics(run)["test"]
    for words in (
        "balanced accuracy", "Cohen's kappa", "top-2 accuracy", "mean log loss", "Brier score", "ROC AUC",
        "expected calibration error", "95% interval", "weighted average", " taken for ",
        f"accuracy {measured['accuracy']:.4f}   macro F1 {measured['macro_f1']:.4f}   images 24",
    ):  # fmt: skip
        assert words in done.out, words
    assert {"training", "validation"} < set(metrics(run)), "earlier figures stay"


@pytest.mark.usefixtures("without_figures")
def test_the_predictions_are_the_models_and_give_every_figure_again(command: Command, run: Path) -> None:
    assert command("evaluate", run).status == 0
    said = load_predictions(Run(run), "test")
    again = evaluate_probabilities(said).to_json()
    measured = metrics(run)["test"]
    assert {name: measured[name] for name in again} == again
    model = sn.load_model(run / "model.safetensors")
    source = open_source(Run(run).config()["data"])
    for sample in (sample for sample in source.samples if sample.split == "test"):
        row = said.names.index(sample.name)
        assert said.labels[row] == sample.label
        pixels = source.read(sample)[None, :, :, None].astype(np.float32) / 255
        np.testing.assert_allclose(said.probabilities[row], model.predict(pixels)[0], rtol=1e-4, atol=1e-6)


def test_asking_the_model_tells_how_far_it_is(run: Path) -> None:
    source = open_source(Run(run).config()["data"])
    model = sn.load_model(run / "model.safetensors")
    dataset = Dataset(source, source.samples, Preprocessing.from_config(model.preprocessing or {}), batch_size=50)
    told: list[tuple[int, int]] = []
    said = predictions_of(model, dataset, progress=lambda *done: told.append(done))
    assert told == [(1, 3), (2, 3), (3, 3)]
    np.testing.assert_array_equal(said.probabilities, predictions_of(model, dataset).probabilities)


def test_training_leaves_the_predictions_of_the_validation_part(run: Path) -> None:
    said = load_predictions(Run(run), "validation")
    measured = metrics(run)["validation"]
    assert evaluate_probabilities(said).to_json() == measured
    assert set(said.names) == Run(run).part_of("validation")


def test_json_holds_everything_and_nothing_else_is_printed(command: Command, run: Path, stages: list[str]) -> None:
    done = command("evaluate", run, "--json")
    assert done.err.startswith("data: ")
    assert done.status == 0, done.err
    told = ["reading images", "asking the model", "drawing figures"]
    assert stages == told
    printed = json.loads(done.out)
    measured = metrics(run)["test"]
    assert {name: printed[name] for name in measured} == measured
    assert (printed["model"], printed["part"], printed["published"]) == (str(run), "test", None)
    assert (run / "roc_test.png").exists()


def copies_in_training(run: Path, *names: str) -> list[bool]:
    trained = Run(run).part_of("train")
    source = open_source(Run(run).config()["data"])
    pixels = {source.read(sample).tobytes() for sample in source.samples if sample.name in trained}
    return [
        source.read(next(sample for sample in source.samples if sample.name == name)).tobytes() in pixels
        for name in names
    ]


@pytest.mark.usefixtures("without_figures")
def test_copies_of_training_images_are_counted_and_left_out_of_a_second_accuracy(command: Command, run: Path) -> None:
    copied = copies_in_training(run, "test/happy/copy.png", "test/fear/copy.png", "test/sad/copy.bmp")
    assert any(copied), "the lot has held all of them back for validation"
    done = command("evaluate", run)
    found = metrics(run)["test"]["copies_of_training_images"]
    assert (found["images"], found["of"]) == (sum(copied), 24)
    assert f"{sum(copied)} of 24 images are, pixel by pixel, copies of training images" in done.out
    said = load_predictions(Run(run), "test")
    right = said.predicted == said.labels
    kept = [not (name.rsplit("/")[-1].startswith("copy") and copies_in_training(run, name)[0]) for name in said.names]
    assert found["accuracy"] == pytest.approx(right.mean())
    assert found["accuracy_without_copies"] == pytest.approx(right[kept].mean())
    assert found["accuracy_of_copies"] == pytest.approx(right[~np.array(kept)].mean())


def leaked(done: Done) -> dict[str, Any]:
    assert done.status == 0, done.err
    printed = json.loads(done.out)
    return {name: printed[name] for name in ("trained_on", "validated_on", "copies_of_training_images")}


@pytest.mark.usefixtures("without_figures")
def test_the_parts_of_the_training_itself_are_known_as_such(command: Command, run: Path) -> None:
    done = command("evaluate", run, "--split", "train")
    assert done.err == "leakage: 67 of these 67 images were trained on\n"
    assert "copies of training images" not in done.out, "all are"
    measured = metrics(run)["train"]
    assert measured["trained_on"] == measured["images"] == 67
    assert measured["copies_of_training_images"]["accuracy_without_copies"] is None
    done = command("evaluate", run, "--split", "validation")
    assert done.err == "leakage: 17 of these 17 images validated the training and may have chosen its epoch\n"
    assert (metrics(run)["validation"]["trained_on"], metrics(run)["validation"]["validated_on"]) == (0, 17)


@pytest.fixture(scope="module")
def trained_on_a_zip(tiny_recipe: Path, faces: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the archive of the faces."""
    folder = tmp_path_factory.mktemp("runs") / "zip"
    train(load_recipe(str(tiny_recipe)), open_source(faces["zip"]), str(faces["zip"]), folder, epochs=1)
    return folder


@pytest.mark.usefixtures("without_figures")
def test_images_are_known_again_in_any_other_file(
    command: Command, trained_on_a_zip: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    run = Path(shutil.copytree(trained_on_a_zip, tmp_path / "run"))
    coloured = tmp_path / "coloured"
    for path in (faces["split"] / "train").rglob("*.png"):
        target = coloured / path.parent.name / f"other-{path.stem}.bmp"
        target.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target), cv2.imread(str(path)))  # three equal channels instead of a grey one
    for data, split in ((faces["split"], "train"), (faces["csv"], "train"), (faces["zip"], "all"), (coloured, "all")):
        found = leaked(command("evaluate", run, "--data", data, "--split", split, "--json"))
        assert (found["trained_on"], found["validated_on"]) == (67, 17), data
        assert found["copies_of_training_images"]["images"] == 67
    found = leaked(command("evaluate", run, "--data", faces["split"], "--split", "test", "--json"))
    assert (found["trained_on"], found["validated_on"]) == (0, 0)
    # the model's file in the run stands for the run
    found = leaked(command("evaluate", run / "model.safetensors", "--data", faces["csv"], "--split", "train", "--json"))
    assert found["trained_on"] == 67


@pytest.mark.usefixtures("without_figures")
def test_drawn_faces_are_known_again_under_another_count(command: Command, tiny_recipe: Path, tmp_path: Path) -> None:
    source = open_data("drawn:70:0", load_recipe(str(tiny_recipe)).preprocessing)
    run = train(load_recipe(str(tiny_recipe)), source, "drawn:70:0", tmp_path / "run", epochs=1)
    # the faces of a smaller number are the first ones of a larger, only divided otherwise
    found = leaked(command("evaluate", run.folder, "--data", "drawn:69:0", "--split", "all", "--json"))
    shared = {name.rsplit("/")[-1] for name in run.part_of("train")} - {"69"}
    assert found["trained_on"] == len(shared) > 40
    found = leaked(command("evaluate", run.folder, "--data", "drawn:69:1", "--json"))
    assert found["trained_on"] == 0


@pytest.mark.usefixtures("without_figures")
def test_where_nothing_was_recorded_leakage_is_unknown(
    command: Command, run: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    unknown = {"trained_on": None, "validated_on": None, "copies_of_training_images": None}
    done = command("evaluate", shutil.copy(run / "model.safetensors", tmp_path), "--data", faces["csv"], "--json")
    assert leaked(done) == unknown
    assert "leakage is unknown" in done.err
    (run / "contents.csv").unlink()  # as earlier versions left it
    assert leaked(command("evaluate", run, "--json")) == unknown
    assert metrics(run)["test"]["trained_on"] is None


@pytest.mark.usefixtures("without_figures")
def test_test_images_that_are_no_longer_there_or_have_another_class_are_told(
    command: Command, run: Path, data: Path, tmp_path: Path
) -> None:
    moved = Path(shutil.copytree(data, tmp_path / "faces"))
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "data": str(moved)}))
    assert json.loads(command("evaluate", run, "--json").out)["recorded"] == {
        "images": 24, "found": 24, "relabelled": 0, "new": 0,
    }  # fmt: skip
    (moved / "test" / "happy" / "copy.png").rename(moved / "test" / "sad" / "copy.png")
    (moved / "test" / "sad" / "copy.bmp").unlink()
    done = command("evaluate", run)
    assert done.status == 0, done.err
    assert metrics(run)["test"]["recorded"] == {"images": 24, "found": 22, "relabelled": 0, "new": 1}
    assert "of 24 recorded images, 22 are in the data and 2 not" in done.err
    assert "1 of the data's test images were not recorded and are left out" in done.err
    shutil.rmtree(moved / "test")
    done = command("evaluate", run)
    assert done.status == 1
    assert "none of the test images that" in done.err


def test_an_image_that_has_another_class_under_its_name_is_counted(faces: dict[str, Path], run: Path) -> None:
    source = open_source(faces["csv"])
    split = [(sample.name, source.class_names[sample.label], sample.split) for sample in source.samples]
    split[-1] = (split[-1][0], "happy" if split[-1][1] != "happy" else "sad", "test")
    (run / "split.csv").write_text("\n".join(["name,class,part", *(",".join(row) for row in split)]))
    assert recorded_part(source, Run(run), "test") == Recorded(21, 21, 1, 0)
    assert recorded_part(source, Run(run), "all") is None
    assert recorded_part(source, None, "test") is None


def test_a_model_file_leaves_files_only_where_it_is_told_to(
    command: Command, run: Path, faces: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    model = shutil.copy(run / "model.safetensors", tmp_path / "here" / "m.safetensors")
    done = command("evaluate", model, "--data", faces["csv"], "--split", "test")
    assert done.status == 0, done.err
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["m.safetensors"]
    out = tmp_path / "figures"
    done = command("evaluate", model, "--data", faces["csv"], "--split", "test", "--out", out)
    assert done.status == 0, done.err
    (key,) = metrics(out)
    assert key.startswith("test-faces-")
    names = {f"{name.removesuffix('.png')}.png".replace("_test", f"_{key}") for name in FIGURES}
    assert {path.name for path in out.iterdir()} == {*names, f"predictions_{key}.csv", "metrics.json"}
    assert len(load_predictions(Run(out), key).names) == 21


def test_a_runs_figures_may_go_elsewhere_but_not_into_another_run(command: Command, run: Path, tmp_path: Path) -> None:
    before = sorted(run.iterdir())
    done = command("evaluate", run, "--out", tmp_path / "elsewhere")
    assert done.status == 0, done.err
    assert sorted(run.iterdir()) == before
    assert "test" not in metrics(run)
    assert (tmp_path / "elsewhere" / "roc_test.png").exists()
    other = shutil.copytree(run, tmp_path / "other")
    done = command("evaluate", run, "--out", other)
    assert done.status == 1
    assert "other is another run's folder; choose another --out" in done.err
    (tmp_path / "file").write_text("")
    done = command("evaluate", run, "--out", tmp_path / "file")
    assert done.status == 1
    assert "file is a file; choose another --out" in done.err


@pytest.mark.usefixtures("without_figures")
def test_what_is_published_stands_beside_our_figures(command: Command, run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    config["recipe"]["published"] = {
        "system": "A system of others",
        "accuracy": {"test": 0.454, "validation": 0.654},
        "macro_f1": 0.388,
        "f1": {"Happy": 0.769, "surprised": 0.681},
        "recall": {"sad": 0.337},
        "note": "On other images.",
    }
    (run / "config.json").write_text(json.dumps(config))
    done = command("evaluate", run)
    assert done.status == 0, done.err
    assert "majority-class baseline (" in done.out
    assert "not comparable" not in done.out
    for words in ("published F1", "published recall", "0.454", "0.388", "0.769", "0.681", "0.337"):
        assert words in done.out, words
    assert "published: A system of others. On other images." in done.out
    done = command("evaluate", run, "--split", "validation")
    assert "0.654" in done.out
    assert "published F1" not in done.out, "the figures of classes are of the test"
    others = json.loads(command("evaluate", run, "--json").out)["published"]
    assert others["f1"] == {"happy": 0.769, "surprise": 0.681}
    assert others["caveats"] == []
    assert "published:" not in command("evaluate", run, "--split", "train").out


@pytest.mark.parametrize(
    ("settings", "published", "caveat"),
    [
        ({"limit": 60}, {}, "trained on at most 60 images (--limit)"),
        ({"epochs": 1}, {}, "trained for at most 1 of 2 epochs"),
        ({"changes": ["training.epochs=2"]}, {}, "trained with other settings (training.epochs=2)"),
        ({"data": "drawn:70:0"}, {"data": "FER-2013"}, "measured on drawn faces, published on FER-2013"),
        ({}, {"data": "FER-2013", "images": 9}, "measured on data of 108 images, published on FER-2013, which has 9"),
        ({}, {"data": "their own photos"}, "published on their own photos"),
        ({}, {"data": "FER-2013", "images": 108}, ""),
    ],
)
def test_figures_that_cannot_be_compared_with_published_ones_are_marked(
    settings: dict[str, object], published: dict[str, object], caveat: str, run: Path
) -> None:
    config = json.loads((run / "config.json").read_text())
    config["recipe"]["published"] = {"system": "Others", "accuracy": {"test": 0.5}, **published}
    (run / "config.json").write_text(json.dumps({**config, **settings}))
    found = published_figures(Run(run), "test")
    assert found is not None
    assert told_caveats(found.caveats).endswith(caveat)
    assert bool(found.caveats) == bool(caveat)


@pytest.mark.usefixtures("without_figures")
@pytest.mark.parametrize("split", ["test", "all"])
def test_classes_without_images_are_named(
    command: Command, run: Path, faces: dict[str, Path], tmp_path: Path, split: str
) -> None:
    fewer = shutil.copytree(faces["split" if split == "test" else "folder"], tmp_path / "fewer")
    shutil.rmtree(fewer / "test" / "disgust" if split == "test" else fewer / "disgust")
    done = command("evaluate", run, "--data", fewer, "--split", split)
    assert done.status == 0, done.err
    assert "without images, and in no average: disgust" in done.out
    (measured,) = (value for key, value in metrics(run).items() if key.startswith(f"{split}-"))
    assert measured["absent_classes"] == ["disgust"]
    assert measured["per_class"]["disgust"]["f1"] is None
    assert "NaN" not in (run / "metrics.json").read_text()


@pytest.mark.usefixtures("without_figures")
def test_intervals_resample_scenes_where_a_manifest_tells_them(
    command: Command, tiny_recipe: Path, tmp_path: Path
) -> None:
    make_dataset(tmp_path / "data", ["happy", "sad", "angry", "fear"] * 20, per_scene=4)
    source = open_source(tmp_path / "data")
    run = train(load_recipe(str(tiny_recipe)), source, str(tmp_path / "data"), tmp_path / "run", epochs=1)
    done = command("evaluate", run.folder)
    assert done.status == 0, done.err
    tested = metrics(run.folder)["test"]
    assert tested["interval_groups"] * 4 == tested["images"] == 16
    assert "intervals resample 4 groups of images that belong together" in done.out
    groups = load_predictions(run, "test").groups
    assert groups is not None
    assert np.unique(groups, return_counts=True)[1].tolist() == [4] * 4


@pytest.mark.usefixtures("without_figures")
def test_names_of_data_that_no_file_can_have_are_shortened(
    command: Command, run: Path, data: Path, tmp_path: Path
) -> None:
    odd = shutil.copytree(data, tmp_path / ("caf\udce9 : " + "x" * 200))
    done = command("evaluate", run, "--data", odd)
    assert done.status == 0, done.err
    (name,) = (path.name for path in run.glob("predictions_test-*.csv"))
    assert name.startswith("predictions_test-caf-")
    assert len(name) < 80


@pytest.mark.usefixtures("without_figures")
def test_a_model_with_one_sigmoid_unit_is_evaluated_as_two_classes(
    command: Command, faces: dict[str, Path], tmp_path: Path
) -> None:
    for split in ("train", "test"):
        for name in ("happy", "sad"):
            shutil.copytree(faces["split"] / split / name, tmp_path / "faces" / split / name)
    recipe = tmp_path / "two.toml"
    recipe.write_text(
        TINY.replace('units = "classes"\nactivation = "softmax"', 'units = 1\nactivation = "sigmoid"').replace(
            "batch_size = 16", 'batch_size = 16\nloss = "binary_crossentropy"'
        )
    )
    run = tmp_path / "run"
    assert command("train", "--recipe", recipe, "--data", tmp_path / "faces", "--out", run).status == 0
    done = command("evaluate", run)
    assert done.status == 0, done.err
    with (run / "predictions_test.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["name", "class", "happy", "sad"]
    assert all(float(row["happy"]) + float(row["sad"]) == pytest.approx(1) for row in rows)
    measured = metrics(run)["test"]
    assert measured["top2_accuracy"] is None
    assert np.shape(measured["confusion_matrix"]) == (2, 2)
    assert "top-2" not in done.out


# Keras asks TensorFlow's tensors for a copy in NumPy's old way
@pytest.mark.usefixtures("without_figures")
def test_a_run_of_keras_is_asked_through_keras(
    command: Command, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorflow")
    assert command("evaluate", run).status == 0
    ours = load_predictions(Run(run), "test")
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "engine": "keras"}))
    asked = []
    from pipelines import keras_engine

    def predict_keras(*arguments: Any) -> Any:
        asked.append(arguments)
        return original(*arguments)

    original = keras_engine.predict_keras
    monkeypatch.setattr(keras_engine, "predict_keras", predict_keras)
    done = command("evaluate", run)
    assert done.status == 0, done.err
    assert len(asked) == 1
    np.testing.assert_allclose(load_predictions(Run(run), "test").probabilities, ours.probabilities, atol=1e-5)


def test_a_run_that_is_overwritten_takes_its_evaluations_along_and_nothing_else(
    command: Command, tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("evaluation.drawing", "figures.of_run"):
        monkeypatch.setattr(f"pipelines.{module}.save_figure", lambda _, path: path.write_bytes(b"drawn"))
    run = tmp_path / "run"
    training = ("train", "--recipe", tiny_recipe, "--data", "drawn:70", "--epochs", 1, "--out", run)
    assert command(*training).status == 0
    assert command("evaluate", run).status == 0
    assert command("evaluate", run, "--data", "drawn:70:5").status == 0
    mine = ("roc_paper.png", "predictions_mine.csv", "confusion_matrix_old.png", "calibration_test.txt")
    for name in mine:
        (run / name).write_text("mine")
    assert len(list(run.glob("*_test-drawn-70-5-*"))) == 7
    assert command(*training, "--overwrite").status == 0
    assert {path.name for path in run.iterdir()} == {
        "config.json", "split.csv", "contents.csv", "history.csv", "metrics.json", "curves.png", "model.safetensors",
        "augmented.png", "class_distribution.png", "confusion_matrix_validation.png", "predictions_validation.csv",
        *mine,
    }  # fmt: skip


@pytest.mark.usefixtures("without_figures")
def test_a_figures_place_may_be_the_runs_own(command: Command, run: Path) -> None:
    assert command("evaluate", run, "--out", run).status == 0
    assert "test" in metrics(run)


@pytest.mark.usefixtures("without_figures")
def test_a_model_that_says_nothing_finite_is_named_and_nothing_is_written(command: Command, run: Path) -> None:
    model = sn.load_model(run / "model.safetensors")
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    model.save(run / "model.safetensors")
    before = sorted(run.iterdir())
    done = command("evaluate", run)
    assert done.status == 1
    assert "its training has diverged, so train it again" in done.err
    assert len(done.err.splitlines()) == 1
    assert sorted(run.iterdir()) == before
