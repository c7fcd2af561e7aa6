"""`scratchnet dataset extract`: faces out of films."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.console import console, errors, progress, table
from pipelines.errors import UserError
from pipelines.machine import available_cores
from pipelines.movies.quality import REASONS
from pipelines.movies.settings import Settings

if TYPE_CHECKING:
    from pipelines.movies.extract import Extraction, Progress

_USUAL = Settings()

FilmsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MOVIE...",
        show_default=False,
        help="Films of any format that OpenCV reads; 'drawn' or 'drawn:SECONDS:SEED' is one that the program draws.",
    ),
]


def register(dataset: typer.Typer) -> None:
    """Add the command to `scratchnet dataset`."""
    dataset.command(name="extract")(extract)


def extract(
    movies: FilmsArgument = None,
    out: Annotated[Path, typer.Option(help="Folder of the dataset; one that exists is added to.")] = Path("dataset"),
    contributor: Annotated[
        str, typer.Option(help="Whose images they are: the T of C_T_N.png. Letters, digits and '-'.")
    ] = "film",
    interval: Annotated[
        float, typer.Option(help="Seconds between frames of a scene that are looked at; 0 for every frame.")
    ] = _USUAL.interval,
    frames_per_scene: Annotated[
        int, typer.Option(help="Most frames to look at in one scene; 0 for no limit.")
    ] = _USUAL.frames_per_scene,
    scene_threshold: Annotated[
        float, typer.Option(help="Change of the picture that makes a cut, in PySceneDetect's measure.")
    ] = _USUAL.scene_threshold,
    min_scene: Annotated[float, typer.Option(help="Seconds that a scene lasts at least.")] = _USUAL.min_scene,
    detector: Annotated[
        str, typer.Option(help="haar, which comes with OpenCV, or yunet, which finds more.")
    ] = _USUAL.detector,
    detector_model: Annotated[
        Path | None,
        typer.Option(help="YuNet's .onnx file; without it the one in the cache, which is downloaded once (230 KB)."),
    ] = None,
    download: Annotated[bool, typer.Option(help="Whether YuNet's file may be downloaded.")] = True,
    min_score: Annotated[
        float | None, typer.Option(help="Least score of the detector; its usual one by default: haar 54.5, yunet 0.8.")
    ] = _USUAL.min_score,
    min_face: Annotated[
        int | None, typer.Option(help="Least pixels of a face; a sixth of the film's height by default, at least 60.")
    ] = _USUAL.min_face,
    min_inside: Annotated[
        float, typer.Option(help="Least share of the head inside the frame, 0 to 1.")
    ] = _USUAL.min_inside,
    min_frontal: Annotated[
        float, typer.Option(help="From 1, looks at the camera, to 0, seen from the side.")
    ] = _USUAL.min_frontal,
    min_light: Annotated[float, typer.Option(help="Least mean brightness of a face, 0 to 255.")] = _USUAL.min_light,
    max_light: Annotated[float, typer.Option(help="Largest mean brightness of a face.")] = _USUAL.max_light,
    min_contrast: Annotated[
        float, typer.Option(help="Least standard deviation of its brightness.")
    ] = _USUAL.min_contrast,
    min_sharpness: Annotated[
        float, typer.Option(help="Least fine detail, in per cent of all detail.")
    ] = _USUAL.min_sharpness,
    face_share: Annotated[
        float, typer.Option(help="How much of the image's height the face takes, 0.1 to 1.")
    ] = _USUAL.face_share,
    near: Annotated[
        int, typer.Option(help="Images are near duplicates when at most so many of 64 bits of their hashes differ.")
    ] = _USUAL.near,
    keep_rejected: Annotated[
        int, typer.Option(help="Keep so many rejected faces per film and reason in rejected/REASON/, to look at.")
    ] = _USUAL.keep_rejected,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Films to work on at once; as many as there are processors by default.")
    ] = None,
) -> None:
    """Take clear, frontal, large enough faces from films, as 640x480 PNG images to be labelled.

    Adds to the dataset without renumbering it; films that it has already are passed over. After an interruption the
    same command goes on where it stopped and ends with the same dataset. extraction.json tells what became of every
    face.
    """
    from pipelines.movies.extract import extract as extract_films

    if not movies:
        raise UserError("no films were given: scratchnet dataset extract MOVIE... --out DIR; 'drawn' is one to try")
    settings = Settings(
        interval=interval,
        frames_per_scene=frames_per_scene,
        scene_threshold=scene_threshold,
        min_scene=min_scene,
        detector=detector,
        min_score=min_score,
        min_face=min_face,
        min_inside=min_inside,
        min_frontal=min_frontal,
        min_light=min_light,
        max_light=max_light,
        min_contrast=min_contrast,
        min_sharpness=min_sharpness,
        face_share=face_share,
        near=near,
        keep_rejected=keep_rejected,
    )
    with progress("extracting faces, by seconds of film") as advance:

        def watch(films: "Sequence[Progress]") -> None:
            done = sum(film.seconds for film in films)
            total = sum(max(film.total or 0, film.seconds) for film in films)
            advance(int(done), max(int(total), 1))

        result = extract_films(
            movies,
            out,
            settings,
            contributor=contributor,
            model=detector_model,
            download=download,
            jobs=jobs or min(len(movies), available_cores()),
            watch=watch,
        )
    print_extraction(result, out)
    if result.films:
        console.print(f"next: scratchnet dataset label {out}")
    if result.failed:
        raise typer.Exit(1)


def print_extraction(result: "Extraction", out: Path) -> None:
    """Print a table of what became of the faces in each film, and what is to be known besides."""
    reasons = [reason for reason in REASONS if any(reason in film["rejected"] for film in result.films)]
    columns = ["film", "frames", "looked at", "faces", *reasons, "duplicates", "kept", "speed"]
    rows = [_row(film, speed, reasons) for film, speed in zip(result.films, result.speeds, strict=True)]
    if rows:
        console.print(table("faces in films (rejected by reason; speed in film seconds per second)", columns, rows))
    for film in result.films:
        announced, decoded = film["announced_frames"], film["frames"]
        if announced is not None and decoded < announced:
            errors.print(
                f"{film['film']}: its header promises {announced:,} frames, {decoded:,} could be decoded; "
                "what is in these was kept"
            )
    for name in result.repeated:
        errors.print(f"{name}: given more than once, extracted once")
    for name in result.known:
        console.print(f"{name}: already in the dataset, passed over")
    for name, sentence in result.failed:
        errors.print(sentence if name in sentence else f"{name}: {sentence}")
    if result.films:
        console.print(f"{sum(film['kept'] for film in result.films):,} images were added to {out}")


def _row(film: dict[str, Any], speed: float | None, reasons: Sequence[str]) -> list[str]:
    return [
        film["film"],
        *(f"{film[name]:,}" for name in ("frames", "sampled", "faces")),
        *(f"{film['rejected'].get(reason, 0):,}" for reason in reasons),
        f"{len(film['duplicates']):,}",
        f"{film['kept']:,}",
        "-" if speed is None else f"{speed:.1f}x",
    ]
