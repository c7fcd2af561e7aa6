"""What `scratchnet cluster` does."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipelines.clustering.assessing import Outcome, assess
from pipelines.clustering.choice import Choice, Rule, try_numbers
from pipelines.clustering.drawing import (
    FILTERS_NAME,
    NUMBERS_NAME,
    choice_figure,
    embeddings_of,
    filters_figure,
    outcome_figures,
    remove_cluster_figures,
)
from pipelines.clustering.embedding import drawn_rows
from pipelines.clustering.methods import METHODS, check_number, check_vectors
from pipelines.clustering.printing import print_choice, print_outcomes
from pipelines.clustering.saving import CSV_NAME, JSON_NAME, save_clusters
from pipelines.clustering.scores import Silhouette
from pipelines.console import console, errors, progress, report_data
from pipelines.data.opening import open_data
from pipelines.data.parts import limit_samples
from pipelines.data.sample import Sample, Source
from pipelines.engines import Engine
from pipelines.errors import UserError
from pipelines.evaluation.copies import find_copies
from pipelines.evaluation.selection import Recorded, choose_samples, recorded_part
from pipelines.features.command import results_folder
from pipelines.features.division import data_of, run_of
from pipelines.features.filter_vectors import FilterMaker
from pipelines.features.vectors import EXTRACTORS, Size, VectorMaker, Vectors, extract, open_maker
from pipelines.figures.saving import save_figure
from pipelines.lock import WRITING_SECONDS, folder_lock
from pipelines.run import Run

ALL = "all"  # in place of a method's name


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    Attributes:
        what: see `open_maker`.
        data: as `open_data` takes it; a run's own by default.
        split: of the data; by default the test, or everything if no test is set aside.
        method: one of `METHODS`, or `ALL`.
        clusters: how many; None for a rule, or for as many as there are classes.
        choose: the rule that chooses how many.
        eps: of DBSCAN.
        sample: images that a quadratic method sees at most.
        layer: of a model.
        normalize: divide each vector by its length.
        size: of the images, where no model says it.
        engine: what computes the vectors.
        filters: a file of filters to take instead of the fixed ones.
        limit: at most so many images.
        seeds: how many runs.
        seed: the first; and of everything else that is drawn by lot.
        out: folder for everything written; by default `clusters` in the run's folder, or `runs/clusters`.
    """

    what: str
    data: str | None
    split: str | None
    method: str
    clusters: int | None
    choose: Rule | None
    eps: float | None
    sample: int
    layer: str | None
    normalize: bool
    size: Size | None
    engine: Engine
    filters: Path | None
    limit: int | None
    seeds: int
    seed: int
    out: Path | None

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that are asked for."""
        return tuple(METHODS) if self.method == ALL else (self.method,)

    def command(self, data: str, part: str, folder: Path) -> list[str]:
        """The words after `scratchnet` that do the same again.

        Args:
            data: that were opened.
            part: of them that was clustered.
            folder: where everything is written.
        """
        size = None if self.size is None else "x".join(map(str, self.size))
        options = {
            "data": data, "split": part, "method": self.method, "clusters": self.clusters, "choose": self.choose,
            "eps": self.eps, "sample": self.sample, "layer": self.layer, "size": size, "engine": self.engine,
            "filters": self.filters, "limit": self.limit, "seeds": self.seeds, "seed": self.seed, "out": folder,
        }  # fmt: skip
        given = [word for name, value in options.items() if value is not None for word in (f"--{name}", str(value))]
        return ["cluster", self.what, *given, *(["--normalize"] if self.normalize else [])]


def run_cluster(wanted: Wanted) -> None:
    """Make vectors, cluster them, print, draw and write.

    Raises:
        UserError: an option, the vectors' maker, the data or the folder cannot be used; nothing is written then.
    """
    _check_options(wanted)
    path = None if wanted.what in EXTRACTORS else Path(wanted.what)
    folder = results_folder(path, wanted.out, "clusters")
    maker = open_maker(
        wanted.what, size=wanted.size, layer=wanted.layer, normalize=wanted.normalize, seed=wanted.seed,
        engine=wanted.engine, filters=wanted.filters,
    )  # fmt: skip
    data, source, samples, part, recorded = _images(wanted, path, maker)
    vectors = extract(maker, source, samples)
    seen = 0 if path is None else _trained_on(vectors, run_of(path))
    check_vectors(vectors.array)
    classes = len(np.unique(vectors.labels))
    with progress("trying numbers of clusters") as advance:
        choice = try_numbers(vectors.array, classes, wanted.seed, advance)
    number, why = _number(wanted, choice, classes)
    title = f"{maker.name}, {vectors.array.shape[1]:,} numbers, on {len(vectors.labels):,} images ({data}, {part})"
    outcomes, failed = _assess_all(wanted, vectors, number or classes)
    print_choice(choice, number, why)
    print_outcomes(outcomes, title, {METHODS[method].title: reason for method, reason in failed.items()})
    if seen:
        errors.print(f"leakage: {seen:,} of these {len(vectors.labels):,} images were trained on")
    elif seen is None:
        errors.print(f"leakage is unknown: {wanted.what} may have been trained on some of these images")
    figures = _draw(wanted, maker, source, vectors, outcomes, choice, number)
    about = {
        "vectors": maker.name, "what": wanted.what, "data": data, "part": part, "trained_on": seen,
        "recorded": None if recorded is None else recorded.to_json(),
        "normalize": wanted.normalize, "preprocessing": maker.preprocessing.to_config(), "classes": classes,
        "clusters": number, "clusters_by": why, "seed": wanted.seed, "seeds": wanted.seeds, "sample": wanted.sample,
        "seconds_per_image": vectors.seconds_per_image, "failed": failed,
        "command": wanted.command(data, part, folder),
    }  # fmt: skip
    with folder_lock(folder, WRITING_SECONDS):
        remove_cluster_figures(folder)
        (folder / JSON_NAME).unlink(missing_ok=True)  # it speaks of them
        for name, figure in (pair for group in figures.values() for pair in group.items()):
            save_figure(figure, folder / name)
        save_clusters(folder, vectors, outcomes, choice, {group: list(own) for group, own in figures.items()}, about)
    names = [CSV_NAME, JSON_NAME, *(name for group in figures.values() for name in group)]
    console.print(f"everything is in {folder}: {', '.join(names)}")


def _check_options(wanted: Wanted) -> None:
    """Refuse options that contradict each other, before any work."""
    own = METHODS.get(wanted.method)
    if wanted.clusters is not None and wanted.choose is not None:
        raise UserError("--clusters says how many there are, --choose lets a rule say it; give one of them")
    if own is not None and not own.takes_number and (wanted.clusters is not None or wanted.choose is not None):
        raise UserError(f"{own.title} finds the number of clusters itself; leave --clusters and --choose out")
    if wanted.eps is not None and "dbscan" not in wanted.methods:
        raise UserError(f"--eps is the radius of DBSCAN, and {METHODS[wanted.method].title} has none; leave it out")
    if wanted.eps is not None and not (np.isfinite(wanted.eps) and wanted.eps > 0):
        raise UserError(f"--eps must be a positive number, got {wanted.eps}")


def _images(
    wanted: Wanted, model: Path | None, maker: VectorMaker
) -> tuple[str, Source, Sequence[Sample], str, Recorded | None]:
    """The name of the data, their source, the samples, their part, and what a run recorded of it."""
    data, trained = data_of(model, wanted.data)
    # other data may have other classes, which vectors do not mind
    source = open_data(data, maker.preprocessing) if trained is None else trained.open_data()
    samples, part = choose_samples(source, wanted.split, trained)
    if wanted.limit is not None:
        samples = limit_samples(samples, wanted.limit, wanted.seed)
    report_data(data, source, {part: len(samples)}, limit=wanted.limit)
    names = {source.class_names[sample.label] for sample in samples}
    if len(names) < 2:
        raise UserError(
            f"the {len(samples):,} images of {data} ({part}) are all of the class {', '.join(names)}; clusters are "
            "compared with two classes or more"
        )
    if wanted.clusters is not None:
        check_number(wanted.clusters, len(samples))
    return data, source, samples, part, recorded_part(source, trained, part)


def _trained_on(vectors: Vectors, run: Run | None) -> int | None:
    """How many of the images a run was trained on; None where that is not known."""
    seen = find_copies(vectors.contents, run)
    return None if seen is None else int(seen.sum())


def _number(wanted: Wanted, choice: Choice, classes: int) -> tuple[int | None, str]:
    """How many clusters, and who says so; None if no method is told."""
    if not any(METHODS[method].takes_number for method in wanted.methods):
        return None, f"{METHODS[wanted.method].title} finds the number of clusters itself"
    if wanted.choose is not None:
        return choice.best(wanted.choose), f"by the {wanted.choose}"
    if wanted.clusters is not None:
        return wanted.clusters, "as asked for"
    return classes, "as many as classes"


def _assess_all(wanted: Wanted, vectors: Vectors, number: int) -> tuple[list[Outcome], dict[str, str]]:
    """The outcomes, and why other methods gave none; one that gives none does not stop the others."""
    silhouette = Silhouette(vectors.array, wanted.seed)
    outcomes, failed = [], {}
    for method in wanted.methods:
        try:
            with progress(f"clustering by {METHODS[method].title}") as advance:
                outcome = assess(
                    vectors, method, number, seeds=wanted.seeds, seed=wanted.seed, eps=wanted.eps,
                    sample=wanted.sample, silhouette=silhouette, progress=advance,
                )  # fmt: skip
            outcomes.append(outcome)
        except UserError as error:
            if len(wanted.methods) == 1:
                raise
            failed[method] = str(error)
    if not outcomes:
        raise UserError("; ".join(dict.fromkeys(failed.values())))
    return outcomes, failed


def _draw(
    wanted: Wanted,
    maker: VectorMaker,
    source: Source,
    vectors: Vectors,
    outcomes: Sequence[Outcome],
    choice: Choice,
    number: int | None,
) -> dict[str, dict[str, Figure]]:
    """The figures by the name of their file, in groups by method; those of none by "all"."""

    def image(sample: Sample) -> NDArray[np.uint8]:
        return maker.preprocessing(source.read(sample))

    rows = drawn_rows(len(vectors.labels), wanted.seed)
    figures = {ALL: {NUMBERS_NAME: choice_figure(choice, number, maker.name)}}
    if isinstance(maker, FilterMaker):
        figures[ALL][FILTERS_NAME] = filters_figure(maker, vectors, image, wanted.seed)
    with progress("drawing") as advance:
        embeddings = embeddings_of(vectors.array[rows], wanted.seed)
        for done, outcome in enumerate(outcomes, 1):
            figures[outcome.method] = outcome_figures(outcome, vectors, rows, embeddings, image, maker.name)
            advance(done, len(outcomes))
    return figures
