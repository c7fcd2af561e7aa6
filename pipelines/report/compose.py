"""From run folders to the page on disk."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from pipelines.console import console, progress
from pipelines.files import write_text
from pipelines.report.auditing import audit_of
from pipelines.report.blocks import Section
from pipelines.report.material import RunMaterial, gather
from pipelines.report.page import render_page
from pipelines.report.sections.curves import curves_section
from pipelines.report.sections.data import data_section
from pipelines.report.sections.evaluation import evaluation_section
from pipelines.report.sections.explanations import explanations_section
from pipelines.report.sections.network import architecture_section, hyperparameters_section
from pipelines.report.sections.overview import overview_section
from pipelines.report.sections.processing import processing_section
from pipelines.report.sections.published import published_section
from pipelines.report.sections.reproduction import reproduction_section
from pipelines.report.sections.samples import samples_section
from pipelines.report.sections.side_by_side import side_by_side_section
from pipelines.report.sections.twin import twin_section
from pipelines.report.wording import listed, readable

# in the order of the page
_OF_RUNS: tuple[Callable[[Sequence[RunMaterial]], Section | None], ...] = (
    overview_section,
    data_section,
    processing_section,
    architecture_section,
    hyperparameters_section,
    curves_section,
    evaluation_section,
    samples_section,
    explanations_section,
    published_section,
    side_by_side_section,
    twin_section,
)


def write_report(folders: Sequence[Path], out: Path | None = None, title: str | None = None) -> Path:
    """Write the report of runs as one HTML file, whole or not at all.

    Args:
        folders: of the runs; at least one.
        out: the file; `report.html` in the folder of a single run, or `runs/report.html`, by default.
        title: above the page.

    Returns:
        Where it is.

    Raises:
        UserError: a folder holds no run, something in it is damaged, or the report cannot be written to `out`.
    """
    runs = gather(folders)
    path = out or (folders[0] / "report.html" if len(folders) == 1 else Path("runs/report.html"))
    page = render_page(title or _title(runs), _subtitle(runs), _sections(runs, path))
    write_text(path, page)
    return path


def _sections(runs: Sequence[RunMaterial], out: Path) -> list[Section]:
    for run in runs:  # before anything is drawn, since it takes longest and has a bar of its own
        audit_of(run)
    makers: list[Callable[[], Section | None]] = [
        *(partial(make, runs) for make in _OF_RUNS),
        lambda: reproduction_section(runs, out),
    ]
    sections = []
    with progress("writing the report") as advance:
        for done, make in enumerate(makers, 1):
            sections.append(make())
            advance(done, len(makers))
    return [section for section in sections if section is not None]


def _title(runs: Sequence[RunMaterial]) -> str:
    names = listed(list(dict.fromkeys(run.recipe.name for run in runs)))
    data = listed(list(dict.fromkeys(_data_name(run) for run in runs)))
    return f"{names} on {data}"


def _data_name(run: RunMaterial) -> str:
    name = str(run.config["data"])
    return "drawn faces" if name.startswith("drawn:") else readable(Path(name).name)


def _subtitle(runs: Sequence[RunMaterial]) -> str:
    return f"Report of {listed([f'{run.path} ({run.engine_name})' for run in runs])}"


def run_report(folders: Sequence[Path], out: Path | None, title: str | None) -> None:
    """Write the report and say where it is; arguments as of `write_report`."""
    path = write_report(folders, out, title)
    console.print(f"the report is in {path}, {path.stat().st_size / 2**20:.1f} MB; it opens in any browser, offline")
