"""`scratchnet crossval`: what it leaves behind, what the held-out folds are used for, and what it refuses."""

import csv
import json
import shutil
from pathlib import Path

import cv2
import joblib
import numpy as np
import pytest
from tiny import PLAIN, TINY, Command

import scratchnet as sn
from pipelines.crossval.folder import CrossvalFolder
from pipelines.crossval.folds import make_folds
from pipelines.crossval.results import HELD_OUT
from pipelines.crossval.running import run_crossval
from pipelines.data.dataset import Dataset
from pipelines.data.source import open_source
from pipelines.errors import UserError
from pipelines.evaluation import load_predictions
from pipelines.recipe_files import load_recipe
from pipelines.run import Run
from pipelines.training import train

FIGURES = ["accuracy_per_fold.png", "confusion_matrix.png", "fold_accuracies.png", "loss_per_fold.png"]


@pytest.fixture(scope="module")
def plain_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe that keeps its last epoch and chooses nothing."""
    path = tmp_path_factory.mktemp("recipes") / "plain.toml"
    path.write_text(PLAIN + "[published]\nsystem = 'Another'\nfolds = [0.5, 0.25]\n")
    return path


@pytest.fixture(scope="module")
def plain(plain_recipe: Path, faces: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a cross-validation of it with two folds."""
    folder = tmp_path_factory.mktemp("plain") / "crossval"
    run_crossval(load_recipe(str(plain_recipe)), str(faces["split"]), folder, folds=2, seed=3)
    return folder


def parts_of(path: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["part"], set()).add(row["name"])
    return found


def told(folder: Path) -> dict:
    return json.loads((folder / "crossval.json").read_text())


def weights_of(run: Path) -> list[np.ndarray]:
    return sn.load_model(run / "model.safetensors").get_weights()


def check_same(one: Path, other: Path, folds: int) -> None:
    for fold in range(1, folds + 1):
        for mine, its in zip(weights_of(one / f"fold_{fold}"), weights_of(other / f"fold_{fold}"), strict=True):
            np.testing.assert_array_equal(mine, its)
    figures = [told(folder)["results"] for folder in (one, other)]
    for results in figures:
        for fold in results["folds"]:
            del fold["seconds"]
    assert figures[0] == figures[1]


def test_a_cross_validation_leaves_everything_behind(
    command: Command, plain_recipe: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "crossval"
    done = command("crossval", "--recipe", plain_recipe, "--folds", 2, "--data", faces["split"], "--out", out)
    assert done.status == 0, done.err
    assert done.out.startswith(f"data: {faces['split']}; 84 cross-validated and 21 test images, 7 classes: ")
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [*FIGURES, "crossval.json", "fold_1", "fold_2", "folds.csv", "split.csv"]
    )
    for name in FIGURES:
        picture = cv2.imread(str(out / name))
        assert picture is not None, name
        assert picture.std() > 5, f"{name} is blank"
    content = told(out)
    assert (content["folds"], content["seed"], content["epochs"], content["engine"]) == (2, 0, 2, "scratch")
    assert content["recipe"]["name"] == "tiny"
    assert content["versions"]["scratchnet"] == sn.__version__
    folds = content["results"]["folds"]
    assert [fold["images"] for fold in folds] == [42, 42]
    mean = np.mean([fold["accuracy"] for fold in folds])
    assert content["results"]["mean"]["accuracy"] == pytest.approx(mean)
    assert content["results"]["pooled"]["images"] == 84
    for line in ("nothing is chosen by validation images", "fold 1 of 2, epoch 1/2", "fold 2 of 2 is done: accuracy",
                 "published accuracy", "std (n - 1)", "0.3750", "fold 1 of 2, reached 2 epochs; the first epoch",
                 f"everything is in {out}"):  # fmt: skip
        assert line in done.out, line
    assert f"{mean:.4f}" in done.out


def test_folds_are_runs_like_any_other(plain_recipe: Path, plain: Path, faces: dict[str, Path], tmp_path: Path) -> None:
    recipe, source = load_recipe(str(plain_recipe)), open_source(faces["split"])
    made = make_folds(source, 2, recipe.data.test, seed=3)
    parts = made.parts(1, None, 3, source.class_names)
    run = train(recipe, source, str(faces["split"]), tmp_path / "run", seed=3, parts=parts)
    for mine, its in zip(weights_of(run.folder), weights_of(plain / "fold_2"), strict=True):
        np.testing.assert_array_equal(mine, its)
    assert (run.folder / "split.csv").read_text() == (plain / "fold_2" / "split.csv").read_text()


def test_where_nothing_is_chosen_the_curve_is_that_of_the_held_out_fold(plain: Path) -> None:
    split = parts_of(plain / "split.csv")
    assert told(plain)["inner_validation"] is None
    for number, other in ((1, 2), (2, 1)):
        parts = parts_of(plain / f"fold_{number}" / "split.csv")
        assert parts == {
            "train": split[f"fold_{other}"],
            "validation": split[f"fold_{number}"],
            "test": split["test"],
        }
        with (plain / f"fold_{number}" / "history.csv").open(newline="") as file:
            last = list(csv.DictReader(file))[-1]
        figures = told(plain)["results"]["folds"][number - 1]
        assert figures["epoch"] == 2
        assert figures["accuracy"] == pytest.approx(float(last["val_accuracy"]))
        assert figures["loss"] == pytest.approx(float(last["val_loss"]), rel=1e-4)


def test_where_something_is_chosen_it_is_by_images_of_the_other_folds(
    command: Command, tiny_recipe: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    out, data = tmp_path / "crossval", faces["split"]
    done = command("crossval", "--recipe", tiny_recipe, "--folds", 2, "--data", data, "--out", out, "--epochs", 1)
    assert done.status == 0, done.err
    assert "by 20% of the other folds' images; each held-out fold is measured once" in done.out
    assert told(out)["inner_validation"] == 0.2
    split = parts_of(out / "split.csv")
    for number, other in ((1, 2), (2, 1)):
        parts = parts_of(out / f"fold_{number}" / "split.csv")
        assert parts["train"] | parts["validation"] == split[f"fold_{other}"]
        assert not parts["train"] & parts["validation"]
        assert len(parts["validation"]) == 8
        assert parts["test"] == split["test"]
        # the figures are those of the kept model on the fold that no part of the training has
        source = open_source(data)
        held_out = [sample for sample in source.samples if sample.name in split[f"fold_{number}"]]
        dataset = Dataset(source, held_out, load_recipe(str(tiny_recipe)).preprocessing)
        model = sn.load_model(out / f"fold_{number}" / "model.safetensors")
        right = model.predict(dataset).argmax(axis=-1) == dataset.labels
        assert told(out)["results"]["folds"][number - 1]["accuracy"] == pytest.approx(right.mean())
        predictions = load_predictions(Run(out / f"fold_{number}"), HELD_OUT)
        assert predictions.names == tuple(sample.name for sample in held_out)
        np.testing.assert_array_equal(predictions.predicted == predictions.labels, right)


def test_folds_together_hold_out_everything_but_the_test(plain: Path, faces: dict[str, Path]) -> None:
    source = open_source(faces["split"])
    split = parts_of(plain / "split.csv")
    assert split["test"] == {sample.name for sample in source.samples if sample.split == "test"}
    assert split["fold_1"] | split["fold_2"] == {s.name for s in source.samples if s.split == "train"}
    assert not split["fold_1"] & split["fold_2"]


def test_any_number_of_processes_gives_the_same_bits(
    command: Command, plain_recipe: Path, plain: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    arguments = ("--folds", 2, "--data", faces["split"], "--seed", 3, "--out", tmp_path / "crossval", "--jobs", 2)
    done = command("crossval", "--recipe", plain_recipe, *arguments)
    assert done.status == 0, done.err
    check_same(tmp_path / "crossval", plain, 2)


def test_another_backend_of_joblib_gives_the_same_bits(
    plain_recipe: Path, plain: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    with joblib.parallel_config(backend="threading", n_jobs=2):
        run_crossval(load_recipe(str(plain_recipe)), str(faces["split"]), tmp_path / "other", folds=2, seed=3)
    check_same(tmp_path / "other", plain, 2)


def test_a_backend_that_forks_is_refused(plain_recipe: Path, faces: dict[str, Path], tmp_path: Path) -> None:
    recipe, data = load_recipe(str(plain_recipe)), str(faces["split"])
    with (
        joblib.parallel_config(backend="multiprocessing", n_jobs=2),
        pytest.raises(UserError, match="'multiprocessing' forks, which OpenCV and TensorFlow do not survive; choose"),
    ):
        run_crossval(recipe, data, tmp_path / "crossval", folds=2)
    assert not (tmp_path / "crossval").exists()


def test_keras_trains_the_same_folds(
    command: Command, plain_recipe: Path, plain: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    pytest.importorskip("tensorflow")
    out = tmp_path / "crossval"
    arguments = ("--folds", 2, "--data", faces["split"], "--seed", 3, "--out", out, "--engine", "keras")
    done = command("crossval", "--recipe", plain_recipe, *arguments)
    assert done.status == 0, done.err
    assert (out / "split.csv").read_text() == (plain / "split.csv").read_text()
    assert told(out)["engine"] == "keras"
    for number in (1, 2):
        assert (out / f"fold_{number}" / "model.keras").exists()
        with (out / f"fold_{number}" / "history.csv").open(newline="") as file:
            last = list(csv.DictReader(file))[-1]
        assert told(out)["results"]["folds"][number - 1]["accuracy"] == pytest.approx(float(last["val_accuracy"]))


def test_the_default_folder_is_named_after_recipe_and_engine(
    command: Command, plain_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command("crossval", "--recipe", plain_recipe, "--data", "drawn:70", "--folds", 2, "--epochs", 1).status == 0
    assert (tmp_path / "runs" / "tiny-crossval" / "crossval.json").exists()


def test_a_finished_cross_validation_is_replaced_only_on_request(
    command: Command, plain_recipe: Path, plain: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "crossval"
    shutil.copytree(plain, out)
    (out / "notes.txt").write_text("mine")
    (out / "fold_3").mkdir()
    (out / "fold_3" / "history.csv").write_text("not a run's")
    before = (out / "fold_1" / "model.safetensors").read_bytes()
    again = ("crossval", "--recipe", plain_recipe, "--folds", 2, "--data", faces["split"], "--out", out)
    done = command(*again)
    assert done.out.startswith("data: ")  # before all images are read to look for copies
    assert done.status == 1
    assert "holds a finished cross-validation; choose another --out, or pass --overwrite" in done.err
    assert len(done.err.splitlines()) == 1
    assert (out / "fold_1" / "model.safetensors").read_bytes() == before
    done = command(*again, "--overwrite", "--epochs", 1)
    assert done.status == 0, done.err
    assert told(out)["epochs"] == 1
    assert (out / "fold_1" / "model.safetensors").read_bytes() != before
    assert (out / "notes.txt").read_text() == "mine"
    assert (out / "fold_3" / "history.csv").exists()


def test_of_an_unfinished_one_only_what_lacks_is_done(
    command: Command, plain_recipe: Path, plain: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "crossval"
    shutil.copytree(plain, out)
    CrossvalFolder(out).finish(results=None)
    unfinished = told(out)
    del unfinished["results"]
    (out / "crossval.json").write_text(json.dumps(unfinished))
    metrics = json.loads((out / "fold_2" / "metrics.json").read_text())
    del metrics["held_out"]  # killed between training and measuring
    (out / "fold_2" / "metrics.json").write_text(json.dumps(metrics))
    arguments = ("--folds", 2, "--data", faces["split"], "--seed", 3, "--out", out)
    done = command("crossval", "--recipe", plain_recipe, *arguments)
    assert done.status == 0, done.err
    assert "going on with the interrupted cross-validation" in done.out
    assert "fold 1 of 2 was done before: accuracy" in done.out
    assert "epoch 1/2" not in done.out
    assert "fold 2 of 2 is done" in done.out
    check_same(out, plain, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--seed", 4), "an unfinished cross-validation with another seed"),
        (("--folds", 3), "an unfinished cross-validation with another folds"),
        (("--set", "training.batch_size=8"), "another recipe"),
    ],
)
def test_an_unfinished_one_of_another_kind_is_not_mixed_with_this_one(
    arguments: tuple[object, ...], message: str, command: Command, plain_recipe: Path, plain: Path,
    faces: dict[str, Path], tmp_path: Path,
) -> None:  # fmt: skip
    out = tmp_path / "crossval"
    shutil.copytree(plain, out)
    content = told(out)
    del content["results"]
    (out / "crossval.json").write_text(json.dumps(content))
    usual = ("--recipe", plain_recipe, "--data", faces["split"], "--seed", 3, "--folds", 2, "--out", out)
    done = command("crossval", *usual, *arguments)
    assert done.status == 1
    assert message in done.err
    assert len(done.err.splitlines()) == 1
    assert told(out) == content


def test_an_unfinished_one_does_not_go_on_with_other_images(
    command: Command, plain_recipe: Path, plain: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    out, images = tmp_path / "crossval", tmp_path / "images"
    shutil.copytree(plain, out)
    shutil.copytree(faces["split"], images)
    content = told(out)
    del content["results"]
    (out / "crossval.json").write_text(json.dumps({**content, "data": str(images)}))
    first = next(images.glob("train/happy/*.png"))
    shutil.copy(first, first.with_name("another.png"))
    done = command("crossval", "--recipe", plain_recipe, "--data", images, "--seed", 3, "--folds", 2, "--out", out)
    assert done.status == 1
    assert "the data have changed" in done.err


def test_a_fold_of_another_kind_is_not_counted(
    command: Command, plain_recipe: Path, plain: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "crossval"
    shutil.copytree(plain, out)
    content = told(out)
    del content["results"]
    (out / "crossval.json").write_text(json.dumps(content))
    shutil.rmtree(out / "fold_1")
    shutil.copytree(out / "fold_2", out / "fold_1")
    usual = ("--recipe", plain_recipe, "--data", faces["split"], "--seed", 3, "--folds", 2, "--out", out)
    done = command("crossval", *usual)
    assert done.status == 1
    assert f"fold 1 of 2: {out / 'fold_1'} holds a run of another kind; delete it to train this fold anew" in done.err


def test_folders_of_something_else_are_left_alone(command: Command, plain_recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "mother.txt").write_text("Dear mother")
    (tmp_path / "file").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "crossval.json").write_text('{"kind": "another program\'s"}')
    for name, message in (
        ("letters", "is not empty and is not a cross-validation"),
        ("file", "is a file"),
        ("other", "is not empty and is not a cross-validation"),
    ):
        for extra in ((), ("--overwrite",)):
            done = command("crossval", "--recipe", plain_recipe, "--data", "drawn:70", "--out", tmp_path / name, *extra)
            assert done.status == 1
            assert message in done.err
            assert len(done.err.splitlines()) == 1
    assert (tmp_path / "letters" / "mother.txt").read_text() == "Dear mother"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--folds", 1), 2, "folds"),
        (("--folds", 9), 1, "has 8 images outside the test part, too few for 9 folds; pass --folds 8"),
        (("--folds", 4, "--limit", 14), 1, "raise the limit of 14"),
        (("--folds", 2, "--set", "network.1.filters=0"), 1, "layer 1"),
        (("--data", "/no/such/folder"), 1, "/no/such/folder does not exist"),
        (("--jobs", 0), 2, "jobs"),
        (("--engine", "torch"), 2, "engine"),
    ],
)
def test_wrong_use_ends_in_one_sentence_and_writes_nothing(
    arguments: tuple[object, ...], status: int, message: str, command: Command, plain_recipe: Path, tmp_path: Path
) -> None:
    done = command("crossval", "--recipe", plain_recipe, "--data", "drawn:70", "--out", tmp_path / "new", *arguments)
    assert done.status == status
    assert message in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "new").exists()


def test_a_training_that_diverges_names_its_fold(command: Command, faces: dict[str, Path], tmp_path: Path) -> None:
    recipe = tmp_path / "wild.toml"
    recipe.write_text(TINY.replace('name = "adam"\nlearning_rate = 0.01', 'name = "sgd"\nlearning_rate = 1e30'))
    out = tmp_path / "crossval"
    done = command("crossval", "--recipe", recipe, "--folds", 2, "--data", faces["split"], "--out", out)
    assert done.status == 1
    assert "fold 1 of 2: training diverged" in done.err
    assert len(done.err.splitlines()) == 1


def test_broken_images_are_named_and_not_counted(
    command: Command, plain_recipe: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(faces["split"], tmp_path / "faces")
    broken = next((tmp_path / "faces" / "train" / "happy").iterdir())
    broken.write_text("no image")
    out = tmp_path / "crossval"
    done = command(
        "crossval", "--recipe", plain_recipe, "--folds", 2, "--epochs", 1, "--data", tmp_path / "faces", "--out", out
    )
    assert done.status == 0, done.err
    assert broken.name in done.err
    assert told(out)["results"]["pooled"]["images"] == 83
