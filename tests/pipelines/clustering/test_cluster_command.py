"""`scratchnet cluster`: what it prints and leaves behind, and mistakes that end in one sentence."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import adjusted_rand_score
from tiny import Command

import scratchnet as sn
from pipelines.clustering.assessing import Outcome
from pipelines.clustering.drawing import figure_name
from pipelines.clustering.methods import METHODS
from pipelines.clustering.scores import TITLES
from pipelines.data.source import open_source
from pipelines.errors import UserError
from pipelines.figures.saving import save_figure
from pipelines.recipe_files import load_recipe
from pipelines.run import Run
from pipelines.training import train

DRAWN = ("--data", "drawn:70", "--split", "all", "--size", "16x16x1", "--seeds", 2)


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


@pytest.fixture
def without_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No figures, which take seconds."""
    monkeypatch.setattr("pipelines.clustering.command.save_figure", lambda *_: None)
    monkeypatch.setattr("pipelines.clustering.command.outcome_figures", lambda *_: {})
    monkeypatch.setattr("pipelines.clustering.command.embeddings_of", lambda *_: {})
    monkeypatch.setattr("pipelines.clustering.command.filters_figure", lambda *_: None)


def content_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "clusters.json").read_text())
    return content


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "clusters.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_runs_test_images_are_clustered_into_its_folder(command: Command, run: Path, stages: list[str]) -> None:
    before = {path: path.read_bytes() for path in run.iterdir() if path.is_file()}
    done = command("cluster", run, "--seeds", 2)
    assert done.status == 0, done.err
    assert stages[-3:] == ["trying numbers of clusters", "clustering by K-Means", "drawing"]
    assert done.out.startswith(f"data: {Run(run).config()['data']}; 21 test images of 105 in all, 7 classes: ")
    assert {path: path.read_bytes() for path in before} == before
    folder = run / "clusters"
    written = {path.name for path in folder.iterdir()}
    figures = {"clusters_numbers.png", *(f"clusters_{kind}_kmeans.png" for kind in ("pca", "tsne", "table", "nearest"))}
    assert figures | {"clusters.csv", "clusters.json"} <= written
    for name in figures:
        picture = cv2.imread(str(folder / name))
        assert picture is not None, name
        assert picture.std() > 5, f"{name} is blank"
        assert name in done.out
    rows = rows_of(folder)
    assert {row["name"] for row in rows} == Run(run).part_of("test")
    assert list(rows[0]) == ["name", "class", "cluster"]
    content = content_of(folder)
    assert content["vectors"].startswith(f"{run} (flatten"), "layers without a name of their own are counted"
    assert (content["part"], content["images"], content["clusters"], content["trained_on"]) == ("test", 21, 7, 0)
    found = content["methods"]["kmeans"]
    assert set(found["figures"]) == figures - {"clusters_numbers.png"}
    assert list(found["scores"]) == list(TITLES)
    for words in TITLES.values():
        assert words in done.out
    assert np.array(found["table"]).sum() == 21
    table = np.zeros((7, 7), int)
    for row in rows:
        table[int(row["cluster"]), content["class_names"].index(row["class"])] += 1
    np.testing.assert_array_equal(found["table"], table)


@pytest.mark.usefixtures("without_drawing")
def test_the_first_seeds_clusters_give_its_scores_again(command: Command, tmp_path: Path) -> None:
    done = command("cluster", "pixels", *DRAWN[:-2], "--seeds", 1, "--out", tmp_path / "out")
    assert done.status == 0, done.err
    rows = rows_of(tmp_path / "out")
    score = content_of(tmp_path / "out")["methods"]["kmeans"]["scores"]["ari"]
    assert score["mean"] == pytest.approx(
        adjusted_rand_score([row["class"] for row in rows], [row["cluster"] for row in rows])
    )
    assert score["deviation"] is None
    assert "; 1 seed\n" in done.out
    assert f"{score['mean']:.3f}" in done.out


@pytest.mark.usefixtures("without_drawing")
def test_the_same_seed_writes_the_same_files_and_another_one_others(command: Command, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        done = command("cluster", "random", *DRAWN, "--seed", seed, "--out", tmp_path / name)
        assert done.status == 0, done.err
    same = [content_of(tmp_path / name)["methods"] for name in "ab"]
    assert same[0] == same[1]
    first, again, other = ((tmp_path / name / "clusters.csv").read_bytes() for name in "abc")
    assert first == again != other


@pytest.mark.usefixtures("without_drawing")
def test_all_methods_stand_side_by_side_and_one_that_finds_nothing_does_not_stop_the_others(
    command: Command, tmp_path: Path
) -> None:
    done = command("cluster", "fixed", *DRAWN, "--method", "all", "--eps", 1e-9, "--out", tmp_path / "out")
    assert done.status == 0, done.err
    content = content_of(tmp_path / "out")
    assert content["failed"]["dbscan"].startswith("DBSCAN calls all 70 images noise with eps 1e-09")
    assert "DBSCAN: DBSCAN calls all 70 images noise" in done.out
    assert set(content["methods"]) | set(content["failed"]) == set(METHODS)
    for method in content["methods"]:
        assert METHODS[method].title in done.out
    assert list(rows_of(tmp_path / "out")[0]) == ["name", "class", *content["methods"]]
    assert content["figures"] == ["clusters_numbers.png", "clusters_filters.png"]
    assert content["methods"]["agglomerative"]["runs"] == 1
    assert content["methods"]["agglomerative"]["deterministic"] is True


@pytest.mark.usefixtures("without_drawing")
def test_as_many_clusters_as_images_stop_no_method_but_those_that_need_more(command: Command, tmp_path: Path) -> None:
    given = ("--method", "all", "--limit", 8, "--clusters", 8)
    done = command("cluster", "pixels", *DRAWN, *given, "--out", tmp_path / "out")
    assert done.status == 0, done.err
    content = content_of(tmp_path / "out")
    assert "kmeans" in content["methods"]
    assert content["failed"]["spectral"].startswith("spectral clustering needs more images than clusters")


@pytest.mark.usefixtures("without_drawing")
def test_there_are_as_many_clusters_as_the_part_has_classes(
    command: Command, faces: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(faces["split"] / "train", tmp_path / "faces" / "train")
    for name in ("happy", "sad"):
        shutil.copytree(faces["split"] / "test" / name, tmp_path / "faces" / "test" / name)
    given = ("--data", tmp_path / "faces", "--size", "16x16x1", "--out", tmp_path / "out")
    done = command("cluster", "pixels", *given)
    assert done.status == 0, done.err
    content = content_of(tmp_path / "out")
    assert (content["classes"], content["clusters"], len(content["class_names"])) == (2, 2, 7)


@pytest.mark.usefixtures("without_drawing")
@pytest.mark.parametrize("rule", ["silhouette", "elbow"])
def test_a_rule_may_choose_the_number(command: Command, tmp_path: Path, rule: str) -> None:
    done = command("cluster", "pixels", *DRAWN, "--choose", rule, "--out", tmp_path / "out")
    assert done.status == 0, done.err
    content = content_of(tmp_path / "out")
    assert content["clusters"] == content["choice"][f"by_{rule}"]
    assert f"{content['clusters']} clusters, by the {rule}" in done.out
    assert content["methods"]["kmeans"]["clusters"] == content["clusters"]


@pytest.mark.usefixtures("without_drawing")
def test_the_number_and_a_limit_may_be_given(command: Command, tmp_path: Path) -> None:
    done = command("cluster", "pixels", *DRAWN, "--clusters", 3, "--limit", 30, "--out", tmp_path / "out")
    assert done.status == 0, done.err
    content = content_of(tmp_path / "out")
    assert (content["clusters"], content["images"]) == (3, 30)
    assert len(rows_of(tmp_path / "out")) == 30


@pytest.mark.usefixtures("without_drawing")
def test_it_is_said_which_images_the_silhouette_is_of(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("printing", "saving"):
        monkeypatch.setattr(f"pipelines.clustering.{module}.SILHOUETTE_SAMPLE", 40)
    done = command("cluster", "pixels", *DRAWN, "--method", "dbscan", "--out", tmp_path / "out")
    assert done.status == 0, done.err
    assert "silhouette: of 40 images by lot, without noise" in " ".join(done.out.split())
    assert content_of(tmp_path / "out")["silhouette_of"] == {"images": 40, "noise": "left out"}


@pytest.mark.usefixtures("without_drawing")
def test_training_images_are_told(command: Command, run: Path) -> None:
    done = command("cluster", run, "--split", "train", "--seeds", 1)
    assert done.status == 0, done.err
    trained_on = content_of(run / "clusters")["trained_on"]
    assert trained_on == len(Run(run).part_of("train"))
    assert f"leakage: {trained_on} of these {trained_on} images were trained on" in done.err


@pytest.mark.usefixtures("without_drawing")
def test_the_model_file_of_a_run_is_clustered_as_the_run_is(command: Command, run: Path) -> None:
    file = run / "model.safetensors"
    done = command("cluster", file, "--split", "train", "--seeds", 1, "--out", run / "clusters")
    assert done.status == 0, done.err
    content = content_of(run / "clusters")
    assert content["trained_on"] == content["images"] == len(Run(run).part_of("train"))
    assert "images were trained on" in done.err


@pytest.mark.usefixtures("without_drawing")
def test_training_images_are_known_again_among_other_data(
    command: Command, run: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    done = command("cluster", run, "--data", faces["folder"], "--seeds", 1, "--out", tmp_path / "out")
    assert done.status == 0, done.err
    assert content_of(tmp_path / "out")["trained_on"] == len(Run(run).part_of("train"))


@pytest.mark.usefixtures("without_drawing")
def test_where_training_images_are_not_known_it_is_said(
    command: Command, run: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    what = shutil.copy(run / "model.safetensors", tmp_path / "elsewhere.safetensors")
    done = command("cluster", what, "--data", faces["split"], "--seeds", 1, "--out", tmp_path / "out")
    assert done.status == 0, done.err
    assert content_of(tmp_path / "out")["trained_on"] is None
    assert f"{what} may have been trained on some of these images" in " ".join(done.err.split())


def test_a_configuration_without_its_data_is_said_to_be_damaged(command: Command, run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    del config["data"]
    (run / "config.json").write_text(json.dumps(config))
    done = command("cluster", run)
    assert done.status == 1
    assert "config.json is damaged: it lacks 'data'" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.usefixtures("without_drawing")
def test_images_that_cannot_be_read_are_named_and_left_out(
    command: Command, faces: dict[str, Path], tmp_path: Path
) -> None:
    data = shutil.copytree(faces["folder"], tmp_path / "faces")
    (data / "happy" / "torn.png").write_bytes(b"no image")
    done = command("cluster", "pixels", "--data", data, "--size", "16x16x1", "--seeds", 1, "--out", tmp_path / "out")
    assert done.status == 0, done.err
    assert "torn.png" in done.err
    assert content_of(tmp_path / "out")["images"] == 105


def test_a_later_clustering_takes_the_place_of_an_earlier_one_and_leaves_other_files_alone(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_figure(outcome: Outcome, *_: object) -> dict[str, Figure]:
        return {figure_name("pca", outcome.method): Figure((1, 1))}

    monkeypatch.setattr("pipelines.clustering.command.outcome_figures", one_figure)
    monkeypatch.setattr("pipelines.clustering.command.embeddings_of", lambda *_: {})
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.png").write_bytes(b"mine")
    (out / "clusters_pca_gaussian.png").write_bytes(b"not drawn by the program")
    for method in ("minibatch", "agglomerative"):
        done = command("cluster", "pixels", *DRAWN, "--method", method, "--out", out)
        assert done.status == 0, done.err
    names = {path.name for path in out.iterdir()}
    assert not [name for name in names if "minibatch" in name]
    assert {"mine.png", "clusters_pca_gaussian.png", "clusters_pca_agglomerative.png"} <= names


@pytest.mark.usefixtures("without_drawing")
@pytest.mark.parametrize(
    "options",
    [
        ("random", *DRAWN, "--normalize", "--clusters", 3, "--limit", 40, "--seed", 3),
        ("pixels", *DRAWN, "--method", "dbscan", "--eps", 2.5),
        ("pixels", *DRAWN, "--choose", "elbow", "--sample", 50, "--method", "agglomerative"),
        ("fixed", *DRAWN, "--filters", "FILTERS"),
        ("RUN", "--layer", "LAYER"),
    ],
)
def test_the_command_that_is_recorded_does_the_same_again(
    command: Command, run: Path, tmp_path: Path, options: tuple[object, ...]
) -> None:
    np.save(tmp_path / "own.npy", np.random.default_rng(0).random((3, 3, 1, 4)).astype(np.float32))
    layer = sn.load_model(run / "model.safetensors").layers[0].name
    places = {"RUN": run, "FILTERS": tmp_path / "own.npy", "LAYER": layer}
    done = command("cluster", *(places.get(str(word), word) for word in options), "--out", tmp_path / "out")
    assert done.status == 0, done.err
    first, rows = content_of(tmp_path / "out"), rows_of(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    assert command(*first["command"]).status == 0
    again = content_of(tmp_path / "out")
    assert {**again, "seconds_per_image": 0} == {**first, "seconds_per_image": 0}
    assert rows_of(tmp_path / "out") == rows


@pytest.mark.usefixtures("without_drawing")
def test_a_figure_that_cannot_be_drawn_leaves_an_earlier_clustering_as_it_was(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> dict[str, Figure]:
        raise UserError("cannot be drawn")

    out = tmp_path / "out"
    assert command("cluster", "pixels", *DRAWN, "--out", out).status == 0
    save_figure(Figure((1, 1)), out / "clusters_pca_kmeans.png")
    before = {path: path.read_bytes() for path in out.iterdir()}
    monkeypatch.setattr("pipelines.clustering.command.outcome_figures", fail)
    assert command("cluster", "pixels", *DRAWN, "--out", out).status == 1
    assert {path: path.read_bytes() for path in out.iterdir()} == before


def test_a_run_that_is_overwritten_takes_its_clusters_along(command: Command, run: Path) -> None:
    (run / "clusters").mkdir()
    (run / "clusters" / "clusters.json").write_text("{}")
    Run(run).clear()
    assert not (run / "clusters").exists()


def test_a_model_that_has_diverged_is_refused_and_nothing_is_written(command: Command, run: Path) -> None:
    model = sn.load_model(run / "model.safetensors")
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    model.save(run / "model.safetensors")
    done = command("cluster", run)
    assert done.status == 1
    assert "makes numbers that are not finite" in done.err
    assert len(done.err.splitlines()) == 1
    assert not (run / "clusters").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("fixd", "--data", "drawn:70"), "fixd is unknown"),
        (("pixels",), "pass --data; only a run knows which images it was made with"),
        (("RUN", "--layer", "dense_9"), "no layer 'dense_9'; it has"),
        (("RUN", "--size", "48x48x1"), "leave --size out"),
        (("pixels", *DRAWN, "--clusters", 71), "no more than the 70 images, got 71"),
        (("pixels", *DRAWN, "--limit", 5, "--clusters", 7), "no more than the 5 images, got 7"),
        (("pixels", *DRAWN, "--clusters", 3, "--choose", "elbow"), "give one of them"),
        (("pixels", *DRAWN, "--method", "dbscan", "--clusters", 3), "DBSCAN finds the number of clusters itself"),
        (("pixels", *DRAWN, "--eps", 1), "K-Means has none; leave it out"),
        (("pixels", *DRAWN, "--method", "dbscan", "--eps", -1), "--eps must be a positive number, got -1.0"),
        (("pixels", *DRAWN, "--method", "dbscan", "--eps", 1e-9), "calls all 70 images noise with eps 1e-09"),
        (("pixels", *DRAWN, "--out", "FILE"), "is a file; choose another --out"),
        (("pixels", *DRAWN, "--out", "BELOW"), "file is a file; choose another --out"),
        (("pixels", "--data", "drawn:70", "--split", "validation"), "the data have no validation images"),
        (("pixels", "--data", "ONE"), "are all of the class happy; clusters are compared with two classes or more"),
        (("fixed", *DRAWN, "--filters", "FILE"), "holds no filters"),
        (("fixed", *DRAWN, "--filters", "no.npy"), "no.npy cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    command: Command, run: Path, faces: dict[str, Path], tmp_path: Path, arguments: tuple[object, ...], words: str
) -> None:
    (tmp_path / "file").write_text("")
    shutil.copytree(faces["split"] / "train", tmp_path / "one" / "train")
    shutil.copytree(faces["split"] / "test" / "happy", tmp_path / "one" / "test" / "happy")
    places = {"RUN": run, "FILE": tmp_path / "file", "BELOW": tmp_path / "file" / "a" / "b", "ONE": tmp_path / "one"}
    given = [places.get(str(argument), argument) for argument in arguments]
    out = () if "--out" in given or given[0] == run else ("--out", tmp_path / "out")
    done = command("cluster", *given, *out)
    assert done.status == 1
    assert words in done.err
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()
    assert not (run / "clusters").exists()


@pytest.mark.parametrize("options", [("--seed", 2**31), ("--seed", 2**32), ("--seeds", 1001)])
def test_a_seed_that_is_too_large_is_refused(command: Command, tmp_path: Path, options: tuple[object, ...]) -> None:
    done = command("cluster", "pixels", *DRAWN, *options, "--out", tmp_path / "out")
    assert done.status == 2
    assert "less than or equal to" in done.err
    assert str(options[0]) in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("without_drawing")
def test_the_largest_seed_is_taken(command: Command, tmp_path: Path) -> None:
    done = command("cluster", "random", *DRAWN, "--seed", 2**31 - 1, "--out", tmp_path / "out")
    assert done.status == 0, done.err


@pytest.mark.parametrize("size", ["48", "48x48", "48x48x2", "axbx1", "0x4x1"])
def test_a_size_that_is_none_is_refused(command: Command, size: str) -> None:
    done = command("cluster", "pixels", "--data", "drawn:70", "--size", size)
    assert done.status != 0
    assert "HEIGHTxWIDTHxCHANNELS" in done.err or "must be a positive whole number" in done.err
