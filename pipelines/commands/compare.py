"""`scratchnet compare`."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    model: Annotated[
        Path,
        typer.Argument(metavar="RUN_OR_MODEL", help="A run's folder, or a model file (.safetensors, .keras or .h5)."),
    ],
    data: Annotated[
        str | None,
        typer.Option(help="Labelled images as in train; by default drawn faces where they fit, else random numbers."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for compare.json and the figures; RUN/compare or runs/compare.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Training steps of both on the same batches.")] = 50,
    seed: Annotated[int, typer.Option(min=0, help="Of drawn faces, random numbers and the choice of images.")] = 0,
) -> None:
    """Show a model beside its twin in Keras: are they the same function, and how long do both take?

    Compared are the activations of each layer, the gradients by each weight, the losses of some training steps, and the
    time of a step and of an image. The exit status is 1 if they differ by more than rounding. Needs TensorFlow. The
    model itself is not changed.
    """
    from pipelines.compare.command import run_compare

    if not run_compare(model, data, out, steps, seed):
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command()(compare)
