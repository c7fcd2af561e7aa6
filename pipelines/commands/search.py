"""`scratchnet search`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipelines.commands.options import LotSeedOption, SizeOption, parse_size
from pipelines.commands.results import PRINTED, JsonCommand, JsonOption, check_files, json_file_of


def search(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN_OR_EXTRACTOR",
            help="What makes a vector of an image: a run's folder or a model file; or fixed or random (filters that "
            "nobody has trained), pixels, or hog.",
        ),
    ],
    query: Annotated[
        list[Path], typer.Option(metavar="IMAGE", help="An image file to look for; may be given several times.")
    ],
    data: Annotated[
        str | None, typer.Option(help="Labelled images as in train, which are looked through; a run's own by default.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Which of them: train, validation, test or all; all by default.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Images for each query, at most.")] = 12,
    metric: Annotated[
        Literal["cosine", "euclidean"],
        typer.Option(
            help="How vectors are compared: by the cosine of the angle between them, which leaves their lengths aside "
            "and so much of an image's contrast, or by their distance."
        ),
    ] = "cosine",
    layer: Annotated[
        str | None, typer.Option(help="The layer of a model that vectors come from; by default that before the scores.")
    ] = None,
    size: SizeOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Look through at most so many images.")] = None,
    seed: LotSeedOption = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for search.png; RUN/search or runs/search.")] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write what was found to this .csv.")] = None,
    as_json: JsonOption = None,
) -> None:
    """Find the faces most like a query, by vectors that know no labels, or by a trained model's.

    Prints name, class and similarity of each, and draws them beside the query in search.png. An image with the query's
    own pixels is shown as such.
    """
    json_path = json_file_of(as_json)
    check_files(csv, json_path)
    from pipelines.features.searching import Sought, run_search

    sought = Sought(
        what, query, data, split, count, metric, layer, parse_size(size), limit, seed, out, csv, json_path,
        as_json == PRINTED,
    )  # fmt: skip
    run_search(sought)


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command(cls=JsonCommand)(search)
