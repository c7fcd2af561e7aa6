"""`scratchnet bench`: from its options to the files it writes."""

from collections.abc import Sequence
from pathlib import Path

import numba

from pipelines.bench.chart import save_chart
from pipelines.bench.environment import describe_environment
from pipelines.bench.measure import Bench, Plan
from pipelines.bench.nets import NETS
from pipelines.bench.peers import OURS, PEER_NAMES, choose_peers
from pipelines.bench.report import environment_lines, line, summary, tables, to_json, to_markdown
from pipelines.bench.results import SECTIONS
from pipelines.bench.timing import Pace
from pipelines.console import console, progress, table
from pipelines.errors import UserError
from pipelines.files import write_json, write_text
from pipelines.machine import available_cores

NO_PEERS = "none"


def run_bench(out: Path, nets: str, only: str | None, rounds: int, threads: int | None, peers: str | None) -> None:
    """Measure, print the tables, and write them with a chart into a folder.

    Args:
        out: the folder.
        nets: letters of networks.
        only: names of sections, separated by commas; None for all.
        rounds: turns per contender.
        threads: how many each contender uses; None for all there are.
        peers: names of peers, separated by commas, or `none`; None for those that are installed.

    Raises:
        UserError: an option is wrong, or a peer does not compute what we do.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; choose another --out")
    chosen, missing = choose_peers(None if peers is None else _listed(peers, (NO_PEERS, *PEER_NAMES), "--peers"))
    plan = Plan(
        tuple(chosen),
        _checked_threads(threads),
        _listed(",".join(nets.upper()), tuple(NETS), "--nets"),
        tuple(SECTIONS) if only is None else _listed(only, tuple(SECTIONS), "--only"),
        Pace(rounds),
    )
    environment = describe_environment((OURS, *chosen), plan.threads)
    for sentence in environment_lines(environment):
        console.print(sentence)
    left_out = [peer.title for peer in missing]
    if left_out:
        console.print(f"not installed, so left out: {', '.join(left_out)}")
    with progress("measuring") as advance:
        rows = Bench(plan).run(advance, lambda row: console.print(line(row)))
    for found in tables(rows):
        console.print(table(found.title, found.columns, found.rows))
        for note in found.notes:
            console.print(f"  {note}")
    console.print(summary(rows))
    write_text(out / "report.md", to_markdown(rows, environment, left_out))
    write_json(out / "results.json", to_json(rows, environment, left_out))
    drawn = save_chart(rows, environment, [out / "speed.png", out / "speed.svg"])
    console.print(f"report.md and results.json{', speed.png and speed.svg' * drawn} are in {out}")


def _listed(value: str, known: Sequence[str], option: str) -> tuple[str, ...]:
    """The names in a list with commas, each once."""
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise UserError(f"{option} takes some of {', '.join(known)}, got {', '.join(unknown) or 'none of them'}")
    return tuple(name for name in names if name != NO_PEERS)


def _checked_threads(threads: int | None) -> int:
    most = min(available_cores(), numba.config.NUMBA_NUM_THREADS)
    if threads is None:
        return int(most)
    if threads > numba.config.NUMBA_NUM_THREADS:
        raise UserError(f"--threads can be at most {numba.config.NUMBA_NUM_THREADS} here, got {threads}")
    return threads
