"""Turns are fair, end in time, and are summed up by medians; all on a clock that the tests set."""

from collections.abc import Callable, Iterator

import pytest

from pipelines.bench.timing import Pace, Timing, fastest, interleave


class Clock:
    """Time passes only in calls and in sleep."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[str] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.log.append("sleep")

    def contender(self, name: str, durations: Iterator[float] | float) -> Callable[[], None]:
        """A call that lasts so long."""

        def call() -> None:
            self.now += durations if isinstance(durations, float) else next(durations)
            self.log.append(name)

        return call


def test_contenders_take_turns_after_a_pause_and_the_first_one_changes() -> None:
    clock = Clock()
    calls = {name: clock.contender(name, 1.0) for name in "abc"}
    interleave(calls, Pace(rounds=3, budget=0, lead=0, pause=0.5), clock, clock.sleep)
    assert clock.log[0::2] == ["sleep"] * 12
    assert "".join(clock.log[1::2]) == "abc" + "abc" + "bca" + "cab"


def test_the_median_is_of_the_turns_and_the_spread_from_the_fastest_to_the_slowest() -> None:
    clock = Clock()
    warm_up = [9.0] * 4
    durations = iter([*warm_up, 50.0, 1.0, 2.0, 90.0, 50.0, 5.0, 4.0, 3.0, 50.0, 3.0, 3.0, 3.0])
    timings = interleave({"a": clock.contender("a", durations)}, Pace(rounds=3, budget=1e9, most=3), clock, clock.sleep)
    assert timings == {"a": Timing(median=3.0, low=2.0, high=4.0, calls=9)}  # the warm-up and the leading 50 are not in


@pytest.mark.parametrize(("seconds", "calls"), [(0.125, 8), (0.4, 3), (1.0, 1), (60.0, 1)])
def test_a_turn_ends_with_its_budget_but_has_a_call(seconds: float, calls: int) -> None:
    clock = Clock()
    timings = interleave({"a": clock.contender("a", seconds)}, Pace(rounds=1, budget=1.0), clock, clock.sleep)
    assert timings["a"].calls == calls
    assert timings["a"].median == pytest.approx(seconds)


def test_a_clock_that_stands_still_ends_the_turn_too() -> None:
    clock = Clock()
    assert interleave({"a": lambda: None}, Pace(rounds=2, most=7), clock, clock.sleep)["a"].calls == 14


def test_the_fastest_variant_is_chosen_and_named() -> None:
    calls: list[str] = []

    def slow() -> None:
        calls.append("slow")
        sum(range(200_000))

    def quick() -> None:
        calls.append("quick")

    name, call = fastest({"slow": slow, "quick": quick}, Pace(budget=0, pause=0))
    assert name == "quick"
    assert call is quick
    assert {"slow", "quick"} == set(calls)


def test_a_single_variant_is_taken_without_a_call() -> None:
    def never() -> None:
        raise AssertionError("called")

    assert fastest({"only": never}, Pace()) == ("only", never)


def test_no_variant_is_refused() -> None:
    with pytest.raises(ValueError, match="no variants"):
        fastest({}, Pace())
