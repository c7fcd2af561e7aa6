"""`scratchnet cluster`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipelines.commands.options import LotSeedOption, SizeOption, parse_size
from pipelines.engines import Engine

Which = Literal["kmeans", "minibatch", "gaussian", "agglomerative", "dbscan", "hdbscan", "spectral", "all"]


def cluster(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN_OR_EXTRACTOR",
            help="What makes a vector of an image: a run's folder or a model file; or fixed or random (filters that "
            "nobody has trained), pixels, or hog.",
        ),
    ],
    data: Annotated[
        str | None, typer.Option(help="Labelled images as in train; a run's own by default. The labels are for scores.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="train, validation, test or all; by default the test, or everything if no test is set aside."
        ),
    ] = None,
    method: Annotated[Which, typer.Option(help="How to cluster.")] = "kmeans",
    clusters: Annotated[
        int | None, typer.Option(min=2, help="How many clusters; by default as many as classes.")
    ] = None,
    choose: Annotated[
        Literal["silhouette", "elbow"] | None,
        typer.Option(
            help="Choose the number without labels: by the largest silhouette, or where the inertia bends (Kneedle)."
        ),
    ] = None,
    eps: Annotated[
        float | None,
        typer.Option(help="DBSCAN's radius; by default where the sorted distances to the fifth image bend."),
    ] = None,
    sample: Annotated[
        int,
        typer.Option(
            min=10,
            help="Images that agglomerative, DBSCAN, HDBSCAN and spectral see at most, whose time or memory grows with "
            "the square of their number; the others go to the cluster of their nearest one.",
        ),
    ] = 5000,
    layer: Annotated[
        str | None, typer.Option(help="The layer of a model that vectors come from; by default that before the scores.")
    ] = None,
    normalize: Annotated[bool, typer.Option("--normalize", help="Divide each vector by its length.")] = False,
    size: SizeOption = None,
    engine: Annotated[
        Engine, typer.Option(help="What computes vectors: our engine, or Keras on the twin.")
    ] = "scratch",
    filters: Annotated[
        Path | None,
        typer.Option(help="Filters of your own instead of the fixed ones: an .npy file, (3, 3, depth, filters)."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=2, help="At most so many images, for a quick try.")] = None,
    seeds: Annotated[
        int,
        typer.Option(
            min=1, max=1000, help="How many seeds, for means and standard deviations; figures show the first."
        ),
    ] = 5,
    seed: LotSeedOption = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for the files; RUN/clusters or runs/clusters.")] = None,
) -> None:
    """Cluster images by vectors that know no labels, or a model's; and score the clusters against the classes.

    Prints ARI, NMI, homogeneity, completeness, V-measure, purities and silhouette beside their values for random
    clusters, and writes clusters.json, clusters.csv (name, class, cluster) and figures: PCA in two and three
    dimensions, t-SNE, UMAP where umap-learn is installed, clusters by class, and the faces nearest each centre.
    """
    from pipelines.clustering.command import Wanted, run_cluster

    wanted = Wanted(
        what, data, split, method, clusters, choose, eps, sample, layer, normalize, parse_size(size), engine, filters,
        limit, seeds, seed, out,
    )  # fmt: skip
    run_cluster(wanted)


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command()(cluster)
