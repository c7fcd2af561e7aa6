"""`scratchnet report`: where the page lands, what it refuses, and names that try to be more than names."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pages import Page
from tiny import Command

from pipelines.data.source import open_source
from pipelines.evaluation.command import run_evaluate
from pipelines.recipe_files import load_recipe
from pipelines.report.compose import write_report
from pipelines.training import train


def change(path: Path, key: str, make: Callable[[Any], Any]) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, key: make(content.get(key))}))


def compared(run: Path) -> Path:
    (run / "compare").mkdir(exist_ok=True)
    return run / "compare" / "compare.json"


HOSTILE = ("<img src=x onerror=alert(1)>", "$\\frac{happy$", "\"'&amp;{{ 7 * 7 }}{% raw %}")


@pytest.mark.usefixtures("figures_unseen")
def test_the_page_lands_in_the_run_or_where_it_is_wanted(
    command: Command, runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stages: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("report", runs["scratch"])
    assert done.status == 0, done.err
    assert "writing the report" in stages
    assert "writing the report: explanations (10 of 15)" in stages
    assert f"the report is in {runs['scratch'] / 'report.html'}" in done.out
    out = tmp_path / "deep" / "page.html"
    assert command("report", runs["scratch"], "--out", out, "--title", "Mine & <b>yours</b>").status == 0
    assert Page.read(out).headings[0] == (1, "Mine & <b>yours</b>")
    assert command("report", runs["scratch"], runs["plain"]).status == 0
    assert (tmp_path / "runs" / "report.html").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: (run / "config.json").unlink(), "is not a run: it has no readable config.json"),
        (lambda run: (run / "config.json").write_text('{"model_type": "other"}'), "is not a run"),
        (lambda run: (run / "config.json").write_text("{"), "config.json is damaged"),
        (lambda run: (run / "config.json").write_text('{"format": "scratchnet run"}'), "it lacks 'recipe'"),
        (lambda run: (run / "metrics.json").write_text("{"), "metrics.json is damaged"),
        (lambda run: (run / "metrics.json").write_text("[]"), "metrics.json is damaged"),
        (lambda run: (run / "metrics.json").write_text('{"training": {}}'), "metrics.json is damaged"),
        (
            lambda run: change(run / "metrics.json", "test", lambda own: {"confusion_matrix": []}),
            "metrics.json is damaged",
        ),
        (lambda run: (run / "history.csv").write_bytes(b"epoch,\xff"), "history.csv is damaged"),
        (lambda run: change(run / "config.json", "engine", lambda _: "abacus"), "unknown engine 'abacus'"),
        (lambda run: change(run / "config.json", "recipe", lambda _: {"name": "x"}), "recipe of"),
        (lambda run: compared(run).write_text("{}"), "; run scratchnet compare again"),
        (lambda run: compared(run).write_text("[]"), "; run scratchnet compare again"),
        (lambda run: (run / "split.csv").write_text("a,b\n1,2\n"), "split.csv is damaged"),
        (lambda run: (run / "model.safetensors").write_bytes(b"x"), "model.safetensors"),
        (lambda run: (run / "predictions_test.csv").write_text("name\n"), "predictions_test.csv is damaged"),
    ],
)
@pytest.mark.usefixtures("figures_unseen")
def test_damaged_runs_are_refused_in_one_sentence(
    command: Command, runs: dict[str, Path], damage: object, message: str
) -> None:
    damage(runs["scratch"])  # type: ignore[operator]
    done = command("report", runs["scratch"])
    assert done.status == 1
    assert message in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not (runs["scratch"] / "report.html").exists()


def test_the_same_run_twice_and_no_run_at_all_are_refused(command: Command, runs: dict[str, Path]) -> None:
    done = command("report", runs["scratch"], runs["scratch"].parent / "plain" / ".." / "scratch")
    assert done.status == 1
    assert "the same run is named twice" in done.err
    assert command("report").status == 2
    done = command("report", runs["scratch"] / "nowhere")
    assert done.status == 1
    assert "nowhere is not a run" in done.err


@pytest.mark.usefixtures("figures_unseen")
def test_a_page_that_cannot_be_written_leaves_nothing_behind(
    command: Command, runs: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "taken").mkdir()
    done = command("report", runs["scratch"], "--out", tmp_path / "taken")
    assert done.status == 1
    assert "taken" in done.err
    assert "Traceback" not in done.err
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.usefixtures("figures_unseen")
def test_a_run_that_is_overwritten_takes_its_report_along(
    command: Command, recipes: dict[str, Path], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    arguments = ["train", "--recipe", recipes["tiny"], "--data", "drawn:70", "--epochs", 1, "--out", run, "--overwrite"]
    assert command(*arguments).status == 0
    assert command("report", run).status == 0
    assert (run / "audit" / "audit.json").exists()
    assert command(*arguments).status == 0
    assert not (run / "audit").exists()
    assert not (run / "report.html").exists()


def test_names_of_classes_files_and_folders_are_nothing_but_names(
    recipes: dict[str, Path], faces: dict[str, Path], tmp_path: Path
) -> None:
    data, run = tmp_path / "<script>data", tmp_path / "<b>run"
    for name, hostile in zip(("happy", "sad", "fear"), HOSTILE, strict=True):
        for part in ("train", "test"):
            shutil.copytree(faces["split"] / part / name, data / part / hostile)
    odd = data / "train" / HOSTILE[0] / b'"><script>caf\xe9.png'.decode("utf-8", "surrogateescape")
    odd.write_bytes(b"no image")
    recipe = load_recipe(str(recipes["tiny"]))
    train(recipe, open_source(data), str(data), run, epochs=1)
    run_evaluate(run, None, None, None, False)
    page = Page.read(write_report([run], title="<i>title</i>"))
    assert page.open == []
    assert not page.tags & {"script", "i", "b"}
    assert "onerror" not in page.attributes
    for hostile in HOSTILE:
        assert page.text.count(" ".join(hostile.split())) > 3
    assert '"><script>caf\N{REPLACEMENT CHARACTER}.png' in page.text
    assert page.headings[0][1] == "<i>title</i>"
    assert "data <script>data" in page.text or "/<script>data" in page.text


def test_classes_in_any_script_are_written_without_a_warning(
    recipes: dict[str, Path], faces: dict[str, Path], tmp_path: Path
) -> None:
    data, names = tmp_path / "data", ("glücklich", "悲しい", "😨")
    for name, own in zip(("happy", "sad", "fear"), names, strict=True):
        shutil.copytree(faces["folder"] / name, data / own)
    recipe = load_recipe(str(recipes["tiny"]))
    train(recipe, open_source(data), str(data), tmp_path / "run", epochs=1)
    page = Page.read(write_report([tmp_path / "run"]))
    assert all(name in page.text for name in names)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["classes"] == sorted(names)
