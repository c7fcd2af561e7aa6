"""`scratchnet evaluate`."""

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run's folder, or a model file (.safetensors, .keras or .h5).")],
    data: Annotated[str | None, typer.Option(help="Labelled images as in train; the run's own by default.")] = None,
    split: Annotated[
        str | None,
        typer.Option(help="train, validation, test or all; by default the test images, or all if none are set aside."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for figures, predictions and metrics.json; the run's own by default. Of a model file, nothing "
            "is written without it."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON instead of tables.")] = False,
) -> None:
    """Print how good a model is: of each class, of all, and with 95% intervals.

    Confusion matrices, ROC and precision-recall curves and a calibration diagram are drawn, and predictions.csv keeps
    what the model said of each image. Test images that are copies of training images are counted, and left out in a
    second accuracy. Where the recipe says what others have published, that stands beside.
    """
    from pipelines.evaluation.command import run_evaluate

    run_evaluate(run, data, split, out, as_json)


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command()(evaluate)
