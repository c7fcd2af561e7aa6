"""A report is one page that holds everything, says what it shows, and asks nothing of anyone."""

import html
import json
import re
import shlex
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pages import Page
from tiny import Command

import scratchnet as sn
from pipelines.evaluation import load_predictions
from pipelines.evaluation.paired import compare_paired
from pipelines.report.auditing import audit_of
from pipelines.report.compose import write_report
from pipelines.report.material import gather
from pipelines.run import Run

SECTIONS = [
    "What came out", "Data", "From image to answer", "Architecture", "Hyperparameters", "Learning curves", "Evaluation",
    "Predictions", "Explanations", "Features and clusters", "Published figures", "Side by side",
    "Beside the Keras twin", "To get it again",
]  # fmt: skip


@pytest.fixture(scope="session")
def page_of_two(made: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The report of the same network trained with both engines."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    return Page.read(write_report([made["scratch"], made["keras"]], path))


def metrics(run: Path) -> dict[str, dict[str, float]]:
    content: dict[str, dict[str, float]] = json.loads((run / "metrics.json").read_text())
    return content


def test_every_section_is_there_in_order_and_says_something(page_of_two: Page) -> None:
    assert [text for level, text in page_of_two.headings if level == 2] == SECTIONS
    levels = [level for level, _ in page_of_two.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), "no level is left out"


def test_the_contents_lead_to_every_section(page_of_two: Page) -> None:
    targets = [link.removeprefix("#") for link in page_of_two.links]
    assert len(targets) == len(SECTIONS) + 1, "and one to the content, for those who hear the page"
    assert set(targets) <= set(page_of_two.anchors)
    assert len(page_of_two.anchors) == len(set(page_of_two.anchors))


def test_nothing_is_loaded_from_elsewhere_and_no_script_runs(made: dict[str, Path], tmp_path: Path) -> None:
    source = write_report([made["scratch"]], tmp_path / "r.html").read_text()
    page = Page(source)
    assert page.open == [], "every element ends"
    assert not page.tags & {"script", "iframe", "object", "embed", "form", "video", "audio", "base"}
    assert not [name for name in page.attributes if name.startswith("on")]
    assert all(str(image["src"]).startswith("data:image/") for image in page.images)
    assert re.findall(r"""(?:src|href)=["'](?!data:|#)""", source) == []
    assert "url(" not in source
    assert "@import" not in source
    assert "default-src 'none'" in source
    assert len(source) < 4 * 2**20


def test_every_picture_says_what_it_shows_and_how_large_it_is(page_of_two: Page) -> None:
    assert len(page_of_two.images) > 20
    for image in page_of_two.images:
        assert len(str(image["alt"])) > 20, image["alt"]
        assert int(str(image["width"])) > 100
        assert int(str(image["height"])) > 50


def test_the_measured_figures_stand_on_the_page(page_of_two: Page, made: dict[str, Path]) -> None:
    for engine in ("scratch", "keras"):
        test = metrics(made[engine])["test"]
        assert f"{100 * test['accuracy']:.1f}%" in page_of_two.text
        assert f"macro F1 {test['macro_f1']:.3f}" in page_of_two.text
        for figures in test["per_class"].values():  # type: ignore[attr-defined]
            assert f"{figures['precision']:.3f} {figures['recall']:.3f} {figures['f1']:.3f}" in page_of_two.text
        low, high = test["intervals"]["accuracy"]  # type: ignore[index]
        assert f"{100 * low:.1f} to {100 * high:.1f}%" in page_of_two.text


def test_both_engines_stand_side_by_side_with_what_they_have_in_common(page_of_two: Page) -> None:
    assert "engine scratchnet Keras" in page_of_two.text
    assert "same division of the same images - yes same network - yes" in page_of_two.text
    assert re.search(r"the two engines are [\d.]+ points apart", page_of_two.text)


def test_two_runs_are_tested_image_by_image(page_of_two: Page, made: dict[str, Path]) -> None:
    found = compare_paired(*(load_predictions(Run(made[engine]), "test") for engine in ("scratch", "keras")))
    assert found is not None
    numbers = f"keras {found.first_only} {found.second_only} {100 * found.difference:+.1f} points"
    assert numbers.replace("-", "\N{MINUS SIGN}") in page_of_two.text.replace("-", "\N{MINUS SIGN}")
    assert f"to {100 * found.interval[1]:+.1f} {found.p_value:.3f}" in page_of_two.text
    assert "McNemar's exact test" in page_of_two.text


def test_published_figures_stand_beside_ours_with_the_distance(page_of_two: Page, made: dict[str, Path]) -> None:
    ours = [metrics(made[engine])["test"]["accuracy"] for engine in ("scratch", "keras")]
    cells = [f"{100 * value:.1f}% ({100 * value - 50:+.1f} points)" for value in ours]
    assert f"test accuracy 50.0% {cells[0]} {cells[1]}" in page_of_two.text
    assert "Source: An Earlier Study. On other faces." in page_of_two.text
    happy = [metrics(made[engine])["test"]["per_class"]["happy"]["f1"] for engine in ("scratch", "keras")]  # type: ignore[index]
    assert f"happy 0.900 {happy[0]:.3f} {happy[1]:.3f}" in page_of_two.text


def test_what_ended_and_what_was_compiled_stands_apart_from_the_epochs(
    page_of_two: Page, made: dict[str, Path]
) -> None:
    assert "what ended it reached 2 epochs reached 2 epochs" in page_of_two.text
    assert re.search(r"compiling kernels, besides [\d.]+ \w+ traced in the first epoch", page_of_two.text)
    baseline = 100 * metrics(made["scratch"])["test"]["majority_baseline"]  # type: ignore[operator]
    assert f"always answering the largest class {baseline:.1f}%" in page_of_two.text


def test_layers_stand_with_shapes_and_parameters(page_of_two: Page, made: dict[str, Path]) -> None:
    total = gather([made["scratch"]]).runs[0].network.count_params()
    assert "1 Conv2D 3x3, step 2 valid, relu 7x7x4 40" in page_of_two.text
    assert f"all {total:,}" in page_of_two.text


def test_the_same_runs_give_the_same_bytes_and_are_audited_once(
    runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write_report([runs["scratch"]]).read_bytes()
    monkeypatch.setattr("pipelines.report.auditing.scan", None)  # calling it would fail
    assert write_report([runs["scratch"]]).read_bytes() == first


def test_an_audit_of_another_division_is_not_believed(runs: dict[str, Path]) -> None:
    run = runs["scratch"]
    audit_of(gather([run]).runs[0])
    split = (run / "split.csv").read_text()
    test_image = next(line for line in split.splitlines() if line.endswith(",test"))
    (run / "split.csv").write_text(split.replace(test_image + "\n", ""))
    found = audit_of(gather([run]).runs[0])
    assert not isinstance(found, str)
    assert found["images"] == split.count("\n") - 2


@pytest.mark.usefixtures("figures_unseen")
def test_the_commands_on_the_page_make_the_run_again(
    command: Command, recipes: dict[str, Path], faces: dict[str, Path], tmp_path: Path
) -> None:
    run, again = tmp_path / "run with blanks", tmp_path / "again"
    arguments = ["--recipe", recipes["tiny"], "--data", faces["split"], "--set", "training.batch_size=8", "--seed", 3]
    assert command("train", *arguments, "--limit", 60, "--epochs", 1, "--out", run).status == 0
    assert command("report", run).status == 0
    source = (run / "report.html").read_text()
    lines = re.findall(r"^scratchnet train .*$", html.unescape(re.sub(r"<[^>]+>", "", source)), re.MULTILINE)
    words = shlex.split(lines[0])
    assert words[-1] == str(run)
    assert command(*words[1:-1], again).status == 0
    models = [sn.load_model(folder / "model.safetensors") for folder in (run, again)]
    for ours, theirs in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(ours, theirs)
