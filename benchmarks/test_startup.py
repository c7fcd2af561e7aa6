"""A fresh process from its start to the first prediction of net A, and to all kernels compiled."""

from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from pipelines.bench.fresh import run_child
from pipelines.bench.nets import NETS
from pipelines.bench.peers import BY_NAME
from pipelines.bench.peers.onnx_graph import net_to_onnx


@pytest.mark.parametrize("name", [name for name, contender in BY_NAME.items() if contender.predicts])
def test_first_prediction(benchmark: BenchmarkFixture, threads: int, tmp_path: Path, name: str) -> None:
    if not BY_NAME[name].installed():
        pytest.skip(f"{BY_NAME[name].title} is not installed")
    model_file = tmp_path / "net.onnx"
    if "onnx" in BY_NAME[name].modules:
        model_file.write_bytes(net_to_onnx(NETS["A"], NETS["A"].draw_weights(), batch=1))
    benchmark.group = "first prediction"
    benchmark.pedantic(run_child, ("first", name, threads, model_file), {"threads": threads}, rounds=3, warmup_rounds=1)


def test_cold_compile(benchmark: BenchmarkFixture, threads: int, tmp_path: Path) -> None:
    benchmark.group = "all kernels compiled"
    benchmark.pedantic(
        run_child,
        ("compile", "scratchnet", threads),
        {"threads": threads, "environment": {"SCRATCHNET_CACHE": str(tmp_path)}},
        rounds=1,
    )
