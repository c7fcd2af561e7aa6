"""`scratchnet recipes`."""

from typing import Annotated

import typer

from pipelines.console import console, table
from pipelines.errors import UserError


def recipes(
    name: Annotated[str | None, typer.Argument(help="Print this recipe's TOML, to begin one of your own.")] = None,
    fields: Annotated[bool, typer.Option("--fields", help="Explain every field of a recipe instead.")] = False,
) -> None:
    """List the recipes, with what their authors have published."""
    from pipelines.recipe_files import describe_fields, load_recipe, recipe_names, recipe_text

    if fields and name:
        raise UserError("--fields explains all recipes; leave the name out")
    if fields:
        console.print(table("", ["field", "type", "by default", "what it is"], describe_fields(), text=4))
        return
    if name:
        console.print(recipe_text(name), end="")
        return
    rows = []
    for known in recipe_names():
        recipe = load_recipe(known)
        size = recipe.input
        classes = recipe.data.classes or tuple(map(str, range(7)))
        rows.append(
            [
                known,
                f"{size.height}x{size.width}x{size.channels}",
                str(len(classes)),
                f"{recipe.build_model(classes).count_params():,}",
                f"{recipe.training.batch_size} x {recipe.training.epochs}",
                _published(recipe.published.model_dump()) if recipe.published else "",
            ]
        )
    columns = ["recipe", "input", "classes", "weights", "batch x epochs", "published"]
    console.print(table("", columns, rows))
    console.print("scratchnet train RECIPE trains one; scratchnet recipes RECIPE prints it.")


def _published(figures: dict[str, object]) -> str:
    accuracy, folds = figures["accuracy"], figures["folds"]
    assert isinstance(accuracy, dict)
    assert isinstance(folds, tuple)
    parts = [f"{part} accuracy {value:.1%}" for part, value in accuracy.items()]
    if folds:
        parts.append(f"mean of {len(folds)} folds {sum(folds) / len(folds):.1%}")
    if figures["macro_f1"]:
        parts.append(f"macro F1 {figures['macro_f1']:.3f}")
    return ", ".join(parts)


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command()(recipes)
