"""Contenders for pytest-benchmark; `scratchnet bench` measures the same in turns, which is the fairer comparison."""

import warnings
from collections.abc import Callable
from functools import cache

import pytest

from pipelines.bench.peers import BY_NAME
from pipelines.bench.peers.base import Contender
from pipelines.machine import available_cores


@pytest.fixture(scope="session")
def threads() -> int:
    """How many threads everybody may use."""
    return available_cores()


@pytest.fixture(scope="session")
def contender(threads: int) -> Callable[[str], Contender]:
    """Make a contender by name, each once; skips where its library is not installed."""

    @cache
    def make(name: str) -> Contender:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the imports of some libraries warn
            return BY_NAME[name](threads)

    def made(name: str) -> Contender:
        if not BY_NAME[name].installed():
            pytest.skip(f"{BY_NAME[name].title} is not installed")
        return make(name)

    return made
