"""`scratchnet compare-features`."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import LotSeedOption


def compare_features(
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RUN]",
            help="A run's folder, or a model file (.safetensors, .keras or .h5), whose vectors are compared too.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Labelled images as in train; the run's own by default, which are divided as for its training."
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(help="What is clustered and measured: test, or validation while anything is still chosen.")
    ] = "test",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many of these images.")] = None,
    training_images: Annotated[
        int,
        typer.Option(
            min=2,
            help="Training images that the classifiers learn from at most, by lot, and a third as "
            "many to choose C and k by.",
        ),
    ] = 6000,
    layer: Annotated[
        str | None, typer.Option(help="Of the trained net; by default the last one before its class scores.")
    ] = None,
    seed: LotSeedOption = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for features.json and features.png; RUN/features or runs/features.")
    ] = None,
) -> None:
    """Compare vectors of images: pixels, fixed filters, random filters, HOG, a trained net and its Keras twin.

    All see the same images. Of each are told: its dimension; how far K-Means clusters agree with the classes (ARI, NMI,
    purity); the accuracy of logistic regression and of nearest neighbours on its vectors, which learn from training
    images, choose C and k by validation images, and are measured once; and the time per image. A sample of 6,000
    training images is enough to rank them, and keeps FER-2013 to minutes.
    """
    from pipelines.features.command import run_compare_features

    run_compare_features(
        model, data, split=split, limit=limit, training_images=training_images, layer=layer, seed=seed, out=out
    )


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("compare-features")(compare_features)
