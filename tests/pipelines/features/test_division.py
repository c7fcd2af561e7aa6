"""The images that vectors are compared on: parts without a common image, as a run's training had them."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipelines.data.drawn import DrawnFaces
from pipelines.data.preprocessing import Preprocessing
from pipelines.data.source import open_source
from pipelines.errors import UserError
from pipelines.features.command import results_folder
from pipelines.features.division import DecodedImages, Division, data_of, divide_images
from pipelines.recipe_files import load_recipe
from pipelines.run import Run
from pipelines.training import train

SOURCE = DrawnFaces(140, size=16)


def names(division: Division) -> list[set[str]]:
    return [{one.name for one in own} for own in (division.training, division.choosing, division.evaluated)]


def assert_disjoint(division: Division) -> None:
    training, choosing, evaluated = names(division)
    assert not training & choosing
    assert not training & evaluated
    assert not choosing & evaluated


@pytest.mark.parametrize("split", ["test", "validation"])
def test_no_image_is_in_two_parts(split: str) -> None:
    division = divide_images(SOURCE, split, None, most=1000)
    assert_disjoint(division)
    assert all(map(len, names(division)))
    if split == "test":
        assert names(division)[2] == {one.name for one in SOURCE.samples if one.split == "test"}
    else:
        assert not names(division)[2] & {one.name for one in SOURCE.samples if one.split == "test"}


def test_limits_take_a_sample_of_every_class_and_the_same_one_for_the_same_seed() -> None:
    division = divide_images(SOURCE, "test", None, most=30, limit=14, seed=3)
    assert [len(own) for own in names(division)] == [30, 10, 14]
    assert division.whole_training > 30
    assert {one.label for one in division.training} == set(range(7))
    assert division == divide_images(SOURCE, "test", None, most=30, limit=14, seed=3)
    assert division != divide_images(SOURCE, "test", None, most=30, limit=14, seed=4)


def test_a_runs_own_parts_are_taken(tiny_recipe: Path, faces: dict[str, Path], tmp_path: Path) -> None:
    source = open_source(faces["split"])
    run = train(load_recipe(str(tiny_recipe)), source, str(faces["split"]), tmp_path / "run", epochs=1)
    division = divide_images(source, "test", run, most=1000)
    assert names(division) == [run.part_of("train"), run.part_of("validation"), run.part_of("test")]
    assert not division.held_back
    other = divide_images(source, "validation", run, most=1000)
    assert_disjoint(other)
    assert other.held_back
    assert names(other)[2] == run.part_of("validation")
    assert names(other)[0] | names(other)[1] == run.part_of("train")
    assert other.whole_training == len(run.part_of("train"))


def test_the_training_part_is_not_evaluated() -> None:
    with pytest.raises(UserError, match="--split must be test or validation"):
        divide_images(SOURCE, "train", None, most=10)


def test_a_run_without_test_images_says_so(tmp_path: Path) -> None:
    run = Run(tmp_path)
    first = SOURCE.samples[0]
    run.split_path.write_text(f"name,class,part\n{first.name},x,train\n")
    with pytest.raises(UserError, match="no test images"):
        divide_images(SOURCE, "test", run, most=10)


def test_a_model_file_is_of_the_run_it_lies_in(trained: Path, tmp_path: Path) -> None:
    own = str(Run(trained).config()["data"])
    file = Run(trained).model_path
    for model in (trained, file):
        name, run = data_of(model, None)
        assert (name, run and run.folder) == (own, trained)
        name, run = data_of(model, own)
        assert (name, run and run.folder) == (own, trained)
        assert data_of(model, "drawn:70:0") == ("drawn:70:0", None), "it may have been trained on these too"
    assert results_folder(file, None, "features") == results_folder(trained, None, "features") == trained / "features"
    alone = tmp_path / file.name
    alone.write_bytes(file.read_bytes())
    assert data_of(alone, own) == (own, None)
    assert results_folder(alone, None, "features") == Path("runs/features")
    assert data_of(None, own) == (own, None)
    for model in (alone, None):
        with pytest.raises(UserError, match="pass --data"):
            data_of(model, None)


def test_a_damaged_configuration_is_named(trained: Path, tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.config_path.write_text(json.dumps({"format": Run.format}))
    with pytest.raises(UserError, match=r"config\.json is damaged: it lacks"):
        data_of(tmp_path, None)


def test_images_are_read_once_to_one_size_and_broken_ones_are_left_out(
    faces: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = open_source(faces["folder"])
    broken = source.samples[0]
    original = type(source).read

    class Half(type(source)):  # type: ignore[misc]
        def read(self, sample: object) -> np.ndarray:
            if sample == broken:
                from pipelines.data.errors import DataError

                raise DataError(f"{broken.name}: not a readable image")
            return original(self, sample)  # type: ignore[arg-type]

    images = DecodedImages(Half(faces["folder"], None), source.samples, Preprocessing(8, 12, 1), "test")
    assert broken not in images.samples
    assert len(images.samples) == len(source.samples) - 1
    assert images.read(images.samples[3]).shape == (8, 12, 1)
    np.testing.assert_array_equal(
        images.read(images.samples[3]), Preprocessing(8, 12, 1)(source.read(images.samples[3]))
    )
    assert broken.name in capsys.readouterr().err
