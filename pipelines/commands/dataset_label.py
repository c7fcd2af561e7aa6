"""`scratchnet dataset` label, split, card and verify."""

import typer


def register(dataset: typer.Typer) -> None:
    """Add the commands to `scratchnet dataset`."""
