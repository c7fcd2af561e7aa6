"""`scratchnet dataset` split, card and verify: what makes labelled faces a dataset that others can rely on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.console import console, errors, progress, table
from pipelines.curation.likeness import NEAR_BITS
from pipelines.errors import UserError
from pipelines.lock import folder_lock

if TYPE_CHECKING:
    from pipelines.curation.splitting import Division

FolderArgument = Annotated[Path, typer.Argument(help="The dataset's folder, with manifest.csv.", metavar="DIR")]
SHOWN_FINDINGS = 100


def register(dataset: typer.Typer) -> None:
    """Add the commands to `scratchnet dataset`."""
    for function in (split, card, verify):
        dataset.command()(function)


def split(
    words: Annotated[list[str], typer.Argument(help="The dataset's folder, with manifest.csv.", metavar="DIR")],
    ratios: Annotated[
        str,
        typer.Option(help="Of train, validation and test, such as 70 20 10; or of train and test.", metavar="N N [N]"),
    ] = "70 20 10",
    plain: Annotated[
        bool, typer.Option("--plain", help="Divide by class alone, so that frames of a scene may be in several parts.")
    ] = False,
    near: Annotated[
        int, typer.Option(min=0, max=16, help="Bits in which perceptual hashes of images kept together differ at most.")
    ] = NEAR_BITS,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same division.")] = 0,
) -> None:
    """Divide the labelled images into train, validation and test, and write that into the manifest.

    Every class keeps its share in each part, as far as scenes allow: no scene of a film, and no near-duplicates, are in
    two parts. The table says how near the shares are.
    """
    from pipelines.curation.manifest import Manifest, require_manifest
    from pipelines.curation.splitting import divide_dataset

    folder, numbers = _folder_and_ratios(words, ratios)
    require_manifest(folder)
    with folder_lock(folder):
        manifest = Manifest.read(folder)
        division = divide_dataset(manifest, numbers, plain=plain, near=near, seed=seed)
        manifest.write()
    _print_division(division, folder)


def card(
    folder: FolderArgument,
    name: Annotated[str | None, typer.Option(help="Of the dataset; the folder's name at first.")] = None,
    version: Annotated[str | None, typer.Option(help="Of what it holds now; 1.0 at first.")] = None,
    rights: Annotated[str | None, typer.Option(help="Who may use the footage, and how; 'not stated' at first.")] = None,
) -> None:
    """Give the dataset a name and a version, in dataset.json, and describe it in README.md.

    What changed since the last version needs a new one.
    """
    from pipelines.curation.card import make_version, write_card
    from pipelines.curation.manifest import Manifest, require_manifest

    require_manifest(folder)
    with folder_lock(folder):
        manifest = Manifest.read(folder)
        description = make_version(manifest, name=name, version=version, rights=rights)
        path = write_card(manifest, description)
    console.print(f"{description.name} {description.version}: {description.images:,} images")
    console.print(f"content hash {description.content_hash}")
    console.print(f"described in {path}; rights to the footage: {description.rights}")


def verify(folder: FolderArgument) -> None:
    """Find missing, altered, surplus and misnamed files, and rows that contradict each other.

    The exit status is 1 if anything is wrong.
    """
    from pipelines.curation.verify import verify_dataset

    with progress("verifying images") as advance:
        count, findings = verify_dataset(folder, advance)
    if not findings:
        console.print(f"{folder}: {count:,} images are what the manifest says")
        return
    rows = [[finding.kind, finding.where, finding.message] for finding in findings[:SHOWN_FINDINGS]]
    listing = table("", ["what", "where", "why"], rows)
    for column in listing.columns:
        column.justify = "left"
    console.print(listing)
    if len(findings) > SHOWN_FINDINGS:
        console.print(f"and {len(findings) - SHOWN_FINDINGS:,} more")
    kinds = {
        kind: sum(finding.kind == kind for finding in findings) for kind in dict.fromkeys(f.kind for f in findings)
    }
    errors.print(f"{folder}: {', '.join(f'{count:,} {kind}' for kind, count in kinds.items())}")
    raise typer.Exit(1)


def _folder_and_ratios(words: list[str], ratios: str) -> tuple[Path, list[float]]:
    # options take one value each: of `--ratios 70 20 10` the last two arrive among the arguments
    numbers = [word for word in words if _is_number(word)]
    folders = [word for word in words if not _is_number(word)] or numbers[:1]
    if len(folders) != 1:
        raise UserError(f"one dataset is divided at a time, got {', '.join(folders)}")
    if folders == numbers[:1]:  # a folder whose name is a number
        numbers = numbers[1:]
    given = ratios.replace("/", " ").replace(",", " ").split() + numbers
    if not all(_is_number(word) for word in given):
        raise UserError(f"the ratios must be numbers, such as 70 20 10, got {' '.join(given)}")
    return Path(folders[0]), [float(word) for word in given]


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _print_division(division: "Division", folder: Path) -> None:
    percentages, deviations = division.percentages(), division.deviations()
    rows = []
    for number, name in enumerate(division.classes):
        cells = [
            f"{count:,} ({share:.1f}%)"
            for count, share in zip(division.counts[number], percentages[number], strict=True)
        ]
        rows.append([name, *cells, f"{deviations[number]:.1f}"])
    totals = division.counts.sum(axis=0)
    overall = 100 * totals / totals.sum()
    farthest = max(abs(share - wanted) for share, wanted in zip(overall, division.shares, strict=True))
    cells = [f"{count:,} ({share:.1f}%)" for count, share in zip(totals, overall, strict=True)]
    rows.append(["all", *cells, f"{farthest:.1f}"])
    wanted = [f"{part} ({share:g}%)" for part, share in zip(division.parts, division.shares, strict=True)]
    console.print(table("", ["class", *wanted, "points off"], rows))
    console.print(
        f"{division.groups:,} groups that stay whole, the largest of {division.largest:,} images; "
        f"no share is more than {deviations.max():.1f} points from what was asked for"
    )
    empty = [
        f"{name} ({part})"
        for number, name in enumerate(division.classes)
        for count, part in zip(division.counts[number], division.parts, strict=True)
        if not count
    ]
    if empty:
        errors.print(f"without any image: {', '.join(empty)}; label more scenes of these classes, or use --plain")
    console.print(f"written to {folder / 'manifest.csv'}")
