"""`scratchnet train`."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import (
    ChangesOption,
    DataOption,
    EngineOption,
    EpochsOption,
    LimitOption,
    RecipeArgument,
    RecipeFileOption,
    SeedOption,
    recipe_source,
)
from pipelines.console import console
from pipelines.data.opening import DRAWN, open_data, resolve_name


def train(
    recipe: RecipeArgument = None,
    recipe_file: RecipeFileOption = None,
    data: DataOption = DRAWN,
    engine: EngineOption = "scratch",
    changes: ChangesOption = None,
    epochs: EpochsOption = None,
    limit: LimitOption = None,
    seed: SeedOption = 0,
    out: Annotated[
        Path | None, typer.Option(help="The run's folder; runs/RECIPE by default, with -keras after it for Keras.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Delete an earlier run in that folder.")] = False,
) -> None:
    """Train a recipe on labelled images.

    Where the data have no validation images, a part of the training images is held back. By them the best epoch is
    kept, unless the recipe keeps the last; test images are not touched. After an interruption the same command goes on
    where it stopped.
    """
    from pipelines.recipe_files import load_recipe
    from pipelines.training import train as train_recipe

    loaded = load_recipe(recipe_source(recipe, recipe_file), changes or ())
    source = open_data(data, loaded.preprocessing, chosen=loaded.data.classes)
    folder = out or Path("runs") / (loaded.name if engine == "scratch" else f"{loaded.name}-{engine}")
    run = train_recipe(
        loaded,
        source,
        resolve_name(data),
        folder,
        engine=engine,
        epochs=epochs,
        limit=limit,
        seed=seed,
        overwrite=overwrite,
    )
    measured = run.metrics()
    kept = "best" if loaded.training.checkpoint.keep == "best" else "kept the last"
    console.print(
        f"{kept} epoch {measured['training']['best_epoch']} of {measured['training']['epochs']}; validation accuracy "
        f"{measured['validation']['accuracy']:.4f}, macro F1 {measured['validation']['macro_f1']:.4f}"
    )
    console.print(f"everything is in {folder}; next: scratchnet evaluate {folder}")


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command()(train)
