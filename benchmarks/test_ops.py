"""Convolutions by themselves, beside the processor's peak."""

from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from pipelines.bench.convolutions import CONVOLUTIONS, Convolution
from pipelines.bench.measure import convolution_calls
from pipelines.bench.peak import peak_call
from pipelines.bench.peers import BY_NAME
from pipelines.bench.peers.base import Contender


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=lambda case: case.name)
def test_convolution(
    benchmark: BenchmarkFixture, contender: Callable[[str], Contender], case: Convolution, name: str
) -> None:
    calls = convolution_calls([contender("scratchnet"), contender(name)], case)
    if name not in calls:
        pytest.skip(f"{BY_NAME[name].title} has no {case.direction}")
    benchmark.group = case.name
    benchmark.extra_info["flops"] = case.flops
    benchmark(calls[name])


def test_fma_peak(benchmark: BenchmarkFixture, threads: int) -> None:
    call, flops = peak_call(threads)
    benchmark.group = "FMA peak"
    benchmark.extra_info["flops"] = flops
    benchmark(call)
