"""The commands that make a run again, as a shell takes them."""

import shlex

from pipelines.errors import UserError
from pipelines.recipe import without_published
from pipelines.recipe_files import load_recipe
from pipelines.report.material import RunMaterial, StudyMaterial


def shell(*words: str) -> str:
    """A line for a shell, with quotes where they are needed."""
    return shlex.join(["scratchnet", *words])


def train_command(run: RunMaterial | StudyMaterial) -> str:
    """What trains the run or the folds again, with every option that was given and every field that was changed."""
    config, origin = run.config, _origin(run)
    words = ["train" if isinstance(run, RunMaterial) else "crossval"]
    words += ["--recipe", origin] if origin.endswith(".toml") else [origin]
    if isinstance(run, StudyMaterial):
        words += ["--folds", str(config["folds"])]
    words += ["--data", str(config["data"])]
    if config.get("engine", "scratch") != "scratch":
        words += ["--engine", str(config["engine"])]
    for change in config.get("changes", ()):
        words += ["--set", change]
    if config["epochs"] != run.recipe.training.epochs:
        words += ["--epochs", str(config["epochs"])]
    if config["limit"] is not None:
        words += ["--limit", str(config["limit"])]
    return shell(*words, "--seed", str(config["seed"]), "--out", run.path)


def evaluate_command(run: RunMaterial, part: str = "test") -> str:
    """What measures the run on a part of its images, and keeps what it says of each."""
    return shell("evaluate", run.path, *([] if part == "test" else ["--split", part]))


def recipe_has_changed(run: RunMaterial | StudyMaterial) -> bool:
    """Whether the recipe that the command names is no longer, or not here, the one that was trained."""
    try:
        recipe = load_recipe(_origin(run), run.config.get("changes", ()))
    except UserError:
        return True
    return without_published(recipe.model_dump(mode="json")) != without_published(run.config["recipe"])


def _origin(run: RunMaterial | StudyMaterial) -> str:
    return str(run.config.get("origin") or run.recipe.name)
