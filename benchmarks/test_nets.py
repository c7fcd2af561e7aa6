"""Networks A to D: a training step, batch inference, one image."""

from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from pipelines.bench.measure import images_per_call, net_calls
from pipelines.bench.nets import NETS
from pipelines.bench.peers import BY_NAME
from pipelines.bench.peers.base import Contender
from pipelines.bench.timing import Pace

WORK = {
    "train": [name for name, contender in BY_NAME.items() if contender.trains],
    "infer": [name for name, contender in BY_NAME.items() if contender.predicts],
    "one": [name for name, contender in BY_NAME.items() if contender.predicts],
}


@pytest.mark.parametrize(("section", "name"), [(section, name) for section, names in WORK.items() for name in names])
@pytest.mark.parametrize("net", NETS)
def test_net(
    benchmark: BenchmarkFixture, contender: Callable[[str], Contender], net: str, section: str, name: str
) -> None:
    both = [contender("scratchnet"), contender(name)]
    calls, variants = net_calls(both, section, NETS[net], Pace(rounds=1))
    benchmark.group = f"net {net}, {section}"
    benchmark.extra_info.update(images=images_per_call(section, NETS[net]), way=variants.get(name, ""))
    benchmark(calls[name])
