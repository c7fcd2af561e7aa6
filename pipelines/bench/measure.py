"""All measurements, one row after the other."""

import gc
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numba
import numpy as np

from pipelines.bench import fresh
from pipelines.bench.accuracy import LAYERS, accuracy_rows
from pipelines.bench.agreement import check_agreement
from pipelines.bench.convolutions import CONVOLUTIONS, Convolution
from pipelines.bench.features import BATCH, CASES, Case, feature_calls
from pipelines.bench.nets import NETS, Array, Net
from pipelines.bench.peak import peak_call
from pipelines.bench.peers import OURS as OUR_ENGINE
from pipelines.bench.peers.base import Contender, Variants, Weights
from pipelines.bench.peers.onnx_graph import net_to_onnx
from pipelines.bench.results import (
    COLD_COMPILE,
    FIRST_PREDICTION,
    OURS,
    PEAK,
    SECTIONS,
    SOONER_THAN_TENSORFLOW,
    Figure,
    Row,
    compared,
)
from pipelines.bench.timing import Call, Pace, fastest, interleave
from pipelines.errors import UserError

MEGABYTE = 1e6
MEMORY_NETS = ("B", "C")
CHECKED = 2  # images on which contenders must agree before they train


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        peers: against whom.
        threads: how many each contender may use.
        nets: names of `NETS`.
        sections: names of `SECTIONS`.
        pace: how long each contender's turns are.
    """

    peers: tuple[type[Contender], ...]
    threads: int
    nets: tuple[str, ...] = tuple(NETS)
    sections: tuple[str, ...] = tuple(SECTIONS)
    pace: Pace = field(default_factory=Pace)


class Bench:
    """The measurements of a plan. Making one imports nothing; the first row that needs the libraries does."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    @cached_property
    def contenders(self) -> list[Contender]:
        """Ours first."""
        return [contender(self.plan.threads) for contender in (OUR_ENGINE, *self.plan.peers)]

    def run(self, advance: Callable[[int, int], None], measured: Callable[[Row], None]) -> list[Row]:
        """Measure everything, in the order of `SECTIONS`.

        Args:
            advance: told (tasks done, all of them); a task gives one row or some.
            measured: told each row at once.

        Raises:
            DisagreementError: a peer computes something else than we do.
            UserError: the plan has nothing to measure.
        """
        tasks = self._tasks()
        if not tasks:
            raise UserError(f"there is nothing to measure: memory is that of nets {' and '.join(MEMORY_NETS)}")
        rows: list[Row] = []
        for done, task in enumerate(tasks):
            advance(done, len(tasks))
            for row in task():
                measured(row)
                rows.append(row)
            gc.collect()  # what one row has built must not stand in the way of the next
        advance(len(tasks), len(tasks))
        return rows

    def _tasks(self) -> list[Callable[[], list[Row]]]:
        tasks: list[Callable[[], list[Row]]] = []
        for section in (section for section in SECTIONS if section in self.plan.sections):
            if section == "ops":
                tasks.extend(lambda case=case: [self.convolution(case)] for case in CONVOLUTIONS)  # type: ignore[misc]
            elif section == "features":
                tasks.extend(lambda case=case: [self.features(case)] for case in CASES)  # type: ignore[misc]
            elif section == "accuracy":
                tasks.extend(lambda layer=layer: list(accuracy_rows(*layer)) for layer in LAYERS)  # type: ignore[misc]
            elif section == "startup":
                tasks.extend([self.first_predictions, self.cold_compile])
            elif section == "threads":
                tasks.extend(lambda net=net: self.thread_scaling(NETS[net]) for net in self.plan.nets)  # type: ignore[misc]
            elif section == "memory":
                nets = [net for net in MEMORY_NETS if net in self.plan.nets]
                tasks.extend(lambda net=net: [self.memory(NETS[net])] for net in nets)  # type: ignore[misc]
            else:
                tasks.extend(
                    lambda section=section, net=net: [self.net_speed(section, NETS[net])]  # type: ignore[misc]
                    for net in self.plan.nets
                )
        return tasks

    def net_speed(self, section: str, net: Net) -> Row:
        """Time per image of `train`, `infer` or `one`, ours and every peer that can."""
        calls, variants = net_calls(self.contenders, section, net, self.plan.pace)
        timings = interleave(calls, self.plan.pace)
        scale = 1e3 / images_per_call(section, net)
        figures = {name: Figure.of_timing(timing, scale) for name, timing in timings.items()}
        return compared(section, net.name, figures, variants=variants)

    def convolution(self, case: Convolution) -> Row:
        """Rates of one convolution, and ours as a share of the peak that was measured in turns with it.

        The peak's best turn counts: a disturbed one would be no limit, and would flatter the share.
        """
        calls = convolution_calls(self.contenders, case)
        peak, peak_flops = peak_call(self.plan.threads)
        timings = interleave({**calls, PEAK: peak}, self.plan.pace)
        figures = {
            name: Figure.of_rate(timing, (peak_flops if name == PEAK else case.flops) / 1e9)
            for name, timing in timings.items()
        }
        return Row("ops", case.name, figures, figures[OURS].median / figures[PEAK].high)

    def features(self, case: Case) -> Row:
        """Time per image of `FeatureExtractor`, and of its network in Keras."""
        with_keras = any(contender.name == "keras" for contender in self.contenders)
        calls, variants = feature_calls(case, with_keras, self.plan.pace)
        timings = interleave(calls, self.plan.pace)
        figures = {name: Figure.of_timing(timing, 1e3 / BATCH) for name, timing in timings.items()}
        return compared("features", case.name, figures, variants=variants)

    def first_predictions(self) -> list[Row]:
        """Seconds from the start of a process to its first prediction, caches warm."""
        net = NETS["A"]
        starters = [OUR_ENGINE, *(peer for peer in self.plan.peers if peer.predicts)]
        with tempfile.TemporaryDirectory() as folder:
            model_file = Path(folder) / "net.onnx"
            if any("onnx" in starter.modules for starter in starters):
                model_file.write_bytes(net_to_onnx(net, net.draw_weights(), batch=1))
            try:
                timings = fresh.time_first_predictions(starters, model_file, self.plan.threads, self.plan.pace.rounds)
            except fresh.FreshProcessError as error:
                return [_failed("startup", FIRST_PREDICTION, error)]
        figures = {name: Figure.of_timing(timing, 1.0) for name, timing in timings.items()}
        rows = [Row("startup", FIRST_PREDICTION, figures, figures[OURS].median)]
        if "keras" in figures:
            ratio = figures["keras"].median / figures[OURS].median
            rows.append(Row("startup", SOONER_THAN_TENSORFLOW, {}, ratio, "keras"))
        return rows

    def cold_compile(self) -> list[Row]:
        """Seconds to compile every kernel into an empty cache."""
        try:
            figure = Figure.of_timing(fresh.time_cold_compile(self.plan.threads), 1.0)
        except fresh.FreshProcessError as error:
            return [_failed("startup", COLD_COMPILE, error)]
        return [Row("startup", COLD_COMPILE, {OURS: figure}, figure.median)]

    def memory(self, net: Net) -> Row:
        """Megabytes that training adds to a process that has imported the library."""
        figures: dict[str, Figure] = {}
        peaks: list[str] = []
        try:
            # a first process may have to compile kernels, for which the compiler needs memory
            fresh.training_memory(OUR_ENGINE, net.name, self.plan.threads, steps=1)
            for contender in (OUR_ENGINE, *(peer for peer in self.plan.peers if peer.trains)):
                growth, peak = (
                    size / MEGABYTE for size in fresh.training_memory(contender, net.name, self.plan.threads)
                )
                figures[contender.name] = Figure(growth, growth, growth)
                peaks.append(f"{contender.title} {peak:,.0f}")
        except fresh.FreshProcessError as error:
            return _failed("memory", net.name, error)
        return compared("memory", net.name, figures, note=f"whole process, MB: {', '.join(peaks)}")

    def thread_scaling(self, net: Net) -> list[Row]:
        """Time per image of ours with 1, 2, 4 ... threads, and how many times as fast all of them are as one."""
        ours = self.contenders[0]
        x, y = net.draw_batch(net.batch)
        counts = thread_counts(self.plan.threads)
        rows = []
        for section, what in {"train": "training step", "infer": "batch inference"}.items():
            call = next(iter(_ways(ours, section, net, None, x, y).values()))
            calls = {_threads(count): _on_threads(call, count) for count in counts}
            try:
                timings = interleave(calls, self.plan.pace)
            finally:
                numba.set_num_threads(self.plan.threads)
            figures = {name: Figure.of_timing(timing, 1e3 / net.batch) for name, timing in timings.items()}
            ratio = figures[_threads(1)].median / figures[_threads(counts[-1])].median
            rows.append(Row("threads", f"{net.name}, {what}", figures, ratio))
        return rows


def images_per_call(section: str, net: Net) -> int:
    """How many images a call of `train`, `infer` or `one` takes."""
    return 1 if section == "one" else net.batch


def net_calls(
    contenders: Sequence[Contender], section: str, net: Net, pace: Pace
) -> tuple[dict[str, Call], dict[str, str]]:
    """What to time of a network: for each contender that can, the fastest of its ways.

    Args:
        contenders: the first one says what is right.
        section: `train`, `infer` or `one`.
        net: the network; all get the same weights and the same batch.
        pace: of the round that finds the fastest way.

    Returns:
        The calls by contender, and the names of their ways where there was a choice.

    Raises:
        DisagreementError: a contender predicts something else than the first one.
    """
    x, y = net.draw_batch(images_per_call(section, net))
    weights = net.draw_weights()
    able = [contender for contender in contenders if contender.trains or section != "train"]
    _check_predictions(able, net, weights, x[:CHECKED] if section == "train" else x)
    calls: dict[str, Call] = {}
    variants: dict[str, str] = {}
    for contender in able:
        ways = _ways(contender, section, net, weights, x, y)
        if ways:
            variant, calls[contender.name] = fastest(ways, pace)
            if len(ways) > 1:
                variants[contender.name] = variant
    return calls, variants


def _ways(contender: Contender, section: str, net: Net, weights: Weights, x: Array, y: Array) -> Variants:
    return contender.train(net, weights, x, y) if section == "train" else contender.infer(net, weights, x)


def _check_predictions(contenders: Sequence[Contender], net: Net, weights: Weights, x: Array) -> None:
    first, *others = contenders
    expected = next(iter(first.infer(net, weights, x).values()))()
    for other in others:
        for variant, call in other.infer(net, weights, x).items():
            check_agreement(expected, np.asarray(call()), f"{other.title} ({variant})", f"net {net.name}")


def convolution_calls(contenders: Sequence[Contender], case: Convolution) -> dict[str, Call]:
    """What to time of a convolution, for each contender that can.

    Raises:
        DisagreementError: a contender computes something else than the first one.
    """
    x, kernel, dy = case.draw()
    calls: dict[str, Call] = {}
    expected: Array | None = None
    for contender in contenders:
        work = contender.convolve(case, x, kernel, dy)
        if work is None:
            continue
        result = work.array(work.run())
        if expected is None:
            expected = result
        check_agreement(expected, result, contender.title, case.name)
        calls[contender.name] = work.run
    return calls


def thread_counts(most: int) -> list[int]:
    """Powers of two up to `most`, and `most` itself."""
    return sorted({most, *(2**power for power in range(most.bit_length()))})


def _threads(count: int) -> str:
    return f"{count} thread{'s' * (count > 1)}"


def _on_threads(call: Callable[[], Any], count: int) -> Call:
    def run() -> None:
        numba.set_num_threads(count)
        call()

    return run


def _failed(section: str, case: str, error: Exception) -> Row:
    return Row(section, case, {}, note=f"not measured: {error}")
