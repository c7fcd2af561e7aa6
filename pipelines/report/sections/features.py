"""What the images look like as vectors: compared, clustered, searched."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.clustering.saving import JSON_NAME, ClustersFile
from pipelines.clustering.scores import TITLES
from pipelines.features.record import Comparison
from pipelines.features.searching import FIGURE_NAME, Record, figure_name
from pipelines.features.showing import HEADINGS, chosen, comparison_figure, described, table_rows, three_digits
from pipelines.figures.filter_bank import draw_filter_bank
from pipelines.parsing import checked, read_json
from pipelines.report.blocks import Block, Remark, Section, Table, Text
from pipelines.report.commands import shell
from pipelines.report.illustrations import unseen_faces
from pipelines.report.material import RunMaterial
from pipelines.report.pictures import embed, embed_file
from pipelines.report.wording import UNKNOWN, listed, readable
from scratchnet.features import filter_bank

_INTRO = (
    "A vector of numbers in place of an image serves to compare, to cluster and to search. Pixels, fixed and random "
    "filters and histograms of oriented gradients (HOG) need no labels; the trained network's are the results of its "
    "last layer before the class scores."
)
_LOT = "dealt out by lot"
# of several methods, whose table would be too wide with all of them
_FEW_SCORES = ("ari", "nmi", "matched_purity", "silhouette")
# figures of a clustering, by the word in their names
_CLUSTER_FIGURES = {
    "numbers": "How the number of clusters was judged: inertia and silhouette of K-Means.",
    "pca": "The vectors' principal components, coloured by class and by cluster.",
    "tsne": "The vectors in a plane by t-SNE, coloured by class and by cluster. Distances between groups mean little.",
    "umap": "The vectors in a plane by UMAP, coloured by class and by cluster. Distances between groups mean little.",
    "table": "How many images of each class each cluster has.",
    "nearest": "The images nearest to the centre of each cluster, with their classes.",
    "filters": "The filters, and what each responds to.",
}


def features_section(runs: Sequence[RunMaterial]) -> Section:
    """Comparison, clusters and search of each run, as far as they were asked for."""
    blocks: list[Block] = [Text(_INTRO)]
    compared = [run for run in runs if _folder(run, "features").exists()]
    if compared:
        blocks += _filters(compared[0])
    if len(runs) == 1:
        return Section("Features and clusters", "features", [*blocks, *_run(runs[0])])
    return Section("Features and clusters", "features", blocks, [Section(run.label, "", _run(run)) for run in runs])


def feature_commands(run: RunMaterial) -> list[str]:
    """The commands that make the section's figures again, as far as the run has them."""
    lines = []
    comparison = Comparison.read(_folder(run, "features"))
    if comparison is not None:
        lines.append(shell(*comparison.command))
    found = _read_clusters(run)
    if found is not None:
        lines.append(shell(*found["command"]))
    record = Record.read(_folder(run, "search"))
    if record is not None:
        lines.append(shell(*record.command))
    return lines


def _read_clusters(run: RunMaterial) -> Mapping[str, Any] | None:
    path = _folder(run, "clusters") / JSON_NAME
    if not path.exists():
        return None
    remedy = "run scratchnet cluster again"
    content: dict[str, Any] = read_json(path, remedy)
    checked(content, ClustersFile, path, remedy)
    return content


def _folder(run: RunMaterial, name: str) -> Path:
    return run.run.folder / name


def _run(run: RunMaterial) -> list[Block]:
    return [*_comparison(run), *_clusters(run), *_found(run)]


def _filters(run: RunMaterial) -> list[Block]:
    """The fixed filters, and what each answers to in some of the run's images, where these are still there."""
    faces = unseen_faces(run)
    if isinstance(faces, str):
        return []
    images = np.stack([face.image for face in faces])
    bank = filter_bank(images.shape[3])
    caption = (
        "The fixed filters, and what each answers to in some images: red where the answer is positive, which a ReLU "
        "lets through, blue where it is negative."
    )
    alt = f"Weights and answers of {listed(bank.names)}"
    return [embed(draw_filter_bank(bank.names, bank.kernels, images), alt, caption, photographs=True)]


def _comparison(run: RunMaterial) -> list[Block]:
    found = Comparison.read(_folder(run, "features"))
    if found is None:
        said = "What this network's vectors are worth beside those of pixels, filters and HOG is measured by:"
        return [Remark(said, shell("compare-features", run.path))]
    return _compared(found)


def _compared(found: Comparison) -> list[Block]:
    rows = [[readable(cell) for cell in row] for row in table_rows(found)]
    words = [
        f"{row.name}: linear probe {row.linear.mean:.1%}, nearest neighbours {row.neighbours.mean:.1%}"
        for row in found.rows
    ]
    caption = (
        "Accuracy of classifiers on each kind of vectors, agreement of K-Means clusters with the classes, and time per "
        "image. Bars are standard deviations over three seeds."
    )
    return [
        *(Text(readable(sentence)) for sentence in described(found)),
        Table("Vectors of the same images, made in several ways.", HEADINGS, rows),
        Text(readable(chosen(found))),
        embed(comparison_figure(found), f"Vectors beside each other. {'; '.join(words)}", caption),
    ]


def _clusters(run: RunMaterial) -> list[Block]:
    found = _read_clusters(run)
    if found is None:
        said = "Whether clusters of this network's vectors agree with the classes is measured by:"
        return [Remark(said, shell("cluster", run.path))]
    folder = _folder(run, "clusters")
    return [*_scores(found), *_cluster_figures(folder, found)]


def _scores(found: Mapping[str, Any]) -> list[Block]:
    methods = list(found["methods"].values())
    said = (
        f"{found['images']:,} {found['part']} images were clustered by {found['vectors']}, {found['dimension']:,} "
        "numbers each"
    )
    if found["clusters"] is None:
        said += f"; {found['clusters_by']}."
    else:
        others = "; methods that need no number find their own" if len(methods) > 1 else ""
        said += f", into {found['clusters']:,} clusters, {found['clusters_by']}{others}."
    blocks: list[Block] = [Text(readable(said))]
    if found["trained_on"] is None:
        doubt = "It is not known which images the net was trained on: there is leakage if these are among them."
        blocks.append(Remark(doubt))
    elif found["trained_on"]:
        blocks.append(Remark(f"Leakage: {found['trained_on']:,} of these images were trained on."))
    if len(methods) == 1:
        caption = f"Clusters by {methods[0]['title']} beside classes; ± is the standard deviation over the seeds."
        scores = methods[0]["scores"]
        rows = [[title, _score(scores.get(name)), _by_lot(scores.get(name))] for name, title in TITLES.items()]
        return [*blocks, Table(caption, ["score", methods[0]["title"], _LOT], rows)]
    rows = []
    for method in methods:
        own = [method["scores"].get(name) for name in _FEW_SCORES]
        rows.append([method["title"], str(method["clusters"]), *map(_score, own)])
        rows.append([_LOT, "", *map(_by_lot, own)])
    caption = "Clusters beside classes; ± is the standard deviation over the seeds."
    return [*blocks, Table(caption, ["method", "clusters", *(TITLES[name] for name in _FEW_SCORES)], rows)]


def _score(score: Mapping[str, float | None] | None) -> str:
    if score is None or score["mean"] is None:
        return UNKNOWN
    deviation = score["deviation"]
    return three_digits(score["mean"]) + ("" if deviation is None else f" ± {deviation:.3f}")


def _by_lot(score: Mapping[str, float | None] | None) -> str:
    return UNKNOWN if score is None or score["random"] is None else three_digits(score["random"])


def _cluster_figures(folder: Path, found: Mapping[str, Any]) -> list[Block]:
    # of several methods, the figures of the first: they are large
    title, names = "", list(found["figures"])
    for method in list(found["methods"].values())[:1]:
        title, names = method["title"], [*names, *method["figures"]]
    pictures: list[Block] = []
    for name in names:
        kind = Path(name).name.removeprefix("clusters_").split(".")[0].split("_")[0]
        # a name in a file is no reason to read elsewhere
        path = folder / Path(name).name
        if kind in _CLUSTER_FIGURES and path.exists():
            caption = _CLUSTER_FIGURES[kind]
            pictures.append(embed_file(path, f"{title}: {caption}", caption))
    if len(found["methods"]) > 1:
        pictures.append(
            Text(f"These figures are of {title}; those of the other methods are in {readable(str(folder))}.")
        )
    return pictures


def _found(run: RunMaterial) -> list[Block]:
    path = _folder(run, "search") / FIGURE_NAME
    if not path.exists():
        return []
    record = Record.read(path.parent)
    by = ""
    if record is not None:
        by = f" of {record.images:,} by {readable(record.vectors)}, {figure_name(record.metric)}"
    caption = (
        f"Images that were looked for, in blue frames, and the images most like them{by}, the most similar first. In "
        "green frames: the image itself, where it is among those that were looked through."
    )
    return [embed_file(path, f"Found by search. {caption}", caption)]
