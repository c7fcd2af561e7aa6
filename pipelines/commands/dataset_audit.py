"""`scratchnet dataset` audit, augment and show."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.console import console, errors, progress
from pipelines.data.opening import resolve_name
from pipelines.data.sample import Source

DataArgument = Annotated[
    str,
    typer.Argument(
        metavar="PATH",
        help="A dataset with a manifest.csv, or any labelled images that train takes: a folder with a folder per "
        "class, the same below train/ and test/, a .zip of either, a .csv like fer2013.csv, or drawn.",
    ),
]


def register(dataset: typer.Typer) -> None:
    """Add the commands to `scratchnet dataset`."""
    dataset.command("audit")(audit)


def audit(
    data: DataArgument,
    out: Annotated[Path, typer.Option(help="Folder for audit.json and the figures.")] = Path("runs/audit"),
    near: Annotated[
        int, typer.Option(min=0, max=64, help="In how many of 64 bits the hashes of near duplicates may differ.")
    ] = 4,
    recorded: Annotated[
        bool,
        typer.Option(
            "--recorded",
            help="Take the hashes from the manifest instead of reading all pixels: faster, but blank and damaged "
            "images are not found.",
        ),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with status 1 if a split knows images of another one.")
    ] = False,
) -> None:
    """Find copies, leaks between splits, conflicting labels, and blank and broken images.

    Near duplicates are found by a perceptual hash; up to a distance of 4 nearly all of them are right, at 8 about half.
    """
    from pipelines.curation.audit import audit as judge
    from pipelines.curation.audit_report import print_audit, write_audit
    from pipelines.curation.scan import scan

    source = _open(data)
    with progress("looking at images") as advance:
        scanned = scan(source, recorded=recorded, progress=advance)
    found = judge(scanned, near)
    print_audit(found, data)
    write_audit(found, source, resolve_name(data), out)
    console.print(f"the findings, image by image, are in {out / 'audit.json'}, with figures beside it")
    if strict and found.leaking:
        errors.print("scratchnet: the splits share images; see the leaks above")
        raise typer.Exit(1)


def _open(data: str) -> Source:
    from pipelines.curation.manifest import has_manifest
    from pipelines.curation.manifest_source import ManifestSource
    from pipelines.data.opening import open_data
    from pipelines.data.preprocessing import Preprocessing

    if has_manifest(Path(data)):
        return ManifestSource(Path(data))
    return open_data(data, Preprocessing(48, 48, 1))
