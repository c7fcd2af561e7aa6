"""What a clustering leaves in a folder."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from pipelines.clustering.assessing import Outcome
from pipelines.clustering.choice import Choice
from pipelines.clustering.scores import NOISE, SILHOUETTE_SAMPLE
from pipelines.features.vectors import Vectors
from pipelines.files import write_json, write_text
from pipelines.parsing import Count, Told

JSON_NAME, CSV_NAME = "clusters.json", "clusters.csv"
FORMAT = "scratchnet clusters"


class ScoreEntry(Told):
    """A score over the seeds, and that of random clusters."""

    mean: float | None
    deviation: float | None
    random: float | None


class MethodEntry(Told):
    """What a method found."""

    title: str
    clusters: int
    scores: dict[str, ScoreEntry | None]
    figures: list[str]


class ClustersFile(Told):
    """What `save_clusters` writes, as far as it is read again."""

    images: Count
    part: str
    vectors: str
    dimension: Count
    clusters: Count | None
    clusters_by: str
    trained_on: Count | None
    methods: Annotated[dict[str, MethodEntry], Field(min_length=1)]
    figures: list[str]
    command: list[str]


def save_clusters(
    folder: Path,
    vectors: Vectors,
    outcomes: Sequence[Outcome],
    choice: Choice,
    figures: Mapping[str, Sequence[str]],
    about: Mapping[str, Any],
) -> None:
    """Write clusters.csv, then clusters.json.

    The csv has a row per image: name, class, and its cluster by the first seed, from 0, or -1 for noise. With several
    methods, there is a column for each, named after it.

    Args:
        folder: is made where it is missing.
        vectors: that were clustered.
        outcomes: of each method.
        choice: of the number of clusters.
        figures: names of files, by method; those of none by "all".
        about: stands at the top of the json.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "class", *(["cluster"] if len(outcomes) == 1 else [each.method for each in outcomes])])
    columns = [outcome.first.clusters.tolist() for outcome in outcomes]
    for sample, label, *clusters in zip(vectors.samples, vectors.labels.tolist(), *columns, strict=True):
        writer.writerow([sample.name, vectors.class_names[label], *clusters])
    write_text(folder / CSV_NAME, text.getvalue(), "backslashreplace")
    methods = {
        outcome.method: {**outcome.to_json(vectors.class_names), "figures": list(figures[outcome.method])}
        for outcome in outcomes
    }
    numbers = {**vars(choice), "by_silhouette": choice.by_silhouette, "by_elbow": choice.by_elbow}
    content = {
        "format": FORMAT,
        **about,
        "images": len(vectors.labels),
        "dimension": int(vectors.array.shape[1]),
        "class_names": list(vectors.class_names),
        "noise_is": NOISE,
        "silhouette_of": {"images": min(len(vectors.labels), SILHOUETTE_SAMPLE), "noise": "left out"},
        "choice": numbers,
        "methods": methods,
        "figures": list(figures["all"]),
    }
    write_json(folder / JSON_NAME, content)
