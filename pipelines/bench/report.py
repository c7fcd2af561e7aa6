"""Rows as tables in the terminal, as Markdown and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipelines.bench.peers import BY_NAME
from pipelines.bench.results import SECTIONS, Row, Target, Verdict


@dataclass(frozen=True)
class Table:
    """Cells as they are printed.

    Attributes:
        title: above the table.
        columns: the first one names the case.
        rows: a cell per column.
        notes: sentences below.
    """

    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str]


def tables(rows: Sequence[Row]) -> list[Table]:
    """A table per section that has rows."""
    return [_table(name, found) for name in SECTIONS if (found := [row for row in rows if row.section == name])]


def _table(name: str, rows: Sequence[Row]) -> Table:
    section = SECTIONS[name]
    contenders = list(dict.fromkeys(contender for row in rows for contender in row.figures))
    judged = any(row.target for row in rows)
    columns = ["case", *map(title_of, contenders), {"share": "share of peak"}.get(section.score, "result")]
    body = []
    for row in rows:
        figures = (row.figures.get(contender) for contender in contenders)
        cells = [f"{figure.median:,.{section.digits}f}" if figure else "" for figure in figures]
        body.append([row.case, *cells, _score(row), *(_target(row) if judged else [])])
    notes = [f"{row.case}: {row.note}" for row in rows if row.note]
    notes += [
        f"{row.case}: fastest are {', '.join(f'{title_of(who)} as {way}' for who, way in row.variants.items())}"
        for row in rows
        if row.variants
    ]
    return Table(f"{section.title}, {section.unit}", columns + ["required", "aim", "verdict"] * judged, body, notes)


def title_of(contender: str) -> str:
    """What the tables call a contender, or another figure."""
    return BY_NAME[contender].title if contender in BY_NAME else contender


def _score(row: Row) -> str:
    if row.score is None:
        return ""
    text = _formatted(row.score, row.score_kind)
    return f"{text} {title_of(row.against)}" if row.against else text


def line(row: Row) -> str:
    """A row in one sentence, for those who wait for the tables."""
    section = SECTIONS[row.section]
    figures = [
        f"{title_of(name)} {figure.median:,.{section.digits}f}{f' {section.unit}' * (number == 0)}"
        for number, (name, figure) in enumerate(row.figures.items())
    ]
    parts = [", ".join(figures), _score(row), row.note]
    return f"{section.title}, {row.case}: {'; '.join(part for part in parts if part)}"


def _formatted(score: float, kind: str) -> str:
    return {"ratio": f"{score:.2f}x", "share": f"{score:.0%}", "seconds": f"{score:.2f} s", "ppm": f"{score:.2f} ppm"}[
        kind
    ]


def _target(row: Row) -> list[str]:
    target: Target | None = row.target
    if target is None:
        return ["", "", ""]
    sign = "≤" if target.at_most else "≥"
    return [*(f"{sign} {_formatted(value, row.score_kind)}" for value in (target.required, target.aim)), row.verdict]


def summary(rows: Sequence[Row]) -> str:
    """How many targets are met, in one sentence."""
    verdicts = [row.verdict for row in rows if row.target]
    missed = [f"{row.section} {row.case}" for row in rows if row.verdict is Verdict.MISSED]
    count = sum(verdict in {Verdict.MET, Verdict.AIM} for verdict in verdicts)
    sentence = f"{count} of {len(verdicts)} targets met, {verdicts.count(Verdict.AIM)} of them as far as aimed"
    unknown = verdicts.count(Verdict.NONE)
    if unknown:
        sentence += f"; {unknown} could not be judged"
    return f"{sentence}; not met: {'; '.join(missed)}" if missed else sentence


def environment_lines(environment: dict[str, Any]) -> list[str]:
    """The environment in two sentences."""
    versions = ", ".join(f"{package} {number}" for package, number in environment["versions"].items())
    return [
        f"{environment['processor']}, {environment['cores']} cores, {environment['threads']} threads used, "
        f"{environment['vector_bits']}-bit vectors, {environment['system']}, {environment['date']}, "
        f"load average {environment['load']} at the beginning",
        versions,
    ]


EXPLANATION = (
    "Medians of interleaved turns, float32, all contenders with the same weights and number of threads. "
    "A result such as `1.50x PyTorch` says that scratchnet takes 1/1.5 of the time of PyTorch, the fastest of the "
    "others; for memory, that it needs 1.5 times as much as the leanest. The share of the peak counts the operations "
    "of the direct convolution, so an algorithm that needs fewer can exceed 100%."
)


def to_markdown(rows: Sequence[Row], environment: dict[str, Any], left_out: Sequence[str]) -> str:
    """The whole report, beginning with the environment."""
    parts = ["# How fast scratchnet is", *environment_lines(environment), EXPLANATION]
    if left_out:
        parts.append(f"Not installed, so left out: {', '.join(left_out)}.")
    parts.append(summary(rows) + ".")
    for table in tables(rows):
        lines = [table.columns, ["---", *["---:"] * (len(table.columns) - 1)], *table.rows]
        parts += [f"## {table.title}", "\n".join(f"| {' | '.join(line)} |" for line in lines)]
        parts += ["\n".join(f"- {note}" for note in table.notes)] if table.notes else []
    return "\n\n".join(parts) + "\n"


def to_json(rows: Sequence[Row], environment: dict[str, Any], left_out: Sequence[str]) -> dict[str, Any]:
    """Everything that was measured, unrounded."""
    return {
        "environment": environment,
        "left_out": list(left_out),
        "rows": [
            {
                **asdict(row),
                "unit": SECTIONS[row.section].unit,
                "score_kind": row.score_kind,
                "target": asdict(row.target) if row.target else None,
                "verdict": row.verdict.value,
            }
            for row in rows
        ],
    }
