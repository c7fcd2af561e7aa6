"""The figures of clusterings: drawn from vectors and outcomes."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipelines.clustering.assessing import Outcome
from pipelines.clustering.choice import Choice
from pipelines.clustering.embedding import has_umap, principal_components, tsne, umap
from pipelines.clustering.methods import METHODS
from pipelines.clustering.scores import NOISE, Labels
from pipelines.data.sample import Sample
from pipelines.faces import by_turns
from pipelines.features.filter_vectors import FilterMaker
from pipelines.features.vectors import FloatBatch, Vectors
from pipelines.figures.augmented import fit
from pipelines.figures.cluster_numbers import draw_cluster_numbers
from pipelines.figures.cluster_table import draw_cluster_table
from pipelines.figures.embedding import Embedding, draw_embeddings
from pipelines.figures.filter_bank import MOST_IMAGES, draw_filter_bank
from pipelines.figures.fonts import shorten
from pipelines.figures.saving import is_own
from pipelines.figures.sheets import Cell, draw_sheet
from pipelines.figures.sizing import shortened
from pipelines.figures.text import plain

KINDS = ("pca", "tsne", "umap", "table", "nearest")  # of figures that each method gets
NEAREST = 10  # faces of each cluster
LONGEST_NAME = 44  # letters of what made the vectors, in a title
MOST_FILTERS = 32  # of the user's own there may be any number
SHOWN = 14  # clusters with faces, the largest ones
NUMBERS_NAME, FILTERS_NAME = "clusters_numbers.png", "clusters_filters.png"


def figure_name(kind: str, method: str) -> str:
    """The name of a method's figure."""
    return f"clusters_{kind}_{method}.png"


def remove_cluster_figures(folder: Path) -> None:
    """Delete what an earlier clustering drew into a folder, and no other files."""
    names = [figure_name(kind, method) for kind in KINDS for method in METHODS]
    for name in (*names, NUMBERS_NAME, FILTERS_NAME):
        if is_own(folder / name):
            (folder / name).unlink()


def embeddings_of(vectors: FloatBatch, seed: int) -> dict[str, list[Embedding]]:
    """What is drawn of vectors, by the kind of figure; UMAP where it is installed.

    Args:
        vectors: float32 (n, dimension), not all the same.
        seed: the same seed, the same points.
    """
    points, shares = principal_components(vectors, 3)
    axes = tuple(f"component {number} ({share:.0%})" for number, share in enumerate(shares, 1))
    found = {"pca": [Embedding("PCA", points[:, :2], axes[:2]), Embedding("PCA, three dimensions", points, axes)]}
    if (plane := tsne(vectors, seed)) is not None:
        found["tsne"] = [Embedding("t-SNE", plane)]
    if has_umap() and (plane := umap(vectors, seed)) is not None:
        found["umap"] = [Embedding("UMAP", plane)]
    return found


def outcome_figures(
    outcome: Outcome,
    vectors: Vectors,
    rows: Labels,
    embeddings: Mapping[str, Sequence[Embedding]],
    image: Callable[[Sample], NDArray[np.uint8]],
    name: str,
) -> dict[str, Figure]:
    """A method's figures by the name of their file.

    Args:
        outcome: of the method.
        vectors: that were clustered.
        rows: which of them are drawn as points.
        embeddings: of these.
        image: the picture of a sample.
        name: of what made the vectors, for titles.
    """
    clusters, classes = outcome.first.clusters, vectors.class_names
    title = f"{outcome.title} on {shortened(name, LONGEST_NAME)}"
    some = f", {len(rows):,} of {len(clusters):,} images" if len(rows) < len(clusters) else f", {len(rows):,} images"
    figures = {
        kind: draw_embeddings(drawn, vectors.labels[rows], clusters[rows], classes, outcome.matching, title + some)
        for kind, drawn in embeddings.items()
    }
    noise = np.bincount(vectors.labels[clusters == NOISE], minlength=len(classes)).astype(np.int64)
    figures["table"] = draw_cluster_table(
        outcome.table, noise, classes, outcome.matching, f"{title} (framed: its matched class)"
    )
    figures["nearest"] = _nearest_figure(
        outcome, vectors, image, f"{title}: the images nearest to the centre of each cluster, and its matched class"
    )
    return {figure_name(kind, outcome.method): figure for kind, figure in figures.items()}


def choice_figure(choice: Choice, taken: int | None, name: str) -> Figure:
    """How the number of clusters was chosen; see `draw_cluster_numbers`."""
    title = f"K-Means on {shortened(name, LONGEST_NAME)}, {choice.images:,} images"
    sampled = choice.silhouette_images if choice.silhouette_images < choice.images else None
    return draw_cluster_numbers(
        choice.numbers, choice.inertia, choice.silhouette, choice.by_elbow, choice.by_silhouette, taken, title, sampled
    )


def filters_figure(
    maker: FilterMaker, vectors: Vectors, image: Callable[[Sample], NDArray[np.uint8]], seed: int
) -> Figure:
    """The first filters of an extractor, and what each answers to in images of several classes.

    Args:
        maker: of the vectors.
        vectors: of the images.
        image: the picture of a sample.
        seed: of the choice of images.
    """
    names, kernels = maker.first_filters()
    chosen = by_turns(vectors.labels.tolist(), seed)[:MOST_IMAGES]
    images = np.stack([image(vectors.samples[row]) for row in chosen])
    title = shortened(maker.name[:1].upper() + maker.name[1:], LONGEST_NAME)
    return draw_filter_bank(names[:MOST_FILTERS], kernels[..., :MOST_FILTERS], images, plain(title))


def nearest_to_centres(vectors: FloatBatch, clusters: Labels, count: int, most: int = SHOWN) -> list[Labels]:
    """The images nearest to the mean of each of the first clusters, nearest first.

    Args:
        vectors: float32 (n, dimension).
        clusters: (n,) clusters from 0, or `NOISE`.
        count: images of each cluster, at most.
        most: clusters.
    """
    found = []
    for number in range(min(int(clusters.max()) + 1, most)):
        members = np.flatnonzero(clusters == number)
        own = vectors[members]
        distances = np.linalg.norm(own - own.mean(axis=0, dtype=np.float64).astype(np.float32), axis=1)
        found.append(members[np.argsort(distances, kind="stable")[:count]])
    return found


def _nearest_figure(
    outcome: Outcome, vectors: Vectors, image: Callable[[Sample], NDArray[np.uint8]], title: str
) -> Figure:
    found = outcome.first.found
    lines = []
    for number, members in enumerate(nearest_to_centres(vectors.array, outcome.first.clusters, NEAREST)):
        matched = outcome.matching.get(number)
        name = f"cluster {number}" if matched is None else f"cluster {number}\n{vectors.class_names[matched]}"
        cells = [
            Cell(fit(image(vectors.samples[row])), _caption(vectors.class_names[int(vectors.labels[row])]))
            for row in members
        ]
        lines.append((name, cells))
    if found > SHOWN:
        title += f" ({SHOWN} of {found:,} clusters)"
    return draw_sheet(lines, title)


def _caption(name: str) -> str:
    return shorten(name, 13)
