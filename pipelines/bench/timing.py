"""Interleaved timing: contenders take turns, so that the machine's drift falls on all of them alike."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import median

Call = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """Seconds per call: the median of the turns' medians, and the fastest and slowest turn.

    Attributes:
        median: of the turns' medians.
        low: the smallest of them.
        high: the largest of them.
        calls: how many calls were counted.
    """

    median: float
    low: float
    high: float
    calls: int


@dataclass(frozen=True)
class Pace:
    """How long a turn lasts.

    Attributes:
        rounds: turns per contender.
        budget: seconds of counted calls after which a turn ends; it has at least one call.
        most: calls after which it ends in any case.
        lead: calls at the beginning of a turn that do not count: they wake threads and fill caches.
        pause: seconds of silence before a turn. Worker threads of the one before spin for some time in wait of more
            work, and would take the processor away.
    """

    rounds: int = 3
    budget: float = 0.25
    most: int = 200
    lead: int = 1
    pause: float = 0.15


def interleave(
    contenders: Mapping[str, Call],
    pace: Pace,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Timing]:
    """Time calls of several contenders in turns.

    The order is rotated from round to round, so that nobody always follows the same neighbour. One whole turn of each
    contender goes before the first round as a warm-up.

    Args:
        contenders: what to call, by name.
        pace: how many turns, and how long.
        clock: the time in seconds.
        sleep: waits for some seconds.

    Returns:
        The timing of each contender, in the order given.
    """
    names = list(contenders)
    turns: dict[str, list[list[float]]] = {name: [] for name in names}
    for name in names:
        _turn(contenders[name], pace, clock, sleep)
    for number in range(pace.rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            turns[name].append(_turn(contenders[name], pace, clock, sleep))
    return {name: _summary(turns[name]) for name in names}


def _turn(call: Call, pace: Pace, clock: Callable[[], float], sleep: Callable[[float], None]) -> list[float]:
    sleep(pace.pause)
    for _ in range(pace.lead):
        call()
    seconds: list[float] = []
    while not seconds or (len(seconds) < pace.most and sum(seconds) < pace.budget):
        started = clock()
        call()
        seconds.append(clock() - started)
    return seconds


def _summary(turns: list[list[float]]) -> Timing:
    medians = [median(turn) for turn in turns]
    return Timing(median(medians), min(medians), max(medians), sum(map(len, turns)))


def fastest(variants: Mapping[str, Call], pace: Pace) -> tuple[str, Call]:
    """The variant of a contender that a single round finds fastest, with its name.

    Raises:
        ValueError: there are none.
    """
    if not variants:
        raise ValueError("there are no variants to choose from")
    if len(variants) == 1:
        return next(iter(variants.items()))
    timings = interleave(variants, replace(pace, rounds=1))
    name = min(timings, key=lambda variant: timings[variant].median)
    return name, variants[name]
