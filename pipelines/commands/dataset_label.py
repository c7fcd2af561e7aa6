"""`scratchnet dataset label`: on a local page, or from a csv."""

import getpass
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.console import console, table
from pipelines.errors import UserError
from pipelines.lock import folder_lock

if TYPE_CHECKING:
    from pipelines.curation.labelling import Labelling

FolderArgument = Annotated[Path, typer.Argument(help="The dataset's folder, with manifest.csv.", metavar="DIR")]


def register(dataset: typer.Typer) -> None:
    """Add the command to `scratchnet dataset`."""
    dataset.command()(label)


def label(
    folder: FolderArgument,
    labels: Annotated[
        Path | None,
        typer.Option("--from", help="A csv with the columns file and class: label from it, without the page."),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="5 for Happy, Sad, Angry, Surprised, Neutral; 7 for these, Disgust and Fear; or up to 9 names, "
            "separated by commas. By default the 5, or the dataset's own if it has others."
        ),
    ] = None,
    labeller: Annotated[str | None, typer.Option(help="Who labels; the user's name by default.")] = None,
    target: Annotated[int, typer.Option(min=1, help="Wanted images per class.")] = 100,
    model: Annotated[
        Path | None,
        typer.Option(help="A run's folder or a model file: its guesses are shown, uncertain faces come first."),
    ] = None,
    review: Annotated[
        str | None,
        typer.Option(help="Label again what is in this class, in 'rejected', or in 'all' classes."),
    ] = None,
    blind: Annotated[
        bool,
        typer.Option("--blind", help="Hide the model's guesses of test images, so that they do not sway the labeller."),
    ] = False,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="The page's port; a free one by default.")] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
) -> None:
    """Label faces on a local web page, by single keys; or from a csv.

    Keys 1 to 9 give a class, X says that it is no face, Space skips, Backspace takes back. Each label is on the disk as
    soon as its key is pressed, with what the model suggested. Images move to CLASS/CLASS_CONTRIBUTOR_NUMBER.png.
    """
    from pipelines.curation.emotions import choose_classes
    from pipelines.curation.labelling import Labelling
    from pipelines.curation.manifest import Manifest, require_manifest

    require_manifest(folder)
    with folder_lock(folder):
        manifest = Manifest.read(folder)
        chosen = choose_classes(classes, manifest.class_names())
        who = labeller or _user()
        if labels is not None:
            if model is not None or review is not None or blind:
                raise UserError("--from takes all labels from the csv; leave out --model, --review and --blind")
            _label_from(labels, Labelling(folder, chosen), who, target)
            return
        if blind and model is None:
            raise UserError("--blind hides a model's guesses; name the model with --model")
        labelling = Labelling(folder, chosen, None if review is None else _reviewed(review, chosen), blind=blind)
        if not labelling.total:
            raise UserError(
                f"{folder} has no {review or 'unlabelled'} images; --review CLASS shows labelled ones again"
            )
        _serve(labelling, folder, who, target, model, port, browser)
        _print_counts(labelling, target)


def _label_from(path: Path, labelling: "Labelling", labeller: str, target: int) -> None:
    from pipelines.curation.labels_csv import read_labels

    given = read_labels(path, labelling.manifest, labelling.classes)
    changed = {key: name for key, name in given.items() if labelling.class_of(key) != name}
    if changed:
        labelling.label_many(f"csv {path.name}", uuid.uuid4().hex, changed, labeller)
        labelling.settle()
    console.print(f"{len(changed):,} labels from {path} given, {len(given) - len(changed):,} were so already")
    _print_counts(labelling, target)


def _serve(
    labelling: "Labelling",
    folder: Path,
    labeller: str,
    target: int,
    model: Path | None,
    port: int | None,
    browser: bool,
) -> None:
    from pipelines.labelpage.guessing import Guesser, model_name
    from pipelines.labelpage.serving import serve
    from pipelines.run import load_run_model

    guesser = None if model is None else Guesser(load_run_model(model), labelling, model_name(model))
    title = folder.resolve().name
    serve(labelling, title=title, labeller=labeller, target=target, port=port, guesser=guesser, open_browser=browser)


def _reviewed(review: str, classes: Sequence[str]) -> set[str]:
    """The classes to go through again."""
    from pipelines.curation.naming import REJECTED
    from pipelines.data.class_names import class_key

    known = {class_key(name): {name} for name in (*classes, REJECTED)} | {"all": set(classes)}
    if class_key(review) not in known:
        raise UserError(f"there is no class {review!r} to review; choose {', '.join(classes)}, rejected or all")
    return known[class_key(review)]


def _print_counts(labelling: "Labelling", target: int) -> None:
    from pipelines.curation.naming import NO_CLASSES

    counts = labelling.counts
    rows = [[name, f"{counts[name]:,}", f"{max(0, target - counts[name]):,}"] for name in labelling.classes]
    rows += [[name, f"{counts[name]:,}", ""] for name in NO_CLASSES if counts[name]]
    console.print(table("", ["class", "images", f"to {target:,}"], rows))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may have no name for its user
        return "labeller"
