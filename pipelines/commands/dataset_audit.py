"""`scratchnet dataset` audit, augment and show."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.console import console, errors, progress
from pipelines.curation.likeness import CANDIDATE_BITS
from pipelines.data.opening import resolve_name
from pipelines.data.sample import Source
from pipelines.errors import UserError

if TYPE_CHECKING:  # so that other commands start without these
    from pipelines.curation.manifest import Manifest
    from pipelines.data.augmentation import Augmentation

DataArgument = Annotated[
    str,
    typer.Argument(
        metavar="PATH",
        help="A dataset with a manifest.csv, or any labelled images that train takes: a folder with a folder per "
        "class, the same below train/ and test/, a .zip of either, a .csv like fer2013.csv, or drawn.",
    ),
]
RecipeOption = Annotated[
    str | None,
    typer.Option(
        help="Vary images as this recipe does; by default they turn by up to 15 degrees, grow or shrink by 10%, are "
        "sheared by 20%, mirrored, and lit at 70 to 130%.",
    ),
]


def register(dataset: typer.Typer) -> None:
    """Add the commands to `scratchnet dataset`."""
    for command in (audit, augment, show):
        dataset.command()(command)


def audit(
    data: DataArgument,
    out: Annotated[Path, typer.Option(help="Folder for audit.json and the figures.")] = Path("runs/audit"),
    near: Annotated[
        int,
        typer.Option(
            min=0,
            max=64,
            help="In how many of 64 bits the hashes of pairs may differ whose pixels are compared.",
        ),
    ] = CANDIDATE_BITS,
    recorded: Annotated[
        bool,
        typer.Option(
            "--recorded",
            help="Take the hashes from the manifest instead of reading all pixels: faster, but blank and damaged "
            "images are not found; only what may be near duplicates is read.",
        ),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with status 1 if a split knows images of another one.")
    ] = False,
) -> None:
    """Find copies, leaks between splits, conflicting labels, and blank and broken images.

    Near duplicates are suggested by a perceptual hash and confirmed by their pixels.
    """
    from pipelines.curation.audit import audit as judge
    from pipelines.curation.audit_report import print_audit, write_audit
    from pipelines.curation.scan import scan

    source = _open(data)
    with progress("looking at images") as advance:
        scanned = scan(source, recorded=_manifest(data) if recorded else None, progress=advance)
    found = judge(scanned, near)
    print_audit(found, data)
    write_audit(found, source, resolve_name(data), out)
    console.print(f"the findings, image by image, are in {out / 'audit.json'}, with figures beside it")
    if strict and found.leaking:
        errors.print("scratchnet: the splits share images; see the leaks above")
        raise typer.Exit(1)


def show(
    data: DataArgument,
    out: Annotated[Path, typer.Option(help="Folder for the figures.")] = Path("runs/show"),
    recipe: RecipeOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed shows other images.")] = 0,
) -> None:
    """Draw the classes, a contact sheet of each, varied copies beside their originals, and rejected faces by reason."""
    from pipelines.curation import show as pictures

    source, augmentation = _open(data), _augmentation(recipe)
    written = pictures.show_classes(source, out)
    with progress("drawing contact sheets") as advance:
        written += pictures.show_sheets(source, out, seed, advance)
    written += pictures.show_augmentation(source, augmentation, out, seed)
    written += pictures.show_rejected(Path(data), out)
    for path in written:
        console.print(str(path))


def augment(
    dataset: Annotated[Path, typer.Argument(metavar="DIR", help="A dataset with a manifest.csv that is divided.")],
    out: Annotated[Path, typer.Option(help="Folder for the enlarged dataset; it must not be there yet.")],
    times: Annotated[int, typer.Option(min=1, help="Varied copies of each training image.")] = 1,
    recipe: RecipeOption = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same pixels.")] = 0,
) -> None:
    """Write a dataset anew, enlarged by varied copies of its training images.

    All other images stay as they are. DIR is not changed; augmentation.json says what each copy was made of.
    """
    from pipelines.curation.enlarging import enlarge

    with progress("varying images") as advance:
        done = enlarge(dataset, out, times, _augmentation(recipe), seed, advance)
    console.print(f"{out}: {done.kept:,} images as they were, {done.made:,} varied copies of {done.varied:,} of them")


def _open(data: str) -> Source:
    from pipelines.data.opening import open_data
    from pipelines.data.preprocessing import Preprocessing

    return open_data(data, Preprocessing(48, 48, 1))  # the size is that of drawn faces; others keep theirs


def _manifest(data: str) -> "Manifest":
    from pipelines.curation.manifest import Manifest, has_manifest

    if not has_manifest(Path(data)):
        raise UserError(f"{data} has no manifest.csv with recorded hashes; audit it without --recorded")
    return Manifest.read(Path(data))


def _augmentation(recipe: str | None) -> "Augmentation":
    from pipelines.data.augmentation import USUAL
    from pipelines.recipe_files import load_recipe

    augmentation = USUAL if recipe is None else load_recipe(recipe).augmentation
    if augmentation.changes_nothing:
        raise UserError(f"recipe {recipe} varies nothing; add an [augmentation] table to it")
    return augmentation
