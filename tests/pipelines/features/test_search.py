"""`scratchnet search`: the nearest by a plain loop, the query itself known again, and clear sentences."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from figures_checked import assert_nothing_is_cut_off
from threadpoolctl import threadpool_limits
from tiny import Command

from pipelines.data.sample import Sample, Source
from pipelines.data.source import open_source
from pipelines.errors import UserError
from pipelines.features.contenders import default_layer
from pipelines.features.search import Metric, Query, search
from pipelines.features.searching import Record
from pipelines.features.vectors import extract, open_maker
from pipelines.figures.found import Match, draw_found
from pipelines.run import Run


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.dot(one, other) / np.sqrt(np.dot(one, one) * np.dot(other, other)))


class First:
    """One image under every name."""

    def __init__(self, source: Source, sample: Sample) -> None:
        self.class_names, self.skipped, self.samples = source.class_names, source.skipped, (sample,)
        self.left_out = source.left_out
        self._pixels = source.read(sample)

    def read(self, sample: Sample) -> np.ndarray:
        return self._pixels


@pytest.fixture
def query(faces: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of an image of the data, under another name and as another kind of file."""
    first = sorted((faces["split"] / "test" / "happy").iterdir())[0]
    path = tmp_path / "query.bmp"
    cv2.imwrite(str(path), cv2.imread(str(first), cv2.IMREAD_UNCHANGED))
    return path


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figure is not written, which takes seconds."""
    monkeypatch.setattr("pipelines.features.searching.save_figure", lambda figure, path: None)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_what_is_found_is_the_nearest_by_a_plain_loop(faces: dict[str, Path], metric: str) -> None:
    source, maker = open_source(faces["split"]), open_maker("pixels", size=(16, 16, 1))
    vectors = extract(maker, source, source.samples)
    pixels = np.random.default_rng(0).integers(0, 256, (20, 24), np.uint8)
    asked = maker.preprocessing(pixels).reshape(-1).astype(np.float64) / 255
    array = vectors.array.astype(np.float64)
    if metric == "cosine":
        figures = np.array([cosine(asked, row) for row in array])
        order = np.argsort(-figures, kind="stable")
    else:
        figures = np.array([np.sqrt(((asked - row) ** 2).sum()) for row in array])
        order = np.argsort(figures, kind="stable")
    found = search(maker, source, vectors, [Query("q", pixels)], 7, metric)[0]  # type: ignore[arg-type]
    assert [one.sample.name for one in found] == [vectors.samples[place].name for place in order[:7]]
    np.testing.assert_allclose([one.figure for one in found], figures[order[:7]], rtol=1e-4)
    assert not any(one.copy for one in found)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_images_that_are_equally_far_stand_in_the_order_of_the_data(faces: dict[str, Path], metric: Metric) -> None:
    source, maker = open_source(faces["split"]), open_maker("pixels", size=(16, 16, 1))
    made = extract(maker, source, source.samples)
    rng = np.random.default_rng(1)
    # five vectors, one of them of zeros, which stand anywhere, even in another block
    five = np.concatenate([rng.normal(0, 1, (4, maker.dimension)), np.zeros((1, maker.dimension))]).astype(np.float32)
    kinds = rng.integers(0, 5, 9001)
    samples = tuple(made.samples[0] for _ in kinds)
    numbered = tuple(replace(sample, name=str(place)) for place, sample in enumerate(samples))
    vectors = replace(made, array=five[kinds], labels=np.zeros(9001, np.int64), samples=numbered)
    pixels = rng.integers(0, 256, (16, 16), np.uint8)
    for threads in (1, 3):
        with threadpool_limits(threads):
            found = search(maker, First(source, source.samples[0]), vectors, [Query("q", pixels)], 9001, metric)[0]
        places = [int(one.sample.name) for one in found]
        assert len({one.figure for one in found}) == 5
        changes = np.flatnonzero(np.diff(kinds[places])) + 1
        assert len(changes) == 4
        assert all((np.diff(group) > 0).all() for group in np.split(places, changes))


def test_the_query_itself_comes_first_and_is_shown_as_such(
    command: Command, trained: Path, query: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    done = command(
        "search", run, "--query", query, "--count", 5, "--csv", tmp_path / "f.csv", "--json", tmp_path / "f.json"
    )
    assert done.status == 0, done.err
    lines = [line for line in done.out.splitlines() if "the query itself" in line]
    assert len(lines) == 1
    with (tmp_path / "f.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [row["copy_of_query"] for row in rows] == ["yes", "no", "no", "no", "no"]
    assert rows[0]["class"] == "happy"
    assert float(rows[0]["similarity"]) == pytest.approx(1, abs=1e-5)
    content = json.loads((tmp_path / "f.json").read_text())
    assert [entry["query"] for entry in content] == [str(query)]
    assert [match["image"] for match in content[0]["found"]] == [row["image"] for row in rows]
    assert cv2.imread(str(run / "search" / "search.png")) is not None
    record = Record.read(run / "search")
    assert record is not None
    assert record.vectors == f"{run} ({default_layer(run)})"
    assert record.images == 105
    words = ["search", str(run), "--query", str(query), "--data", str(Run(run).config()["data"]), "--count", "5"]
    assert record.command == [*words, "--metric", "cosine", "--seed", "0", "--out", str(run / "search")]


@pytest.mark.usefixtures("undrawn")
def test_a_model_file_looks_through_the_images_of_its_run_and_its_command_finds_the_same_again(
    command: Command, trained: Path, query: Path, tmp_path: Path
) -> None:
    options = ["--query", query, "--count", 4, "--split", "test", "--limit", 9, "--size", "16x16x1", "--seed", 3]
    first = command(
        "search",
        trained / "model.safetensors",
        *options,
        "--layer",
        default_layer(trained),
        "--out",
        tmp_path,
        "--json",
    )
    assert first.status == 0, first.err
    record = Record.read(tmp_path)
    assert record is not None
    assert record.images == 9
    again = command(*record.command, "--json")
    assert again.status == 0, again.err
    assert again.out == first.out


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"vectors": "x", "metric": "x", "images": 3, "command": []}'])
def test_a_damaged_record_is_named_with_the_remedy(tmp_path: Path, content: str) -> None:
    assert Record.read(tmp_path) is None
    (tmp_path / "search.json").write_text(content)
    with pytest.raises(UserError, match=r"search\.json is damaged: .*; run scratchnet search again"):
        Record.read(tmp_path)


@pytest.mark.usefixtures("undrawn")
def test_several_queries_are_looked_for_and_json_is_all_that_is_printed(
    command: Command, faces: dict[str, Path], query: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.png"
    cv2.imwrite(str(other), np.full((9, 9, 3), (10, 200, 30), np.uint8))
    arguments = ["--query", query, "--query", other, "--data", faces["zip"], "--size", "16x16x1", "--count", 1000]
    done = command("search", "hog", *arguments, "--metric", "euclidean", "--out", tmp_path / "out", "--json")
    assert done.status == 0, done.err
    content = json.loads(done.out)
    assert [entry["query"] for entry in content] == [str(query), str(other)]
    for entry in content:
        distances = [match["distance"] for match in entry["found"]]
        assert len(distances) == 105
        assert distances == sorted(distances)


@pytest.mark.usefixtures("undrawn")
def test_part_of_the_data_is_looked_through_on_request(
    command: Command, faces: dict[str, Path], query: Path, tmp_path: Path
) -> None:
    arguments = ["--query", query, "--data", faces["split"], "--size", "16x16x1", "--out", tmp_path / "out", "--json"]
    for more, expected in ((["--split", "train"], 84), (["--split", "test"], 21), (["--limit", 30], 30)):
        found = json.loads(command("search", "pixels", *arguments, *more, "--count", 999).out)[0]["found"]
        assert len(found) == expected


def test_mistakes_end_in_one_sentence_and_write_nothing(
    command: Command, faces: dict[str, Path], query: Path, tmp_path: Path
) -> None:
    broken, out = tmp_path / "broken.png", tmp_path / "out"
    broken.write_bytes(b"no image")
    data = ["--data", faces["split"]]
    for arguments, said in (
        (["pixels", "--query", query], "pass --data; only a run knows"),
        (["pixels", "--query", tmp_path / "gone.png", *data], "gone.png cannot be read: No such file"),
        (["pixels", "--query", tmp_path, *data], "cannot be read: is a folder"),
        (["pixels", "--query", broken, *data], "broken.png: not a readable image"),
        (["pixles", "--query", query, *data], "pixles is unknown"),
        (["runs/typo", "--query", query], "runs/typo is unknown: there is no such run or model file"),
        (["pixels", "--query", query, *data, "--csv", broken / "f.csv"], "broken.png is a file, not a folder"),
        (["pixels", "--query", query, *data, "--json", broken / "a" / "f.json"], "broken.png is a file, not a folder"),
        (["pixels", "--query", query, *data, "--json", out / "search.json"], "choose another --json"),
        (["pixels", "--query", query, *data, "--layer", "x"], "--layer chooses a layer of a model"),
        (["pixels", "--query", query, *data, "--split", "validation"], "no validation images"),
        (["pixels", "--query", query, *data, "--csv", tmp_path / "f.txt"], "must end in .csv"),
    ):
        done = command("search", *arguments, "--out", out)
        assert done.status == 1, arguments
        assert said in done.err
        assert done.err.count("\n") == 1
        assert "Traceback" not in done.err
        assert not out.exists()


def test_a_seed_that_scikit_learn_does_not_take_is_refused(command: Command, query: Path) -> None:
    done = command("search", "pixels", "--query", query, "--data", "drawn:70:0", "--seed", 2**32)
    assert done.status == 2
    assert "2147483647" in done.err


def test_no_word_of_the_figure_is_cut_off() -> None:
    image = np.zeros((20, 16), np.uint8)
    matches = [Match(image, "a class with a very long name", f"0.{place}", place == 0) for place in range(11)]
    figure = draw_found([("a name of a file that is too long.png", image, matches), ("b", image, matches[:3])], "found")
    assert_nothing_is_cut_off(figure)
