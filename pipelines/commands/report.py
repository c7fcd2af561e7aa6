"""`scratchnet report`."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folders of runs, or of cross-validations; several are compared."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html", help="The page; RUN/report.html by default, runs/report.html of several runs."
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Above the page; by default the recipe and its data.")] = None,
) -> None:
    """Write runs as one HTML page that opens offline, reads on a phone, and prints.

    It shows the data and what an audit finds in them, the network, all settings, learning curves, every figure of the
    evaluation, single predictions, explanations, published figures beside ours, several runs side by side, and the
    commands that make it again. What has not been measured is named, with the command that measures it.
    """
    from pipelines.report.compose import run_report

    run_report(runs, out, title)


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command()(report)
