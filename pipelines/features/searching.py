"""What `scratchnet search` does."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.console import console, errors, report_data, table
from pipelines.data.opening import open_data
from pipelines.data.parts import limit_samples
from pipelines.errors import UserError
from pipelines.evaluation.selection import choose_samples
from pipelines.features.command import results_folder
from pipelines.features.division import data_of
from pipelines.features.search import FIGURES, Found, Metric, Query, read_query, search
from pipelines.features.vectors import EXTRACTORS, Size, extract, open_maker
from pipelines.figures.found import Match, draw_found
from pipelines.figures.saving import save_figure
from pipelines.files import whole_file, write_json
from pipelines.lock import WRITING_SECONDS, folder_lock
from pipelines.parsing import checked, read_json

FIGURE_NAME, JSON_NAME = "search.png", "search.json"
DRAWN = 48  # images beside each query in the figure


@dataclass(frozen=True)
class Sought:
    """What is asked for.

    Attributes:
        what: makes the vectors; see `open_maker`.
        queries: image files.
        data: as `open_data` takes it; a run's own by default.
        split: of the data; everything by default.
        count: images for each query, at most.
        metric: how vectors are compared.
        layer: of a model.
        size: of the images, where no model says it.
        limit: look through at most so many images.
        seed: of random filters and of the limit's choice.
        out: folder for the figure; `search` in the run's folder, or `runs/search`, by default.
        csv: a file to write.
        json: a file to write.
        print_json: instead of tables.
    """

    what: str
    queries: Sequence[Path]
    data: str | None = None
    split: str | None = None
    count: int = 12
    metric: Metric = "cosine"
    layer: str | None = None
    size: Size | None = None
    limit: int | None = None
    seed: int = 0
    out: Path | None = None
    csv: Path | None = None
    json: Path | None = None
    print_json: bool = False

    def command(self, data: str, folder: Path) -> list[str]:
        """The words after `scratchnet` that make the figure again.

        Args:
            data: the name of the images, which means the same anywhere.
            folder: of the figure.
        """
        words = ["search", self.what]
        for query in self.queries:
            words += ["--query", str(query)]
        words += ["--data", data, "--count", str(self.count), "--metric", self.metric, "--seed", str(self.seed)]
        options = {
            "--split": self.split,
            "--layer": self.layer,
            "--size": None if self.size is None else "x".join(map(str, self.size)),
            "--limit": self.limit,
        }
        for option, value in options.items():
            words += [] if value is None else [option, str(value)]
        return [*words, "--out", str(folder)]


@dataclass(frozen=True)
class Record:
    """How a search's figure was made, as `search.json` holds it.

    Attributes:
        vectors: the name of what made them.
        metric: how they were compared.
        images: how many were looked through.
        command: the words after `scratchnet` that make it again.
    """

    vectors: str
    metric: Metric
    images: int
    command: Sequence[str]

    def write(self, folder: Path) -> None:
        """Write `search.json`, whole or not at all."""
        write_json(folder / JSON_NAME, vars(self))

    @classmethod
    def read(cls, folder: Path) -> "Record | None":
        """What `write` has written to a folder; None if there is no such file.

        Raises:
            UserError: the file is damaged.
        """
        path = folder / JSON_NAME
        if not path.exists():
            return None
        remedy = "run scratchnet search again"
        return checked(read_json(path, remedy), cls, path, remedy)


def run_search(sought: Sought) -> list[list[Found]]:
    """Look for the images most like the queries; print, draw and write what was found.

    Returns:
        The images found for each query.

    Raises:
        UserError: a query, the vectors' maker, the data, the folder or a file to write cannot be used; nothing is
            written then.
        ModelFileError: a model's file cannot be used.
    """
    path = None if sought.what in EXTRACTORS else Path(sought.what)
    folder = results_folder(path, sought.out, "search")
    if sought.json is not None and sought.json.resolve() == (folder / JSON_NAME).resolve():
        raise UserError(f"{sought.json} holds how the figure was made; choose another --json")
    queries = [read_query(query) for query in sought.queries]
    maker = open_maker(sought.what, size=sought.size, layer=sought.layer, seed=sought.seed)
    data, trained = data_of(path, sought.data)
    source = open_data(data, maker.preprocessing) if trained is None else trained.open_data()
    samples, part = choose_samples(source, sought.split or "all", trained)
    if sought.limit is not None:
        samples = limit_samples(samples, sought.limit, sought.seed)
    screen = errors if sought.print_json else console
    report_data(data, source, {part: len(samples)}, limit=sought.limit, screen=screen)
    vectors = extract(maker, source, samples)
    found = search(maker, source, vectors, queries, sought.count, sought.metric)
    record = Record(maker.name, sought.metric, len(vectors.samples), sought.command(data, folder))
    title = f"most similar of {len(vectors.samples):,} images by {maker.name}, {figure_name(sought.metric)}"
    if not sought.print_json:
        _print(queries, found, sought.metric, title)
    _write(sought, queries, found)
    figure = _draw(queries, found, sought.metric, title)
    with folder_lock(folder, WRITING_SECONDS):
        (folder / JSON_NAME).unlink(missing_ok=True)  # it speaks of the figure
        save_figure(figure, folder / FIGURE_NAME)
        record.write(folder)
    errors.print(f"the figure is {folder / FIGURE_NAME}")
    return found


def figure_name(metric: Metric) -> str:
    """What a metric is called in sentences."""
    return f"{metric.capitalize() if metric == 'euclidean' else metric} {FIGURES[metric]}"


def _print(queries: Sequence[Query], found: Sequence[Sequence[Found]], metric: Metric, title: str) -> None:
    console.print(title)
    for query, matches in zip(queries, found, strict=True):
        marked = any(match.copy for match in matches)
        rows = [
            [
                match.sample.name,
                match.class_name,
                *(["the query itself" if match.copy else ""] if marked else []),
                _text(match.figure),
            ]
            for match in matches
        ]
        columns = ["image", "class", *([""] if marked else []), FIGURES[metric]]
        console.print(table(query.name, columns, rows, text=len(columns) - 1))


def _text(figure: float) -> str:
    return f"{figure:.3f}"


def _write(sought: Sought, queries: Sequence[Query], found: Sequence[Sequence[Found]]) -> None:
    content: list[dict[str, Any]] = [
        {"query": query.name, "metric": sought.metric, "found": [match.to_json(sought.metric) for match in matches]}
        for query, matches in zip(queries, found, strict=True)
    ]
    if sought.print_json:
        print(json.dumps(content, indent=2, ensure_ascii=False))
    if sought.json is not None:
        write_json(sought.json, content)
        errors.print(f"written to {sought.json}")
    if sought.csv is not None:
        _write_csv(sought.csv, sought.metric, content)
        errors.print(f"written to {sought.csv}")


def _write_csv(path: Path, metric: Metric, content: Sequence[dict[str, Any]]) -> None:
    # a file name need not be valid UTF-8, but other programs refuse a csv that is not
    with (
        whole_file(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        columns = ["image", "class", FIGURES[metric], "copy_of_query"]
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["query", "rank", *columns])
        for entry in content:
            for rank, match in enumerate(entry["found"], 1):
                writer.writerow([entry["query"], rank, *(_cell(match[column]) for column in columns)])


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.9g}" if isinstance(value, float) else value


def _draw(queries: Sequence[Query], found: Sequence[Sequence[Found]], metric: Metric, title: str) -> Any:
    rows = [
        (
            Path(query.name).name,
            query.pixels,
            [Match(match.pixels, match.class_name, _text(match.figure), match.copy) for match in matches[:DRAWN]],
        )
        for query, matches in zip(queries, found, strict=True)
    ]
    return draw_found(rows, title)
