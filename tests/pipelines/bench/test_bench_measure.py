"""The measurements themselves, as small as they come, and the command around them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from tiny import Command

from pipelines.bench import child, fresh
from pipelines.bench.convolutions import Convolution
from pipelines.bench.environment import describe_environment
from pipelines.bench.measure import Bench, Plan, thread_counts
from pipelines.bench.nets import NETS, TINY
from pipelines.bench.peak import CHAINS, LANES, peak_call
from pipelines.bench.peers import BY_NAME
from pipelines.bench.results import COLD_COMPILE, OURS, PEAK, Verdict
from pipelines.bench.timing import Pace
from pipelines.machine import available_cores

ROOT = Path(__file__).resolve().parents[3]
PACE = Pace(rounds=1, budget=0, pause=0)
PLAN = Plan((BY_NAME["numpy"],), 1, pace=PACE)


def test_the_peak_comes_from_sums_that_are_really_computed() -> None:
    call, flops = peak_call(1, turns=60)
    assert flops == 2 * LANES * CHAINS * 60
    # every sum tends to 2, whatever it begins with
    np.testing.assert_allclose(call(), [2.0 * LANES * CHAINS], rtol=1e-6)
    call, _ = peak_call(1, turns=1)
    starts = np.arange(CHAINS, dtype=np.float64)
    np.testing.assert_allclose(call(), [LANES * (starts / 2 + 1).sum()], rtol=1e-6)


def test_a_convolution_is_a_share_of_the_peak() -> None:
    row = Bench(PLAN).convolution(Convolution("kernel gradient", 6, 3, 5, batch=2))
    assert set(row.figures) == {OURS, "numpy", PEAK}
    assert row.score == row.figures[OURS].median / row.figures[PEAK].high
    assert row.verdict is Verdict.NONE


@pytest.mark.parametrize("section", ["train", "infer", "one"])
def test_a_network_is_measured_alone_where_there_is_no_peer(section: str) -> None:
    row = Bench(PLAN).net_speed(section, TINY)
    assert set(row.figures) == {OURS}
    assert row.figures[OURS].low <= row.figures[OURS].median <= row.figures[OURS].high
    assert row.score is None


def test_scaling_leaves_the_number_of_threads_as_it_was() -> None:
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        rows = Bench(PLAN).thread_scaling(TINY)
        assert numba.get_num_threads() == 1
    finally:
        numba.set_num_threads(before)
    assert [row.case for row in rows] == ["tiny, training step", "tiny, batch inference"]
    assert all(row.score == 1.0 and set(row.figures) == {"1 thread"} for row in rows)


@pytest.mark.parametrize(("most", "counts"), [(1, [1]), (2, [1, 2]), (4, [1, 2, 4]), (6, [1, 2, 4, 6])])
def test_threads_are_doubled_up_to_all(most: int, counts: list[int]) -> None:
    assert thread_counts(most) == counts


def test_a_fresh_process_predicts() -> None:
    assert fresh.run_child("first", "scratchnet", 1, "unused", threads=1) == {"shape": [1, 7]}


@pytest.mark.skipif(not child.STATUS.exists(), reason="only Linux tells the memory held now")
def test_memory_held_and_memory_ever_held_are_told_apart() -> None:
    before, _ = child.resident()
    block = np.ones(64_000_000, np.uint8)
    during, _ = child.resident()
    del block
    after, most = child.resident()
    assert during - before > 60e6
    assert during - after > 60e6
    assert most > during - 1e6  # the kernel counts in portions


def test_training_memory_holds_the_weights_their_gradients_and_adams_moments() -> None:
    growth, peak = fresh.training_memory(BY_NAME["scratchnet"], "A", threads=1, steps=1)
    activation = NETS["A"].batch * 48 * 48 * 32 * 4
    assert 4 * 4 * 684_423 + activation < growth < peak


def test_a_process_that_fails_is_quoted() -> None:
    with pytest.raises(fresh.FreshProcessError, match="scratchnet failed: KeyError: 'Z'"):
        fresh.run_child("memory", "scratchnet", 1, "Z", 1, 0, threads=1)


def test_a_row_that_could_not_be_measured_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise fresh.FreshProcessError("scratchnet failed: no compiler")

    monkeypatch.setattr(fresh, "time_cold_compile", fail)
    (row,) = Bench(PLAN).cold_compile()
    assert (row.case, row.note) == (COLD_COMPILE, "not measured: scratchnet failed: no compiler")
    assert row.verdict is Verdict.NONE


def test_the_environment_names_what_figures_depend_on() -> None:
    found = describe_environment([BY_NAME["scratchnet"]], threads=1)
    assert found["processor"]
    assert found["cores"] == available_cores() >= 1
    assert found["vector_bits"] in {128, 256, 512}
    assert {"scratchnet", "python", "numpy", "numba"} == set(found["versions"])


def test_the_command_measures_ours_alone(command: Command, tmp_path: Path) -> None:
    done = command("bench", "--nets", "a", "--only", "one", "--rounds", 1, "--peers", "none", "--out", tmp_path)
    assert done.status == 0, done.err
    assert "One image, ms" in done.out
    content = json.loads((tmp_path / "results.json").read_text())
    assert [(row["section"], row["case"]) for row in content["rows"]] == [("one", "A")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.md", "results.json"]


def test_the_command_measures_beside_keras(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    # in a process of its own, where TensorFlow can still be given a number of threads
    code = "from pipelines.main import main; main()"
    options = ["--nets", "A", "--only", "one", "--rounds", "1", "--threads", "1", "--peers", "keras"]
    done = subprocess.run(
        [sys.executable, "-c", code, "bench", *options, "--out", str(tmp_path)],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "x TF/Keras" in done.stdout
    (row,) = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert row["against"] == "keras"
    assert row["score"] == pytest.approx(row["figures"]["keras"]["median"] / row["figures"]["scratchnet"]["median"])
    assert "| A |" in (tmp_path / "report.md").read_text()
    assert (tmp_path / "speed.png").exists()
    assert (tmp_path / "speed.svg").exists()


def test_help_mentions_every_option_and_peer(command: Command) -> None:
    done = command("bench", "--help")
    assert done.status == 0
    for word in ("--nets", "--only", "--rounds", "--threads", "--peers", "--out", "startup", "onnxruntime", "PyTorch"):
        assert word in done.out, word


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--nets", "AX"), "--nets takes some of A, B, C, D, got X"),
        (("--nets", ""), "--nets takes some of A, B, C, D, got none of them"),
        (
            ("--only", "train,speed"),
            "--only takes some of train, infer, one, features, ops, startup, memory, threads, accuracy, got speed",
        ),
        (("--peers", "jax"), "--peers takes some of none, keras, torch, onnxruntime, openvino, numpy, got jax"),
        (("--threads", "100000"), "--threads can be at most"),
        (("--only", "memory", "--nets", "A", "--peers", "none"), "nothing to measure: memory is that of nets B and C"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_option_is_named_in_one_sentence(
    command: Command, tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    done = command("bench", *options, "--out", tmp_path / "out")
    assert done.status == 1
    assert sentence in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_rounds_are_at_least_one(command: Command) -> None:
    done = command("bench", "--rounds", 0)
    assert done.status == 2
    assert "--rounds" in done.err


def test_a_file_is_not_a_folder_for_the_report(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = command("bench", "--out", tmp_path / "file")
    assert done.status == 1
    assert "choose another --out" in done.err
