"""The findings of an audit for people: tables in the terminal, figures, and `audit.json`."""

from contextlib import suppress
from pathlib import Path

from rich.markup import escape

from pipelines.console import console, errors, table
from pipelines.curation.audit import Audit
from pipelines.data.errors import DataError
from pipelines.data.sample import Source
from pipelines.figures.classes import draw_class_bars
from pipelines.figures.saving import save_figure
from pipelines.figures.sheets import Cell, draw_groups
from pipelines.files import write_json

SHOWN_BROKEN = 10
# groups in a figure, and images of one group
SHOWN_GROUPS = 12
SHOWN_MEMBERS = 3


def print_audit(found: Audit, title: str) -> None:
    """Print the counts of each class, and what is wrong."""
    columns = ["class", *found.splits]
    rows = [[name, *(f"{count:,}" for count in found.counts[:, label])] for label, name in enumerate(found.class_names)]
    rows.append(["all", *(f"{count:,}" for count in found.counts.sum(axis=1))])
    balances = [found.balance(split) for split in found.splits]
    rows.append(["smallest / largest class", *("" if value is None else f"{value:.2f}" for value in balances)])
    console.print(table(f"{title}: readable images", columns, rows))
    console.print(table("findings", ["", "number"], _findings(found)))
    if found.leaks:
        known = [[f"{leak.split} images in {leak.other}", f"{leak.exact:,}", f"{leak.near:,}"] for leak in found.leaks]
        console.print(table("leaks between splits", ["", "exact copies", "near duplicates only"], known))
    _name("broken", [(sample.name, reason) for sample, reason in found.scan.broken])
    _name("left out", found.scan.unlisted)
    if found.scan.left_out:
        errors.print(f"left out: {'; '.join(map(str, found.scan.left_out))}")


def _name(what: str, entries: list[tuple[str, str]]) -> None:
    for name, reason in entries[:SHOWN_BROKEN]:
        errors.print(f"[yellow]{what}[/] {escape(name)}: {escape(reason)}", markup=True)
    if len(entries) > SHOWN_BROKEN:
        errors.print(f"{what} {len(entries) - SHOWN_BROKEN:,} more; audit.json names them")


def _findings(found: Audit) -> list[list[str]]:
    pairs: list[tuple[str, int | str]] = [
        ("images that are exact copies of others", found.copies),
        *((f"  within {split}", found.within(split)) for split in found.splits if len(found.splits) > 1),
        ("groups of exact copies", len(found.exact)),
        ("  of these with conflicting labels", len(found.conflicting(found.exact))),
        ("groups of near duplicates, by their pixels", len(found.near)),
        ("  of these with conflicting labels", len(found.conflicting(found.near))),
    ]
    unknown = "not looked for"
    pairs += [
        ("blank images", len(found.blank) if found.looked else unknown),
        ("nearly blank images", len(found.faint) if found.looked else unknown),
        ("broken images", len(found.scan.broken)),
        (
            "left out without being looked at",
            len(found.scan.unlisted) + sum(left.number for left in found.scan.left_out),
        ),
        ("sizes", _sizes(found)),
    ]
    return [[name, value if isinstance(value, str) else f"{value:,}"] for name, value in pairs]


def _sizes(found: Audit) -> str:
    shown = [
        f"{width}x{height} {'grey' if channels == 1 else 'colour'}" for (height, width, channels), _ in found.sizes
    ]
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3:,} more" if len(shown) > 3 else "")


def write_audit(found: Audit, source: Source, data_name: str, folder: Path) -> list[Path]:
    """Write `audit.json`, and figures of the classes, of conflicting copies and of near duplicates.

    Figures of an earlier audit that would have nothing to show are taken away.

    Args:
        found: The findings.
        source: Where the images of the figures are read from.
        data_name: How the data are called in the file.
        folder: Made where it is missing.

    Returns:
        What was written.
    """
    bars = folder / "classes.png"
    save_figure(draw_class_bars(found.class_names, dict(zip(found.splits, found.counts, strict=True))), bars)
    conflicting, near = folder / "conflicting_copies.png", folder / "near_duplicates.png"
    written = [bars]
    for path, groups, title in (
        (conflicting, found.conflicting(found.exact), "Equal pixels, different labels"),
        (near, found.near, "Near duplicates, by their pixels"),
    ):
        path.unlink(missing_ok=True)
        cells = [_cells(found, source, _telling(found, group)) for group in _spread(groups)]
        shown = [group for group in cells if group]
        if shown:
            save_figure(draw_groups(shown, f"{title}\n{len(shown)} of {len(groups):,} groups"), path)
            written.append(path)
    # last, so that its figures are there when it is
    write_json(folder / "audit.json", {"data": data_name, **found.to_json()})
    return [*written, folder / "audit.json"]


def _spread(groups: list[list[int]]) -> list[list[int]]:
    # some from all over the dataset
    return [groups[i * len(groups) // min(len(groups), SHOWN_GROUPS)] for i in range(min(len(groups), SHOWN_GROUPS))]


def _telling(found: Audit, group: list[int]) -> list[int]:
    # one of each label and picture before more of the same
    seen: set[tuple[int, bytes]] = set()
    first: list[int] = []
    rest: list[int] = []
    for index in group:
        key = found.samples[index].label, found.scan.looks[index].content
        (rest if key in seen else first).append(index)
        seen.add(key)
    return [*first, *rest][:SHOWN_MEMBERS]


def _cells(found: Audit, source: Source, group: list[int]) -> list[Cell]:
    cells = []
    for index in group:
        sample = found.samples[index]
        split = "" if sample.split == "all" else f"{sample.split}\n"
        # with recorded hashes, this is the first time that the pixels are read
        with suppress(DataError):
            cells.append(Cell(source.read(sample), f"{split}{found.class_names[sample.label]}"))
    return cells
