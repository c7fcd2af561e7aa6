"""`scratchnet explain`: figures of a run or a model file, of images that are no test images, and clear sentences."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image
from tiny import Command

import scratchnet as sn
from pipelines.data.preprocessing import Preprocessing
from pipelines.data.source import open_source
from pipelines.errors import UserError
from pipelines.explaining import NAMES
from pipelines.faces import by_turns, faces_of_source, unseen_samples
from pipelines.figures.saving import save_figure
from pipelines.recipe_files import load_recipe
from pipelines.run import Run
from pipelines.training import train
from scratchnet import layers


@pytest.fixture(scope="module")
def trained(tiny_recipe: Path, faces: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on data with a test split."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    train(load_recipe(str(tiny_recipe)), open_source(faces["split"]), str(faces["split"]), folder, epochs=1)
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy, which a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_run_is_explained_with_its_validation_images(
    command: Command, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    original = Preprocessing.__call__
    source = Run(run).open_data()
    names = {source.read(sample).tobytes(): sample.name for sample in source.samples}

    def remember(self: Preprocessing, image: np.ndarray) -> np.ndarray:
        read.append(names[image.tobytes()])
        return original(self, image)

    monkeypatch.setattr(Preprocessing, "__call__", remember)
    before = {path: path.read_bytes() for path in run.iterdir() if path.is_file()}
    done = command("explain", run, "--count", 5)
    assert "; 5 shown images of " in done.out.splitlines()[0]
    assert done.status == 0, done.err
    assert written(run / "explain") == sorted(NAMES)
    assert len(read) == 5
    assert set(read) <= Run(run).part_of("validation")
    for name in NAMES:
        if name.endswith(".png"):
            assert cv2.imread(str(run / "explain" / name)) is not None
    model = sn.load_model(run / "model.safetensors")
    for word in ("Conv2D", "BatchNormalization", "Dense", f"{model.count_params():,} parameters"):
        assert word in done.out
    assert {path: path.read_bytes() for path in before} == before


def test_the_same_command_writes_the_same_bytes_and_another_seed_shows_other_faces(command: Command, run: Path) -> None:
    contents = []
    for seed in (0, 0, 1):
        done = command("explain", run, "--count", 3, "--seed", seed)
        assert done.status == 0, done.err
        contents.append({name: (run / "explain" / name).read_bytes() for name in NAMES})
    assert contents[0] == contents[1]
    assert contents[1]["grad_cam.png"] != contents[2]["grad_cam.png"]
    assert contents[1]["architecture.svg"] == contents[2]["architecture.svg"]


def test_image_files_are_explained_and_those_that_are_broken_are_named(
    command: Command, run: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    good = sorted((faces["folder"] / "happy").glob("*.png"))[:2]
    done = command("explain", run, broken, *good, tmp_path / "absent.png", "--out", tmp_path / "out")
    assert done.status == 0, done.err
    assert written(tmp_path / "out") == sorted(NAMES)
    assert f"skipped {broken}: not a readable image" in done.err
    assert f"skipped {tmp_path / 'absent.png'}: No such file" in done.err


def test_of_a_model_file_the_figures_without_images_are_drawn_and_the_rest_is_told(
    command: Command, run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    save_figure(Figure(), out / "grad_cam.png")  # of an earlier model
    (out / "notes.txt").write_text("mine")
    done = command("explain", run / "model.safetensors", "--out", out)
    assert done.status == 0, done.err
    assert written(out) == ["architecture.png", "architecture.svg", "filters.png", "notes.txt"]
    assert "pass --data" in done.out
    done = command("explain", run / "model.safetensors", "--out", out, "--data", "drawn:30:1", "--count", 2)
    assert done.status == 0, done.err
    assert written(out) == sorted([*NAMES, "notes.txt"])


def test_another_layer_may_be_looked_at(command: Command, run: Path) -> None:
    *_, normalisation, _, _, dense = [layer.name for layer in sn.load_model(run / "model.safetensors").layers]
    done = command("explain", run, "--layer", normalisation, "--count", 1)
    assert done.status == 0, done.err
    done = command("explain", run, "--layer", dense, "--count", 1)
    assert done.status == 1
    assert f"'{dense}'" in done.err
    assert normalisation in done.err


def save(model: sn.Model, path: Path, names: tuple[str, ...] | None = ("sad", "happy"), size: int = 16) -> Path:
    model.class_names = names
    model.preprocessing = Preprocessing(size, size, 1).to_config() if names else None
    model.save(path)
    return path


def two_classes(faces: dict[str, Path], folder: Path) -> Path:
    for name in ("sad", "happy"):
        shutil.copytree(faces["folder"] / name, folder / name)
    return folder


def test_a_single_sigmoid_unit_is_explained(command: Command, faces: dict[str, Path], tmp_path: Path) -> None:
    stack = [layers.Input((16, 16, 1)), layers.Conv2D(2, 3, activation="relu"), layers.Flatten()]
    path = save(sn.Sequential([*stack, layers.Dense(1, activation="sigmoid")]), tmp_path / "two.safetensors")
    done = command("explain", path, "--data", two_classes(faces, tmp_path / "data"), "--out", tmp_path / "out")
    assert done.status == 0, done.err
    assert written(tmp_path / "out") == sorted(NAMES)


def test_figures_of_somebody_else_are_left_alone(command: Command, tmp_path: Path) -> None:
    model = save(
        sn.Sequential([sn.Input((16, 16, 1)), sn.layers.Flatten(), sn.layers.Dense(2)]), tmp_path / "m.safetensors"
    )
    own = tmp_path / "figures" / "grad_cam.png"
    own.parent.mkdir()
    Image.new("L", (4, 4)).save(own)
    before = own.read_bytes()
    done = command("explain", model, "--out", own.parent)
    assert done.status == 1
    assert "grad_cam.png is not a figure of this program" in done.err
    assert own.read_bytes() == before
    assert written(own.parent) == ["grad_cam.png"]


def test_without_convolutions_there_is_no_grad_cam(command: Command, faces: dict[str, Path], tmp_path: Path) -> None:
    stack = [layers.Input((16, 16, 1)), layers.Flatten(), layers.Dense(2, activation="softmax")]
    path = save(sn.Sequential(stack), tmp_path / "dense.safetensors")
    done = command("explain", path, "--data", two_classes(faces, tmp_path / "data"), "--out", tmp_path / "out")
    assert done.status == 0, done.err
    assert written(tmp_path / "out") == ["architecture.png", "architecture.svg"]
    assert "no convolution" in done.out


def test_a_model_of_several_inputs_has_a_diagram_and_no_more(command: Command, tmp_path: Path) -> None:
    left, right = layers.Input((8, 8, 1)), layers.Input((8, 8, 1))
    joined = layers.Flatten()(layers.Add()([layers.Conv2D(2, 3, padding="same")(left), right]))
    path = save(sn.Model([left, right], layers.Dense(2)(joined)), tmp_path / "eyes.safetensors", names=None)
    done = command("explain", path, "--out", tmp_path / "out")
    assert done.status == 0, done.err
    assert written(tmp_path / "out") == ["architecture.png", "architecture.svg", "filters.png"]
    done = command("explain", path, "--out", tmp_path / "more", "--data", "drawn")
    assert done.status == 1
    assert "does not say its classes and preprocessing" in done.err
    assert written(tmp_path / "more") == []


def test_mistakes_end_in_one_sentence_and_nothing_is_written(
    command: Command, run: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    broken, file = tmp_path / "broken.png", tmp_path / "file"
    broken.write_bytes(b"")
    file.write_text("")
    only_test = tmp_path / "only test"
    shutil.copytree(faces["split"] / "test", only_test / "test")
    out = tmp_path / "out"
    for arguments, said in (
        (("absent",), "absent does not exist"),
        ((tmp_path,), "is not a run"),
        ((run, broken), "none of the image files can be read"),
        ((run, broken, "--data", "drawn"), "either image files or --data"),
        ((run, "--data", "nowhere"), "nowhere does not exist"),
        ((run, "--data", only_test), "test images only"),
        ((run, "--layer", "conv9"), "has no layer 'conv9'"),
        ((run / "model.safetensors", "--layer", "conv9"), "has no layer 'conv9'"),
    ):
        done = command("explain", *arguments, "--out", out)
        assert done.status == 1, said
        assert said in done.err
        assert done.err.splitlines()[-1].startswith("scratchnet: ")
        assert "Traceback" not in done.err
        assert not out.exists()
    done = command("explain", run, "--out", file)
    assert done.status == 1
    assert f"{file} is a file" in done.err


def test_an_explained_run_can_be_overwritten(
    run: Path, command: Command, tiny_recipe: Path, faces: dict[str, Path]
) -> None:
    assert command("explain", run, "--count", 1).status == 0
    done = command(
        "train", "--recipe", tiny_recipe, "--data", faces["split"], "--epochs", 1, "--out", run, "--overwrite"
    )
    assert done.status == 0, done.err
    assert not (run / "explain").exists()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(0, 9))
def test_classes_take_turns(labels: list[int], seed: int) -> None:
    order = by_turns(labels, seed)
    assert sorted(order) == list(range(len(labels)))
    seen: dict[int, int] = {}
    for position in order:
        turn = seen.get(labels[position], 0)
        # nobody comes a second time before all others that are left have come once
        assert all(count >= turn or count == labels.count(label) for label, count in seen.items())
        assert all(label in seen for label in set(labels)) or turn == 0
        seen[labels[position]] = turn + 1


def test_a_broken_image_makes_room_for_another(faces: dict[str, Path], tmp_path: Path) -> None:
    folder = two_classes(faces, tmp_path / "data")
    broken = sorted((folder / "sad").glob("*.png"))
    for path in broken[1:]:
        path.write_bytes(b"broken")
    source = open_source(folder)
    found = faces_of_source(source, source.samples, Preprocessing(16, 16, 1), 5)
    assert len(found) == 5
    assert [face.label for face in found].count(source.class_names.index("sad")) == 1
    for path in folder.rglob("*.png"):
        path.write_bytes(b"broken")
    with pytest.raises(UserError, match="none of the"):
        faces_of_source(source, source.samples, Preprocessing(16, 16, 1), 5)


def test_test_images_are_never_chosen(faces: dict[str, Path], trained: Path) -> None:
    source = open_source(faces["split"])
    assert {sample.split for sample in unseen_samples(source, None)} == {"train"}
    chosen = {sample.name for sample in unseen_samples(source, Run(trained))}
    assert chosen == Run(trained).part_of("validation")
