"""`scratchnet crossval`."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import (
    ChangesOption,
    DataOption,
    EngineOption,
    EpochsOption,
    LotSeedOption,
    RecipeArgument,
    RecipeFileOption,
    recipe_source,
)
from pipelines.console import console
from pipelines.data.opening import DRAWN


def crossval(
    recipe: RecipeArgument = None,
    recipe_file: RecipeFileOption = None,
    folds: Annotated[int, typer.Option(min=2, help="Into how many parts the images are divided.")] = 4,
    data: DataOption = DRAWN,
    engine: EngineOption = "scratch",
    changes: ChangesOption = None,
    epochs: EpochsOption = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many images in all folds together, for a quick try.")
    ] = None,
    seed: LotSeedOption = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for everything; runs/RECIPE-crossval or -crossval-keras by default.")
    ] = None,
    jobs: Annotated[
        int, typer.Option(min=1, help="Folds to train at a time, each in a process with its share of the processors.")
    ] = 1,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Delete an earlier cross-validation in that folder.")
    ] = False,
) -> None:
    """Train a recipe once per fold, each time without the images of the fold, and measure it on these.

    Test images are set aside and not touched. Every class has its share in each fold, and frames of one scene stay
    together. Where the recipe chooses its epoch or its learning rate by validation images, it does so by a part of the
    other folds, and the held-out fold is measured once. After an interruption the same command goes on where it
    stopped.
    """
    from pipelines.crossval.folder import CrossvalFolder
    from pipelines.crossval.results import results_table
    from pipelines.crossval.running import run_crossval
    from pipelines.evaluation.published import caveats, told_caveats
    from pipelines.recipe_files import load_recipe

    loaded = load_recipe(recipe_source(recipe, recipe_file), changes or ())
    folder = out or Path("runs") / (f"{loaded.name}-crossval" + (f"-{engine}" if engine != "scratch" else ""))
    summary = run_crossval(
        loaded,
        data,
        folder,
        folds=folds,
        engine=engine,
        epochs=epochs,
        limit=limit,
        seed=seed,
        jobs=jobs,
        overwrite=overwrite,
    )
    published = loaded.published.folds if loaded.published else []
    console.print(results_table(summary, f"{loaded.name} on {data}, held-out folds", published))
    if loaded.published and published and (found := caveats(loaded.published, CrossvalFolder(folder))):
        console.print(told_caveats(found))
    pooled = summary.pooled
    console.print(
        f"all {pooled.images:,} held-out images together: accuracy {pooled.accuracy:.4f}, macro F1 "
        f"{pooled.macro_f1:.4f}\neverything is in {folder}"
    )


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command()(crossval)
