"""Options that several subcommands share."""

import re
from pathlib import Path
from typing import Annotated

import typer

from pipelines.engines import Engine

DataOption = Annotated[
    str,
    typer.Option(
        help="Labelled images: a folder with a folder per class, the same below train/ and test/, a .zip of either, "
        "or a .csv like fer2013.csv. 'drawn' stands for faces that the program draws itself, 'drawn:COUNT:SEED' for so "
        "many of them.",
    ),
]
SeedOption = Annotated[int, typer.Option(min=0, help="The same seed gives the same result, bit for bit.")]
# scikit-learn takes numbers below 2^32, and of several runs each takes the next one
LotSeedOption = Annotated[
    int, typer.Option(min=0, max=2**31 - 1, help="The same seed gives the same result, bit for bit.")
]
RecipeArgument = Annotated[
    str | None,
    typer.Argument(metavar="RECIPE", help="The name of a recipe, such as fer-small; `scratchnet recipes` lists them."),
]
RecipeFileOption = Annotated[
    Path | None, typer.Option("--recipe", metavar="PATH", help="A recipe of your own, a .toml file, instead of a name.")
]
ChangesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.FIELD=VALUE",
        help="Change any field of the recipe, as in training.batch_size=32, augmentation.rotation=20, "
        "network.1.filters=16 (layers count from 1) or training.early_stopping=none. May be given several times.",
    ),
]
EngineOption = Annotated[
    Engine, typer.Option(help="What trains: our engine, or Keras on the same network, weights, batches and callbacks.")
]
EpochsOption = Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's number.")]
LimitOption = Annotated[int | None, typer.Option(min=1, help="At most so many training images, for a quick try.")]
SizeOption = Annotated[
    str | None,
    typer.Option(metavar="HEIGHTxWIDTHxCHANNELS", help="Of the images, where no model says it; 48x48x1 by default."),
]


def recipe_source(name: str | None, file: Path | None) -> str:
    """The name or the path of the recipe that is meant.

    Raises:
        typer.BadParameter: both are given, or neither, or a file of another kind.
    """
    if (name is None) == (file is None):
        raise typer.BadParameter(
            "give the name of a recipe, or --recipe with a .toml file; `scratchnet recipes` lists the names",
            param_hint="recipe",
        )
    if file is not None and file.suffix != ".toml":
        raise typer.BadParameter(f"{file} is not a .toml file", param_hint="--recipe")
    return str(file or name)


def parse_size(text: str | None) -> tuple[int, int, int] | None:
    """The (height, width, channels) of `SizeOption`; None where it was not given.

    Raises:
        typer.BadParameter: it is none.
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)x(\d+)x([13])", text)
    if found is None:
        raise typer.BadParameter(
            f"expected HEIGHTxWIDTHxCHANNELS with 1 or 3 channels, got {text!r}", param_hint="--size"
        )
    height, width, channels = map(int, found.groups())
    return height, width, channels
