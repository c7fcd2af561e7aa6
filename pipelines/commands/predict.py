"""`scratchnet predict`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.results import PRINTED, JsonCommand, JsonOption, check_files, json_file_of
from pipelines.console import console, errors, progress
from pipelines.errors import UserError

if TYPE_CHECKING:  # so that other commands start without these
    from pipelines.predicting.command import Summary
    from pipelines.predicting.faces import FaceSearch


def predict(
    model: Annotated[Path, typer.Argument(help="A run's folder, or a model file (.safetensors, .keras or .h5).")],
    images: Annotated[
        list[Path],
        typer.Argument(
            help="Image files of any format, size and colour; folders, with all images below them; .zip archives.",
        ),
    ],
    faces: Annotated[
        bool, typer.Option("--faces", help="Find the faces in each image and ask about each of them.")
    ] = False,
    detector: Annotated[
        str | None, typer.Option(help="haar (the default), which comes with OpenCV, or yunet, which finds more.")
    ] = None,
    detector_model: Annotated[
        Path | None,
        typer.Option(help="YuNet's .onnx file; without it the one in the cache, which is downloaded once (230 KB)."),
    ] = None,
    download: Annotated[bool, typer.Option(help="Whether YuNet's file may be downloaded.")] = True,
    min_face: Annotated[
        int | None,
        typer.Option(min=1, help="Least pixels of a face; by default a 20th of the shorter side, at least 24."),
    ] = None,
    min_score: Annotated[
        float | None, typer.Option(help="Least score of the detector; its usual one by default: haar 54.5, yunet 0.8.")
    ] = None,
    crop: Annotated[
        str | None,
        typer.Option(
            help="How a face is cut out: square, tight around it, as in FER-2013; or film, a 4:3 picture with the face "
            "at 0.7 of its height, as dataset extract makes them. By default as the run's training images were."
        ),
    ] = None,
    annotate: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write a copy of each image to this folder, with boxes, classes and figures."),
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the predictions to this .csv.")] = None,
    as_json: JsonOption = None,
) -> None:
    """Say the class probabilities of images, or of the faces in them.

    Without --faces the face should fill the image, as in the training images. An image that cannot be read does not
    stop the others; the exit status is 1 then. An image without a face is no mistake.
    """
    from pipelines.predicting.command import predict_all
    from pipelines.predicting.copies import Copies
    from pipelines.predicting.faces import FaceFinder
    from pipelines.predicting.inputs import find_pictures
    from pipelines.run import load_run_model

    json_path = json_file_of(as_json)
    _check_results(csv, json_path, annotate)
    searching = {"detector": detector, "model": detector_model, "min_face": min_face, "min_score": min_score,
                 "crop": crop}  # fmt: skip
    search = _search(model, faces, download, {name: value for name, value in searching.items() if value is not None})
    loaded = load_run_model(model)
    finder = None if search is None else FaceFinder(search)
    listing = find_pictures(images, aside=annotate)
    copies = None if annotate is None else Copies(annotate)
    printed = json_path is None and csv is None
    with progress("predicting") as advance:
        summary = predict_all(
            loaded,
            listing,
            finder,
            copies=copies,
            csv=csv,
            json=json_path,
            keep=printed or as_json == PRINTED,
            progress=advance,
        )
    _tell(summary, tuple(loaded.class_names or ()), as_json == PRINTED, printed)
    for written in (csv, json_path):
        if written is not None:
            errors.print(f"written to {written}")
    if copies is not None:
        errors.print(f"annotated copies in {annotate}: {copies.count:,}")
    if listing.ignored:
        errors.print(f"files that are no images, passed over: {listing.ignored:,}")
    for image, reason in summary.failed:
        errors.print(f"{image}: {reason}")
    if summary.failed:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command(cls=JsonCommand)(predict)


def _check_results(csv: Path | None, json_path: Path | None, annotate: Path | None) -> None:
    """Refuse results that could not be written, or would take the place of something else."""
    check_files(csv, json_path)
    if annotate is not None and annotate.exists() and not annotate.is_dir():
        raise UserError(f"--annotate names a folder for the copies, but {annotate} is a file")


def _search(model: Path, wanted: bool, download: bool, given: dict[str, Any]) -> "FaceSearch | None":
    from pipelines.predicting.faces import FaceSearch, crop_of

    if not wanted:
        if given:
            option = "detector-model" if "model" in given else next(iter(given)).replace("_", "-")
            raise UserError(f"--{option} says how faces are found; add --faces")
        return None
    return FaceSearch(**{"crop": crop_of(model), **given}, download=download)


def _tell(summary: "Summary", class_names: tuple[str, ...], as_json: bool, as_text: bool) -> None:
    from pipelines.predicting.telling import as_table

    if as_json:
        print(json.dumps([said.to_json() for said in summary.predictions], indent=2, ensure_ascii=False))
        return
    if as_text:
        shown = as_table(summary.predictions, class_names)
        if shown is not None:
            console.print(shown)
        return
    counts = ", ".join(f"{summary.classes[name]:,} {name}" for name in class_names if summary.classes[name])
    faceless = f"; {summary.faceless:,} without a face" if summary.faceless else ""
    console.print(f"{summary.images:,} images: {counts or 'no class'}{faceless}")
