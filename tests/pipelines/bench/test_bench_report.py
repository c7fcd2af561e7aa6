"""Verdicts and the report, on made-up figures."""

import json
from pathlib import Path

import cv2
import pytest

from pipelines.bench.chart import save_chart
from pipelines.bench.report import line, summary, tables, to_json, to_markdown
from pipelines.bench.results import (
    COLD_COMPILE,
    FIRST_PREDICTION,
    OURS,
    PEAK,
    SOONER_THAN_TENSORFLOW,
    TARGETS,
    Figure,
    Row,
    Target,
    Verdict,
    compared,
)
from pipelines.bench.timing import Timing

ENVIRONMENT = {
    "processor": "Abacus", "cores": 4, "threads": 2, "vector_bits": 256, "system": "Linux x86_64",
    "load": 0.1, "date": "2001-02-03", "versions": {"scratchnet": "9.9", "torch": "8.8"},
}  # fmt: skip


def figures(**medians: float) -> dict[str, Figure]:
    return {name: Figure(median, 0.9 * median, 1.1 * median) for name, median in medians.items()}


@pytest.fixture
def rows() -> list[Row]:
    return [
        compared("train", "A", figures(scratchnet=1.0, keras=2.5, torch=2.0), variants={"keras": "tf.function"}),
        compared("train", "B", figures(scratchnet=1.0, keras=1.1)),
        compared("infer", "A", figures(scratchnet=1.0, onnxruntime=1.2, openvino=1.4)),
        compared("one", "C", figures(scratchnet=8.0)),
        Row("ops", "forward 48x48 32->64, batch 32", {OURS: Figure(450, 1, 2), PEAK: Figure(500, 1, 2)}, 0.9),
        Row("startup", FIRST_PREDICTION, figures(scratchnet=0.7, keras=4.9), 0.7),
        Row("startup", SOONER_THAN_TENSORFLOW, {}, 7.0, "keras"),
        Row("startup", COLD_COMPILE, {}, note="not measured: the compiler was out"),
        compared("memory", "B", figures(scratchnet=150.0, keras=100.0, torch=120.0)),
        Row("threads", "A, training step", {"1 thread": Figure(2, 2, 2), "2 threads": Figure(1.1, 1, 2)}, 2 / 1.1),
    ]


@pytest.mark.parametrize(
    ("score", "verdict"),
    [(2.0, Verdict.AIM), (1.9999, Verdict.MET), (1.2, Verdict.MET), (1.1999, Verdict.MISSED), (None, Verdict.NONE)],
)
def test_a_verdict_is_of_the_unrounded_score(score: float | None, verdict: Verdict) -> None:
    assert Target(1.2, 2.0).verdict(score) is verdict


@pytest.mark.parametrize(
    ("score", "verdict"),
    [(0.5, Verdict.AIM), (0.5001, Verdict.MET), (1.0, Verdict.MET), (1.0001, Verdict.MISSED)],
)
def test_small_scores_can_be_the_good_ones(score: float, verdict: Verdict) -> None:
    assert Target(1.0, 0.5, at_most=True).verdict(score) is verdict


def test_what_is_not_a_number_is_not_met() -> None:
    assert Target(1.0, 2.0).verdict(float("nan")) is Verdict.MISSED
    assert Target(1.0, 0.5, at_most=True).verdict(float("nan")) is Verdict.MISSED


def test_ours_is_compared_with_the_best_peer() -> None:
    speed = compared("train", "A", figures(scratchnet=2.0, keras=3.0, torch=2.5))
    assert (speed.score, speed.against, speed.verdict) == (1.25, "torch", Verdict.MET)
    memory = compared("memory", "C", figures(scratchnet=2.0, keras=4.0, torch=5.0))
    assert (memory.score, memory.against, memory.verdict) == (0.5, "keras", Verdict.AIM)


def test_without_a_peer_there_is_no_verdict() -> None:
    row = compared("train", "A", figures(scratchnet=2.0))
    assert (row.score, row.against, row.verdict) == (None, None, Verdict.NONE)


def test_every_speed_of_a_network_has_a_target_no_higher_than_its_aim() -> None:
    assert {(section, net) for section in ("train", "infer", "one") for net in "ABCD"} <= TARGETS.keys()
    for target in TARGETS.values():
        assert target.verdict(target.aim) is Verdict.AIM
        assert target.verdict(target.required) is not Verdict.MISSED


def test_a_rate_is_lowest_in_the_slowest_turn() -> None:
    assert Figure.of_rate(Timing(2.0, 1.0, 4.0, 9), 100.0) == Figure(50.0, 25.0, 100.0)


def test_tables_show_figures_targets_and_verdicts(rows: list[Row]) -> None:
    train, infer, one, ops, startup, memory, threads = tables(rows)
    assert train.columns == ["case", "scratchnet", "TF/Keras", "PyTorch", "result", "required", "aim", "verdict"]
    assert train.rows == [
        ["A", "1.000", "2.500", "2.000", "2.00x PyTorch", "≥ 1.20x", "≥ 2.00x", "aim met"],
        ["B", "1.000", "1.100", "", "1.10x TF/Keras", "≥ 1.20x", "≥ 2.00x", "not met"],
    ]
    assert train.notes == ["A: fastest are TF/Keras as tf.function"]
    assert infer.rows[0][-4:] == ["1.20x ONNX Runtime", "≥ 1.00x", "≥ 1.50x", "met"]
    assert one.rows == [["C", "8.000", "", "≥ 1.00x", "≥ 1.10x", "-"]]
    assert ops.rows[0][1:] == ["450", "500", "90%", "≥ 90%", "≥ 95%", "met"]
    assert startup.rows[0][1:] == ["0.70", "4.90", "0.70 s", "≤ 1.00 s", "≤ 0.60 s", "met"]
    assert startup.rows[1][3:] == ["7.00x TF/Keras", "≥ 6.00x", "≥ 6.00x", "aim met"]
    assert startup.rows[2][3:] == ["", "≤ 60.00 s", "≤ 30.00 s", "-"]
    assert startup.notes == [f"{COLD_COMPILE}: not measured: the compiler was out"]
    assert memory.rows[0][4:] == ["1.50x TF/Keras", "≤ 1.00x", "≤ 0.50x", "not met"]
    assert threads.columns == ["case", "1 thread", "2 threads", "result"]
    assert threads.rows == [["A, training step", "2.000", "1.100", "1.82x"]]


def test_a_row_can_be_told_in_one_line(rows: list[Row]) -> None:
    assert line(rows[0]) == (
        "Training step, A: scratchnet 1.000 ms per image, TF/Keras 2.500, PyTorch 2.000; 2.00x PyTorch"
    )
    assert line(rows[7]) == f"Start-up in a fresh process, {COLD_COMPILE}: not measured: the compiler was out"


def test_the_summary_counts_and_names_what_is_missed(rows: list[Row]) -> None:
    assert summary(rows) == (
        "5 of 9 targets met, 2 of them as far as aimed; 2 could not be judged; not met: train B; memory B"
    )


def test_markdown_has_the_environment_and_every_table(rows: list[Row]) -> None:
    text = to_markdown(rows, ENVIRONMENT, ["OpenVINO"])
    assert "Abacus, 4 cores, 2 threads used, 256-bit vectors, Linux x86_64, 2001-02-03, load average 0.1" in text
    assert "scratchnet 9.9, torch 8.8" in text
    assert "Not installed, so left out: OpenVINO." in text
    assert "| A | 1.000 | 2.500 | 2.000 | 2.00x PyTorch | ≥ 1.20x | ≥ 2.00x | aim met |" in text
    assert text.count("\n## ") == len(tables(rows))
    for block in text.split("\n\n"):
        if block.startswith("|"):
            assert len({line.count("|") for line in block.strip().splitlines()}) == 1


def test_json_keeps_everything_unrounded(rows: list[Row]) -> None:
    content = json.loads(json.dumps(to_json(rows, ENVIRONMENT, ["OpenVINO"])))
    assert content["environment"] == ENVIRONMENT
    assert content["left_out"] == ["OpenVINO"]
    first = content["rows"][0]
    assert first["figures"]["torch"] == {"median": 2.0, "low": 1.8, "high": 2.2}
    assert (first["score"], first["against"], first["verdict"]) == (2.0, "torch", "aim met")
    assert first["target"] == {"required": 1.2, "aim": 2.0, "at_most": False}
    assert content["rows"][-1]["score"] == 2 / 1.1


def test_the_chart_is_drawn_as_png_and_svg(rows: list[Row], tmp_path: Path) -> None:
    paths = [tmp_path / "speed.png", tmp_path / "speed.svg"]
    assert save_chart(rows, ENVIRONMENT, paths)
    assert cv2.imread(str(paths[0])) is not None
    assert "</svg>" in paths[1].read_text()


def test_without_peers_there_is_no_chart(tmp_path: Path) -> None:
    rows = [
        compared("train", "A", figures(scratchnet=1.0)),
        Row("ops", "some", figures(scratchnet=1.0, numpy=2.0), 0.5),
    ]
    assert not save_chart(rows, ENVIRONMENT, [tmp_path / "speed.png"])
    assert not list(tmp_path.iterdir())
