"""`scratchnet dataset`: from films to a labelled, versioned and divided dataset."""

import typer

from pipelines.commands import dataset_audit, dataset_extract, dataset_label, dataset_version

dataset = typer.Typer(
    name="dataset",
    help="Make a dataset of faces: from films to images that are labelled, divided, described and checked.",
    no_args_is_help=True,
)
dataset_extract.register(dataset)
dataset_label.register(dataset)
dataset_version.register(dataset)
dataset_audit.register(dataset)
