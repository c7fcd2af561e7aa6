"""`scratchnet explain`."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import SeedOption


def explain(
    model: Annotated[
        Path,
        typer.Argument(metavar="RUN_OR_MODEL", help="A run's folder, or a model file (.safetensors, .keras or .h5)."),
    ],
    images: Annotated[
        list[Path] | None, typer.Argument(help="Image files of any format, size and colour, instead of --data.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Labelled images as in train; the run's own by default. Validation images are taken if there are any; "
            "test images never."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the figures; RUN/explain or runs/explain.")] = None,
    count: Annotated[int, typer.Option(min=1, help="How many images of the data, the classes by turns.")] = 8,
    layer: Annotated[
        str | None,
        typer.Option(help="The layer whose maps Grad-CAM looks at; by default the last convolution's, activated."),
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """Show what a model is made of, what it has learned, and what it looks at in images.

    Prints the table of layers, and writes architecture.svg and .png, the filters of the first convolution, the feature
    maps of a face, and Grad-CAM and saliency over faces. Of a model file, the last two need images.
    """
    from pipelines.explaining import run_explain

    run_explain(model, images or [], data, out, count, layer, seed)


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command()(explain)
