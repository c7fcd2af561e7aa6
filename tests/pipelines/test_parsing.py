"""Files that users can reach: what is wrong in them ends in a sentence that names the file; no fault of ours does."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from said import random_predictions
from sklearn.cluster import KMeans
from tiny import Command

from pipelines.clustering.methods import _numerics
from pipelines.clustering.saving import ClustersFile
from pipelines.compare.report import CompareFile
from pipelines.crossval.folder import CrossvalFolder, CrossvalSettings
from pipelines.curation.card import _read_extraction
from pipelines.curation.description import read_description
from pipelines.curation.journal import Journal, has_pending
from pipelines.curation.provenance import read_origins
from pipelines.curation.show import _rejected_counts
from pipelines.errors import UserError
from pipelines.evaluation import Predictions, evaluate_probabilities
from pipelines.features.record import Comparison
from pipelines.features.searching import Record
from pipelines.measured import Metrics
from pipelines.movies.assemble import carry_out, read_report
from pipelines.movies.work import Work
from pipelines.parsing import checked, parse_json
from pipelines.report.sections import evaluation, features, twin
from pipelines.report.sections.crossval import _table
from pipelines.run import Run

READERS: dict[str, Callable[[Path], object]] = {
    "config.json": lambda folder: Run(folder).config(),
    "metrics.json": lambda folder: Run(folder).metrics(),
    "crossval.json": lambda folder: CrossvalFolder(folder).config(),
    "features.json": Comparison.read,
    "search.json": Record.read,
    "dataset.json": read_description,
    "augmentation.json": read_origins,
    "labels.jsonl": Journal,
    "extraction.json": read_report,
    ".extraction/plan.json": carry_out,
    "pieces/000000.json": lambda folder: Work(folder).pieces(),
}
# what Python's parser gives up on, each in its own way
WRONG = ("", "{", "[" * 100_000, "9" * 5000, '{"a": ' * 5000, "[1]", "null", "3", '"x"', "{}", "\ud800")


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("content", WRONG, ids=lambda text: f"{text:.6}...{len(text)}")
def test_a_file_that_is_damaged_anyhow_is_named(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes((content and content + "\n").encode("utf-8", "surrogatepass"))
    if (name, content) in {("metrics.json", "{}"), ("labels.jsonl", "")}:
        assert READERS[name](tmp_path) is not None, "nothing is missing there"
        return
    with pytest.raises(UserError) as caught:
        READERS[name](tmp_path)
    said = str(caught.value)
    assert name in said or content.startswith("{}") or "is not a" in said
    assert len(said) < 600
    assert len(said.splitlines()) == 1


def test_other_readers_of_the_same_files_agree(tmp_path: Path) -> None:
    (tmp_path / "extraction.json").write_text("[" * 100_000)
    for read in (_read_extraction, lambda folder: _rejected_counts(folder / "extraction.json")):
        with pytest.raises(UserError, match=r"extraction\.json is damaged"):
            read(tmp_path)
    (tmp_path / "labels.jsonl").write_text("[" * 100_000 + "\n")
    assert has_pending(tmp_path)


def test_file_names_of_any_bytes_stand_in_them(tmp_path: Path) -> None:
    (tmp_path / "search.json").write_bytes(
        b'{"vectors": "caf\xe9", "metric": "cosine", "images": 3, "command": ["search", "caf\xe9"]}'
    )
    record = Record.read(tmp_path)
    assert record is not None
    assert record.command == ["search", "caf\udce9"]


def evaluation_figures() -> dict[str, Any]:
    copies = {"images": 1, "of": 9, "accuracy": 0.5, "accuracy_of_copies": 1.0, "accuracy_without_copies": 0.4}
    figures = evaluate_probabilities(random_predictions(4, images=20, classes=3)).to_json()
    recorded = {"images": 9, "found": 8, "relabelled": 1, "new": 0}
    about = {"interval_groups": 5, "recorded": recorded, "trained_on": 0, "copies_of_training_images": copies}
    return {**figures, **about}


FOLD = {
    "fold": 1, "images": 9, "epochs": 2, "epoch": 1, "accuracy": 0.5, "macro_f1": 0.5, "loss": 1.0, "seconds": 2.0,
}  # fmt: skip
RESULTS = {
    "folds": [FOLD, {**FOLD, "fold": 2}],
    "mean": {"accuracy": 0.5, "macro_f1": 0.5, "loss": 1.0},
    "standard_deviation": {"accuracy": 0.1, "macro_f1": 0.1, "loss": 0.1},
}
SETTINGS = {
    "format": "scratchnet crossval", "recipe": {}, "data": "d", "classes": ["a"], "epochs": 2, "limit": None, "seed": 0,
    "folds": 2, "grouped": False, "inner_validation": None, "protocol": "p",
}  # fmt: skip
COMPARED = {
    "verdict": "The same function.", "notes": ["a note"], "activations": [{"relative": 1e-7}],
    "tolerances": {"activations": 1e-4, "gradients": 1e-5, "losses": 1e-3}, "gradients": [{"relative": "inf"}],
    "training": {"ours": [1.0], "apart": [1e-6]}, "seconds": [{"what": "a step", "ours": 0.1, "theirs": 0.2}],
}  # fmt: skip
CLUSTERS = {
    "images": 9, "part": "test", "vectors": "pixels", "dimension": 4, "clusters": 3, "clusters_by": "as asked for",
    "trained_on": None, "figures": ["numbers.png"], "command": ["cluster"],
    "methods": {
        "kmeans": {
            "title": "K-Means", "clusters": 3, "figures": [],
            "scores": {"ari": {"mean": 0.5, "deviation": None, "random": 0.0}},
        }
    },
}  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where everything stands in a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in inner:
        yield (*path, key)
        yield from places(entry, (*path, key))


def spoilt(value: Any) -> Iterator[Any]:
    """Copies with one entry of another kind, or none."""
    for path in places(value):
        for wrong in ("x", [], {}, None, True, 1.5, -1, 10**300, [[1]], {"a": "b"}):
            copy = deepcopy(value)
            inner = copy
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = wrong
            yield copy


def check_accepted_or_named(value: Any, read: Callable[[Any], object], use: Callable[[Any], object]) -> int:
    """How many spoilt copies are refused; all others can be used."""
    refused = 0
    for copy in spoilt(value):
        try:
            read(copy)
        except UserError:
            refused += 1
        else:
            use(copy)
    return refused


def test_metrics_of_any_other_kinds_are_refused_or_can_be_shown() -> None:
    def read(metrics: Any) -> None:
        checked(metrics, Metrics, "metrics.json")

    def show(metrics: Any) -> None:
        if metrics["test"] is not None:
            evaluation.figures_of(metrics["test"])
            evaluation._recorded(metrics["test"])
            evaluation._leakage(metrics["test"])

    metrics = {"training": {"epochs": 2, "best_epoch": 1, "seconds": 1.5}, "test": evaluation_figures()}
    read(metrics)
    assert check_accepted_or_named(metrics, read, show) > 500


def test_results_of_folds_are_refused_or_can_be_shown() -> None:
    pooled, study = evaluation_figures(), SimpleNamespace(recipe=SimpleNamespace(published=None))

    def read(results: Any) -> None:
        checked({**SETTINGS, "results": {**results, "pooled": pooled}}, CrossvalSettings, "crossval.json")

    read(RESULTS)
    assert check_accepted_or_named(RESULTS, read, lambda results: _table(study, results)) > 100


def test_comparisons_and_clusters_are_refused_or_can_be_shown() -> None:
    for value, kind, use in ((COMPARED, CompareFile, twin._compared), (CLUSTERS, ClustersFile, features._scores)):
        checked(value, kind, "it")
        assert check_accepted_or_named(value, lambda copy, kind=kind: checked(copy, kind, "it"), use) > 50


def test_a_message_says_what_is_missing_or_wrong_and_what_to_do() -> None:
    with pytest.raises(UserError, match=r"^c\.json is damaged: it lacks 'methods'; run it again$"):
        checked(
            {key: value for key, value in CLUSTERS.items() if key != "methods"}, ClustersFile, "c.json", "run it again"
        )
    with pytest.raises(UserError, match=r"^c\.json is damaged: images: Input should be a valid integer$"):
        checked({**CLUSTERS, "images": "many"}, ClustersFile, "c.json")
    with pytest.raises(UserError, match=r"^j is damaged: it holds a number of too many digits$"):
        parse_json("9" * 5000, "j")
    with pytest.raises(UserError, match=r"^j is damaged: its brackets are nested too deeply$"):
        parse_json("[" * 100_000, "j")


def test_a_fault_of_the_program_is_not_blamed_on_what_it_was_given(
    command: Command, tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> None:
        raise ValueError("a bug")

    for name, replacement in (("fit", fault), ("save_training_figures", lambda *_: None)):
        monkeypatch.setattr(f"pipelines.training.{name}", replacement)
    done = command("train", tiny_recipe, "--data", "drawn:70", "--out", tmp_path / "run")
    assert done.status == 70
    assert "ValueError: a bug" in done.err
    assert "this is a fault of the program, not of what it was given; please report it" in done.err
    assert "cannot be trained" not in done.err


def test_a_fault_of_a_section_of_the_report_is_not_a_damaged_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*_: object) -> None:
        raise AttributeError("a bug")

    monkeypatch.setattr(evaluation, "_part", fault)
    run = SimpleNamespace(measured_parts=["test"], run=SimpleNamespace(metrics_path=Path("metrics.json")))
    with pytest.raises(AttributeError, match="a bug"):
        evaluation.evaluation_section([run])


def test_only_what_a_library_says_of_the_vectors_is_blamed_on_them() -> None:
    vectors = np.zeros((2, 2))
    with pytest.raises(UserError, match=r"K cannot cluster these 2 vectors \(n_samples=2 should"), _numerics("K", 2):
        KMeans(9).fit(vectors)
    for call in (lambda: KMeans(-1).fit(vectors), lambda: Predictions(("x",), np.zeros(2), vectors, ("a", "b"))):
        with pytest.raises(ValueError) as caught, _numerics("K-Means", 2):  # noqa: PT011  # of whatever words
            call()
        assert not isinstance(caught.value, UserError)
