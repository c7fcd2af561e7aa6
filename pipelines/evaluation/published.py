"""The figures that the authors of a recipe's system have published, beside which ours are shown."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipelines.data.class_names import match_class
from pipelines.data.opening import DRAWN
from pipelines.recipe import Published
from pipelines.run import Run
from pipelines.started import StartedFolder


@dataclass(frozen=True)
class PublishedFigures:
    """What is published of one part of the data; None or empty where nothing is.

    Attributes:
        system: the title of the work.
        accuracy: the share of right predictions.
        macro_f1: the mean over classes of F1.
        f1: by class, under the names of the run.
        recall: by class, under the names of the run.
        note: what one must know to compare.
        caveats: why our figures cannot be compared with these; see `caveats`.
    """

    system: str
    accuracy: float | None
    macro_f1: float | None
    f1: dict[str, float]
    recall: dict[str, float]
    note: str
    caveats: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON can hold it."""
        return asdict(self)


def published_figures(run: Run, part: str) -> PublishedFigures | None:
    """What the recipe of a run says to be published of `train`, `validation` or `test`; None if that is nothing.

    Figures of which the recipe names no part are of the test.
    """
    published = run.recipe.published
    if published is None:
        return None
    tested = part == "test"
    found = PublishedFigures(
        published.system,
        next((value for name, value in published.accuracy.items() if name == part), None),
        published.macro_f1 if tested else None,
        _by_class(published.f1, run.config()["classes"]) if tested else {},
        _by_class(published.recall, run.config()["classes"]) if tested else {},
        published.note,
        caveats(published, run),
    )
    return found if found.accuracy is not None or found.macro_f1 is not None or found.f1 or found.recall else None


def caveats(published: Published, folder: StartedFolder) -> list[str]:
    """Why what was trained there cannot be compared with what is published: less training, other settings or data.

    Args:
        published: what the recipe says of its authors' figures.
        folder: of a run or a cross-validation.
    """
    config = folder.config()
    found = []
    if config["limit"] is not None:
        found.append(f"trained on at most {config['limit']:,} images (--limit)")
    if config["epochs"] < config["recipe"]["training"]["epochs"]:
        found.append(f"trained for at most {config['epochs']} of {config['recipe']['training']['epochs']} epochs")
    if config.get("changes"):
        found.append(f"trained with other settings ({', '.join(config['changes'])})")
    theirs, images = published.data or "the authors' images", len(folder.split())
    if str(config["data"]).startswith(f"{DRAWN}:"):
        found.append(f"measured on drawn faces, published on {theirs}")
    elif published.images is not None and config["limit"] is None and images != published.images:
        found.append(f"measured on data of {images:,} images, published on {theirs}, which has {published.images:,}")
    elif published.images is None and published.data:
        found.append(f"measured on {config['data']}, published on {theirs}")
    return found


def told_caveats(found: Sequence[str]) -> str:
    """What `caveats` found, in a sentence."""
    return f"not comparable with what is published: {'; '.join(found)}"


def _by_class(figures: dict[str, float], class_names: Sequence[str]) -> dict[str, float]:
    # the data may write the classes in another way than the recipe
    named = {match_class(name, class_names): value for name, value in figures.items()}
    return {name: named[name] for name in class_names if name in named}
