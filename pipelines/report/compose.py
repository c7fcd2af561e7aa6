"""From run folders to the page on disk."""

from collections.abc import Callable, Sequence
from pathlib import Path

from pipelines.console import console, progress
from pipelines.files import write_text
from pipelines.report.auditing import audit_of
from pipelines.report.blocks import Section
from pipelines.report.material import Material, gather
from pipelines.report.page import render_page
from pipelines.report.sections.crossval import crossval_section
from pipelines.report.sections.curves import curves_section
from pipelines.report.sections.data import data_section
from pipelines.report.sections.evaluation import evaluation_section
from pipelines.report.sections.explanations import explanations_section
from pipelines.report.sections.features import features_section
from pipelines.report.sections.network import architecture_section, hyperparameters_section
from pipelines.report.sections.overview import overview_section
from pipelines.report.sections.processing import processing_section
from pipelines.report.sections.published import published_section
from pipelines.report.sections.reproduction import reproduction_section
from pipelines.report.sections.samples import samples_section
from pipelines.report.sections.side_by_side import side_by_side_section
from pipelines.report.sections.twin import twin_section
from pipelines.report.wording import listed, readable


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
    material = gather(folders)
    path = out or (folders[0] / "report.html" if len(folders) == 1 else Path("runs/report.html"))
    page = render_page(title or _title(material), _subtitle(material), _sections(material, path))
    write_text(path, page)
    return path


def _sections(material: Material, out: Path) -> list[Section]:
    runs, studies, examples = material.runs, material.studies, material.examples
    for run in examples:  # before anything is drawn, since it takes longest
        audit_of(run)
    makers: dict[str, Callable[[], Section | None]] = {
        "overview": lambda: overview_section(runs, studies),
        "data": lambda: data_section(examples),
        "processing": lambda: processing_section(examples),
        "architecture": lambda: architecture_section(examples),
        "hyperparameters": lambda: hyperparameters_section(examples),
        "cross-validation": lambda: crossval_section(studies),
        "curves": lambda: curves_section(runs),
        "evaluation": lambda: evaluation_section(runs),
        "samples": lambda: samples_section(examples),
        "explanations": lambda: explanations_section(examples),
        "features": lambda: features_section(examples),
        "published figures": lambda: published_section(material),
        "side by side": lambda: side_by_side_section(runs),
        "twin": lambda: twin_section(examples),
        "reproduction": lambda: reproduction_section(material, out),
    }
    sections = []
    with progress("writing the report") as advance:
        for done, (name, make) in enumerate(makers.items()):
            advance(done, len(makers), name)
            sections.append(make())
    return [section for section in sections if section is not None]


def _title(material: Material) -> str:
    each = material.everything
    names = listed(list(dict.fromkeys(one.recipe.name for one in each)))
    data = listed(list(dict.fromkeys(_data_name(str(one.config["data"])) for one in each)))
    return f"{names} on {data}"


def _data_name(name: str) -> str:
    return "drawn faces" if name.startswith("drawn:") else readable(Path(name).name)


def _subtitle(material: Material) -> str:
    runs = [f"{run.path} ({run.engine_name})" for run in material.runs]
    studies = [f"{study.path} (cross-validation, {study.engine_name})" for study in material.studies]
    return f"Report of {listed([*runs, *studies])}"


def run_report(folders: Sequence[Path], out: Path | None, title: str | None) -> None:
    """Write the report and say where it is; arguments as of `write_report`."""
    path = write_report(folders, out, title)
    console.print(f"the report is in {path}, {path.stat().st_size / 2**20:.1f} MB; it opens in any browser, offline")
