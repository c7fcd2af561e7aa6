"""Rows of measurements, and what they are held against."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipelines.bench.timing import Timing

OURS = "scratchnet"
PEAK = "FMA peak"
EXACTLY = "by the definition"


class Verdict(StrEnum):
    """How a score stands to its target."""

    AIM = "aim met"
    MET = "met"
    MISSED = "not met"
    NONE = "-"  # no target, or nothing to compare with


@dataclass(frozen=True)
class Target:
    """What a score must reach, and what it should.

    Attributes:
        required: the least that counts as met.
        aim: what is hoped for.
        at_most: whether small scores are good.
    """

    required: float
    aim: float
    at_most: bool = False

    def verdict(self, score: float | None) -> Verdict:
        """Judge a score, unrounded; None was not measured."""
        if score is None:
            return Verdict.NONE
        sign = -1 if self.at_most else 1
        if sign * score >= sign * self.aim:
            return Verdict.AIM
        return Verdict.MET if sign * score >= sign * self.required else Verdict.MISSED


@dataclass(frozen=True)
class Section:
    """Rows of one kind.

    Attributes:
        title: above the table.
        unit: of the figures.
        score: what the scores are: `ratio`, `share` (of the peak), `seconds` or `ppm` (millionths);
            see `Row.score_kind`.
        digits: decimals of the figures.
    """

    title: str
    unit: str
    score: str = "ratio"
    digits: int = 3


SECTIONS = {
    "train": Section("Training step", "ms per image"),
    "infer": Section("Batch inference", "ms per image"),
    "one": Section("One image", "ms"),
    "features": Section("Features by fixed filters, batches of 8", "ms per image"),
    "ops": Section("3x3 convolutions", "GFLOP/s", "share", 0),
    "startup": Section("Start-up in a fresh process", "s", "seconds", 2),
    "memory": Section("Peak memory of training, beyond that of the loaded library", "MB", digits=0),
    "threads": Section("Thread scaling of scratchnet", "ms per image"),
    "accuracy": Section("Largest errors of 3x3 convolutions of normally distributed numbers", "ppm", "ppm", 2),
}

_SPEED_BY_NET = {
    "train": Target(1.2, 2.0),
    "infer": Target(1.0, 1.5),
    "one": Target(1.2, 1.5),
}
FIRST_PREDICTION = "import and first prediction, net A"
SOONER_THAN_TENSORFLOW = "the same, times faster than TF/Keras"
COLD_COMPILE = "all kernels compiled, empty cache"
_ERRORS = {
    "forward {}, of the largest": Target(5.0, 4.0, at_most=True),
    "input gradient {}, of the largest": Target(5.0, 4.0, at_most=True),
    "kernel gradient {}, of the root mean square": Target(20.0, 15.0, at_most=True),
    "beside an outlier {}, of the largest": Target(5.0, 4.0, at_most=True),
}
TARGETS: Mapping[tuple[str, str], Target] = {
    **{(section, net): target for section, target in _SPEED_BY_NET.items() for net in "ABCD"},
    ("features", "512x512x3, float32"): Target(5.0, 5.0),
    ("features", "512x512x3, bytes"): Target(5.0, 5.0),
    ("one", "C"): Target(1.0, 1.1),  # bound by streaming 236 MB of dense weights
    ("ops", "forward 48x48 32->64, batch 32"): Target(0.90, 0.95),
    ("ops", "forward 12x12 128->256, batch 32"): Target(1.30, 1.70),  # Winograd needs fewer operations
    ("ops", "kernel gradient 48x48 32->64, batch 32"): Target(0.70, 0.85),
    ("ops", "kernel gradient 12x12 128->256, batch 32"): Target(0.70, 0.85),
    ("startup", FIRST_PREDICTION): Target(1.0, 0.6, at_most=True),
    ("startup", SOONER_THAN_TENSORFLOW): Target(6.0, 6.0),
    ("startup", COLD_COMPILE): Target(60.0, 30.0, at_most=True),
    ("memory", "B"): Target(1.0, 0.5, at_most=True),
    ("memory", "C"): Target(1.0, 0.5, at_most=True),
    **{
        ("accuracy", case.format(layer)): target
        for case, target in _ERRORS.items()
        for layer in ("24x24 64->64", "12x12 128->256")
    },
}


@dataclass(frozen=True)
class Figure:
    """A measured value in its section's unit, with the lowest and highest of the turns."""

    median: float
    low: float
    high: float

    @classmethod
    def of_timing(cls, timing: Timing, scale: float) -> "Figure":
        """Seconds per call times `scale`."""
        return cls(timing.median * scale, timing.low * scale, timing.high * scale)

    @classmethod
    def of_rate(cls, timing: Timing, work: float) -> "Figure":
        """Work per second; the slowest turn has the lowest rate."""
        return cls(work / timing.median, work / timing.high, work / timing.low)


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        section: a key of `SECTIONS`.
        case: what was measured: a net's name, or a sentence.
        figures: by contender.
        score: what the target is about, or None where there is nothing to compare.
        against: the title of the peer that the score compares with.
        variants: by contender, which of its ways was the fastest, where it has several.
        note: what else there is to say, such as why it could not be measured.
    """

    section: str
    case: str
    figures: Mapping[str, Figure]
    score: float | None = None
    against: str | None = None
    variants: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def score_kind(self) -> str:
        """`ratio`, `share`, `seconds` or `ppm`."""
        return "ratio" if self.case == SOONER_THAN_TENSORFLOW else SECTIONS[self.section].score

    @property
    def target(self) -> Target | None:
        """What the score is held against."""
        return TARGETS.get((self.section, self.case))

    @property
    def verdict(self) -> Verdict:
        """Whether the score meets its target."""
        return self.target.verdict(self.score) if self.target else Verdict.NONE


def best_peer(figures: Mapping[str, Figure]) -> str | None:
    """The contender besides ours with the smallest median."""
    peers = {name: figure.median for name, figure in figures.items() if name != OURS}
    return min(peers, key=lambda name: peers[name]) if peers else None


def compared(section: str, case: str, figures: Mapping[str, Figure], **rest: object) -> Row:
    """A row whose score compares ours with the best peer.

    That is, how many times as fast ours is; for memory, how many times as much ours needs.
    """
    peer = best_peer(figures)
    score = None
    if peer is not None and OURS in figures:
        ours, theirs = figures[OURS].median, figures[peer].median
        score = ours / theirs if section == "memory" else theirs / ours
    return Row(section, case, figures, score, peer, **rest)  # type: ignore[arg-type]
