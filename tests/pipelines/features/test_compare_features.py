"""`scratchnet compare-features`: every way to make vectors on the same images, in a table, a figure and a file."""

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from figures_checked import assert_nothing_is_cut_off
from tiny import Command

from pipelines.data.drawn import DrawnFaces
from pipelines.data.preprocessing import Preprocessing
from pipelines.errors import UserError
from pipelines.features.comparison import Images, Row, Spread, compare
from pipelines.features.contenders import Contender, open_contenders
from pipelines.features.division import DecodedImages, divide_images
from pipelines.features.record import Comparison
from pipelines.features.showing import HEADINGS, chosen, comparison_figure, described, table_rows
from pipelines.features.vectors import PixelMaker, open_maker
from pipelines.figures.features import draw_features
from pipelines.run import Run

IMAGES = {"training": 6, "choosing": 2, "evaluated": 5, "whole_training": 7}
pytestmark = pytest.mark.usefixtures("at_once")


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy, which a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def read(folder: Path) -> Comparison:
    found = Comparison.read(folder)
    assert found is not None
    return found


def test_a_runs_vectors_stand_beside_those_that_nobody_has_trained_and_beside_keras(
    command: Command, run: Path
) -> None:
    pytest.importorskip("tensorflow")
    done = command("compare-features", run)
    assert done.status == 0, done.err
    found = read(run / "features")
    rows = {row.kind: row for row in found.rows}
    assert list(rows) == ["pixels", "fixed", "random", "hog", "trained", "twin"]
    assert [row.dimension for row in rows.values()] == [256, 128, 128, 36, 196, 196]
    ours, theirs = rows["trained"], rows["twin"]
    assert ours.linear.mean == theirs.linear.mean
    assert ours.clusters["ari"].mean == pytest.approx(theirs.clusters["ari"].mean, abs=0.05)
    assert len(rows["random"].linear_chosen) == 3
    assert rows["random"].linear.deviation is not None
    assert ours.linear.deviation is None
    assert all(row.seconds_per_image > 0 for row in found.rows)
    parts = {name: len(Run(run).part_of(name)) for name in ("train", "validation", "test")}
    assert found.images == {
        "training": parts["train"],
        "choosing": parts["validation"],
        "evaluated": parts["test"],
        "whole_training": parts["train"],
    }
    assert found.of_run
    assert cv2.imread(str(run / "features" / "features.png")) is not None
    for row in table_rows(found):
        assert row[0] in done.out
    assert "The net was trained on all" in done.out
    assert found.trained_on == 0
    assert "Keras twin needs" not in done.err


def test_without_a_run_nothing_trained_is_compared_and_the_way_to_it_is_told(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stages: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["--data", "drawn:140:0", "--training-images", 60, "--limit", 21, "--seed", 2]
    done = command("compare-features", *arguments)
    assert done.status == 0, done.err
    assert done.out.startswith("data: drawn:")
    assert " training, " in done.out.splitlines()[0]
    assert "scratchnet compare-features RUN --data" in done.err
    assert stages[:3] == [f"reading {part} images" for part in ("training", "validation", "test")]
    for maker in ("pixels (1 of 6)", "HOG (6 of 6)", "HOG, clusters and classifiers (6 of 6)"):
        assert f"comparing vectors: {maker}" in stages
    found = read(tmp_path / "runs" / "features")
    assert [row.kind for row in found.rows] == ["pixels", "fixed", "random", "hog"]
    assert found.images["training"] == 60
    assert found.images["evaluated"] == 21
    assert found.majority_share == pytest.approx(1 / 7)
    assert found.chance == pytest.approx(1 / 7)
    words = ["compare-features", "--data", "drawn:140:0", "--split", "test", "--limit", "21"]
    assert list(found.command) == [*words, "--training-images", "60", "--seed", "2", "--out", "runs/features"]
    again = command(*found.command, "--out", tmp_path / "again")
    assert again.status == 0, again.err
    for first, second in zip(found.rows, read(tmp_path / "again").rows, strict=True):
        assert {**vars(first), "seconds_per_image": 0} == {**vars(second), "seconds_per_image": 0}


def test_a_nets_own_images_are_confessed() -> None:
    def said(**changes: Any) -> str:
        about = {"split": "test", "of_run": True, "held_back": False, "model": "runs/x", **changes}
        return " ".join(
            described(
                Comparison(
                    data="d", size=(8, 8, 1), seed=0, classes=2, images=IMAGES, majority="a", majority_share=0.5,
                    rows=[], command=[], **about,
                )
            )
        )  # fmt: skip

    assert "choose C and k by 2 validation images" in said()
    assert "how many evaluated images are copies of training images is not known" in said()
    assert "none of the 5 evaluated images are copies of training images" in said(trained_on=0)
    assert "if these are among them" in said(of_run=False)
    assert "trained on 3 of the 5 evaluated images" in said(of_run=False, trained_on=3)
    assert "trained on none of the 5 evaluated images" in said(of_run=False, trained_on=0)
    assert "copies of training images" not in said(of_run=False)
    for split in ("test", "validation"):
        held = said(split=split, held_back=True)
        assert "choose C and k by 2 other training images" in held
        assert "all 7 training images, with their labels, those that choose C and k among them" in held
    assert "net" not in said(model=None, of_run=False).split("Clusters")[1]


def test_a_model_file_is_compared_on_the_parts_of_its_run(
    command: Command, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.features.contenders.find_spec", lambda name: None)
    for model, of_run in ((run / "model.safetensors", True), (tmp_path / "model.safetensors", False)):
        shutil.copy(run / "model.safetensors", tmp_path)
        data = Run(run).config()["data"]
        done = command("compare-features", model, "--data", data, "--training-images", 60, "--out", tmp_path / "out")
        assert done.status == 0, done.err
        found = read(tmp_path / "out")
        assert found.of_run == of_run
        assert ("if these are among them" in done.out) == (not of_run)


def test_what_is_written_is_what_is_read(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert command("compare-features", "--data", "drawn:84:0", "--out", out).status == 0
    found = read(out)
    found.write(tmp_path)
    assert json.loads((tmp_path / "features.json").read_text()) == json.loads((out / "features.json").read_text())
    assert all(len(row) == len(HEADINGS) for row in table_rows(found))
    assert "HOG" in chosen(found)
    assert "by lot where the data do not say it" in described(found)[0]
    assert_nothing_is_cut_off(comparison_figure(found))


@pytest.mark.parametrize("content", ["{", "{}", '{"rows": [{}]}', "[]", "no rows"])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path, content: str) -> None:
    assert Comparison.read(tmp_path) is None
    if content == "no rows":
        Comparison("d", "test", None, False, (8, 8, 1), 0, 2, {}, "a", 0.5, [], ["compare-features"]).write(tmp_path)
        content = (tmp_path / "features.json").read_text()
    (tmp_path / "features.json").write_text(content)
    with pytest.raises(UserError, match=r"features\.json is damaged: .*; run scratchnet compare-features again"):
        Comparison.read(tmp_path)


def test_mistakes_end_in_one_sentence_and_write_nothing(
    command: Command, run: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    one_class = tmp_path / "one_class"
    shutil.copytree(faces["folder"] / "happy", one_class / "happy")
    out = tmp_path / "out"
    for arguments, said in (
        ([], "pass --data"),
        (["--layer", "dense", "--data", "drawn:70:0"], "--layer chooses a layer of a trained model"),
        (["--data", tmp_path / "nothing"], "does not exist"),
        (["--data", "drawn:70:0", "--split", "train"], "--split must be test or validation"),
        (["--data", "drawn:70:0", "--limit", 3], "3 test images are too few for 7 clusters"),
        (["--data", one_class], "has one class only"),
        ([tmp_path / "nothing"], "does not exist"),
        ([run, "--layer", "conv9"], "has no layer 'conv9'"),
    ):
        done = command("compare-features", *arguments, "--out", out)
        assert done.status == 1, arguments
        assert said in done.err
        assert done.err.count("\n") == 1
        assert not out.exists()
    done = command("compare-features", "--data", "drawn:70:0", "--out", tmp_path / "file")
    assert done.status == 1
    assert "is a file; choose another --out" in done.err
    for below in ("below", "far/below"):
        done = command("compare-features", "--data", tmp_path / "nothing", "--out", tmp_path / "file" / below)
        assert done.err.endswith("file is a file; choose another --out\n"), "before any work"


@pytest.mark.parametrize("collapsed", ["pixels", "random"])
def test_vectors_that_are_all_the_same_do_not_throw_the_others_away(collapsed: str, tmp_path: Path) -> None:
    source = DrawnFaces(84, size=16)
    division = divide_images(source, "test", None, most=40)
    parts = (division.training, division.choosing, division.evaluated)
    images = Images(*(DecodedImages(source, part, Preprocessing(16, 16, 1), "") for part in parts))
    makers = {name: open_maker("pixels", size=(16, 16, 1)) for name in ("pixels", "hog")}

    class Same(PixelMaker):
        def __call__(self, images: np.ndarray) -> np.ndarray:
            return np.ones((len(images), self.dimension), np.float32)

    same = Same(Preprocessing(16, 16, 1))
    broken = [same] if collapsed == "pixels" else [makers["pixels"], same, same]
    rows = compare([Contender(collapsed, "broken", broken), Contender("hog", "sound", [makers["hog"]])], images, 0)
    assert rows[0].clusters == rows[0].random == {}
    assert "have the same vector" in str(rows[0].unclustered)
    assert set(rows[1].clusters) == {"ari", "nmi", "purity"}
    assert rows[1].unclustered is None
    found = Comparison("d", "test", None, False, (16, 16, 1), 0, 7, IMAGES, "a", 0.5, rows, ["compare-features"])
    found.write(tmp_path)
    assert read(tmp_path).rows == rows
    assert "The vectors of broken have no clusters: all 17 images have the same vector" in described(found)[2]
    table = table_rows(found)
    assert table[0][2:5] == ["\N{EN DASH}"] * 3
    assert all(len(row) == len(HEADINGS) for row in table)
    assert_nothing_is_cut_off(comparison_figure(found))


def test_clusters_by_lot_are_told_of_all_rows() -> None:
    def row(name: str, dealt: float) -> Row:
        scores = dict.fromkeys(("ari", "nmi", "purity"), Spread(0.5, 0.1))
        random = {"ari": -0.00001, "nmi": dealt, "purity": 2 * dealt}
        return Row("x", name, 3, scores, random, Spread(0.5, None), [1.0], Spread(0.5, None), [1], 0.1)

    rows = [row("a", 0.02), row("b", 0.01), row("c", 0.015)]
    found = Comparison("d", "test", None, False, (8, 8, 1), 0, 2, IMAGES, "a", 0.5, rows, ["compare-features"])
    assert table_rows(found)[3][:5] == ["by lot", "", "0.000", "0.010 to 0.020", "0.020 to 0.040"]


def test_pixels_of_large_images_are_shrunk_so_that_they_fit_in_memory() -> None:
    contenders = {one.kind: one for one in open_contenders(None, (480, 640, 3), None, 0)}
    assert contenders["pixels"].makers[0].dimension == 36 * 48 * 3
    assert contenders["pixels"].name == "pixels (36x48)"


def test_an_overwritten_run_takes_its_vectors_along(run: Path) -> None:
    for name in ("features", "search"):
        (run / name).mkdir()
    Run(run).clear()
    assert not run.exists() or not list(run.glob("[fs]e*"))


def test_a_seed_that_scikit_learn_does_not_take_is_refused(command: Command) -> None:
    done = command("compare-features", "--data", "drawn:70:0", "--seed", 2**32)
    assert done.status == 2
    assert "2147483647" in done.err


def test_no_word_of_the_figures_is_cut_off() -> None:
    names = ["a", "a name that goes on and on and on and on, and is broken", "$x_1$"]
    values = [(0.1, None), (0.5, 0.02), (0.9, 0.1)]
    drawn = draw_features(names, {"one": values, "two": values}, {"ARI": values}, [0, 2e-5, 1.5], 0.1, 0.3)
    assert_nothing_is_cut_off(drawn)
