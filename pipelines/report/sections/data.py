"""What the runs were made of: source, classes, parts, and what an audit finds in them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipelines.figures.classes import draw_class_bars
from pipelines.report.auditing import audit_of, audit_picture
from pipelines.report.blocks import Block, Facts, Remark, Section, Table, Text
from pipelines.report.commands import train_command
from pipelines.report.material import RunMaterial
from pipelines.report.pictures import embed
from pipelines.report.wording import UNKNOWN, counted, listed, percent, readable

SHOWN_BROKEN = 20


def data_section(runs: Sequence[RunMaterial]) -> Section:
    """The data of each run; runs that share data and split share a part of the page."""
    groups: dict[tuple[Any, ...], list[RunMaterial]] = {}
    for run in runs:
        groups.setdefault((run.config["data"], tuple(run.split)), []).append(run)
    if len(groups) == 1:
        return Section("Data", "data", _blocks(runs[0]))
    parts = [Section(listed([run.label for run in group]), "", _blocks(group[0])) for group in groups.values()]
    return Section("Data", "data", [], parts)


def _blocks(run: RunMaterial) -> list[Block]:
    counts = run.counts()
    if not counts:
        return [
            Facts([("source", _source(run))]),
            Remark("Which image was in which part has not been recorded; training the run again records it:",
                   train_command(run)),
        ]  # fmt: skip
    names = run.class_names
    total = {part: sum(numbers) for part, numbers in counts.items()}
    balance = [f"{_balance(numbers)} of {part}" for part, numbers in counts.items()]
    alt = "; ".join(
        f"{part}: " + ", ".join(f"{readable(name)} {n:,}" for name, n in zip(names, numbers, strict=True))
        for part, numbers in counts.items()
    )
    blocks: list[Block] = [
        Facts(
            [
                ("source", _source(run)),
                ("classes", f"{len(names)}: {listed([readable(name) for name in names])}"),
                ("images", ", ".join(f"{number:,} {_purpose(part)}" for part, number in total.items())),
                ("division", _division(run)),
                ("smallest / largest class", listed(balance)),
            ]
        ),
        embed(
            draw_class_bars([readable(name) for name in names], {part: np.array(own) for part, own in counts.items()}),
            f"Bars of the number of images of each class. {alt}",
            "Images of each class by part.",
        ),
    ]
    if "test" not in counts:
        blocks.append(Text("No images were set aside for a test."))
    return [*blocks, *_audit(run)]


def _source(run: RunMaterial) -> str:
    name = str(run.config["data"])
    word, _, numbers = name.partition(":")
    if word == "drawn" and numbers.replace(":", "").isdigit():
        count, _, seed = numbers.partition(":")
        return f"{name}: {int(count):,} faces drawn by the program, seed {seed}"
    return readable(name)


def _purpose(part: str) -> str:
    return {"train": "to train on", "validation": "to validate with", "test": "to test on"}[part]


def _division(run: RunMaterial) -> str:
    data = run.recipe.data
    if run.fold is not None:
        return f"of fold {run.fold}, which stands for all folds; what the fold holds out may be left out here"
    limit = run.config["limit"]
    limited = f"; at most {counted(limit, 'training image')} by choice" if limit else ""
    return (
        f"as the data divide themselves, else by lot, class by class: {percent(data.validation)} for validation, "
        f"{percent(data.test)} for the test; seed {run.config['seed']}{limited}"
    )


def _balance(numbers: Sequence[int]) -> str:
    return f"{min(numbers) / max(numbers):.2f}" if max(numbers) else UNKNOWN


def _audit(run: RunMaterial) -> list[Block]:
    found = audit_of(run)
    if isinstance(found, str):
        return [Remark(found)]
    blocks: list[Block] = [Text(_summary(found)), _findings(found)]
    if found["leaks"]:
        rows = [
            [f"{leak['split']}, also in {leak['other']}", f"{leak['exact']:,}", f"{leak['near']:,}"]
            for leak in found["leaks"]
        ]
        headings = ["", "exact copies", "near duplicates only"]
        blocks.append(Table("Images of one part that another part has as well.", headings, rows))
    blocks += audit_picture(run)
    if run.data.source is None:
        blocks.append(Remark(f"The audit is of an earlier day, and the data are no longer there: {run.data.fault}."))
    elif run.data.missing:
        blocks.append(
            Remark(f"{counted(run.data.missing, 'image')} of the run {_is(run.data.missing)} no longer in the data.")
        )
    return [*blocks, *_broken(found)]


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _summary(found: Mapping[str, Any]) -> str:
    known = [
        counted(leak["exact"] + leak["near"], f"{leak['split']} image")
        for leak in found["leaks"]
        if leak["other"] == "train" and leak["exact"] + leak["near"]
    ]
    if known:
        return (
            "An audit has compared all images by their pixels. Leakage: some that measure are copies or near "
            f"duplicates of some that were trained on: {listed(known)}."
        )
    return (
        "An audit has compared all images by their pixels. None that measures is a copy or a near duplicate of one "
        "trained on."
    )


def _findings(found: Mapping[str, Any]) -> Table:
    within = found["exact_copies_within"]
    conflicts = found["conflicting_groups"]
    rows = [
        ["images that are exact copies of others", f"{found['exact_copies']:,}"],
        *([f"\N{EN DASH} within {part} alone", f"{number:,}"] for part, number in within.items()),
        ["groups of exact copies", f"{len(found['groups']['exact']):,}"],
        ["\N{EN DASH} of these with conflicting labels", f"{conflicts['exact']:,}"],
        ["groups of near duplicates, by their pixels", f"{len(found['groups']['near']):,}"],
        ["\N{EN DASH} of these with conflicting labels", f"{conflicts['near']:,}"],
        ["blank images", f"{len(found['blank']):,}"],
        ["nearly blank images", f"{len(found['nearly_blank']):,}"],
        ["images that cannot be read", f"{len(found['broken']):,}"],
    ]  # fmt: skip
    return Table("What the audit found among the images of the run.", ["", "number"], rows)


def _broken(found: Mapping[str, Any]) -> list[Block]:
    broken = found["broken"]
    if not broken:
        return []
    rows = [[readable(entry["name"]), entry["split"], readable(entry["reason"])] for entry in broken[:SHOWN_BROKEN]]
    more = f"The first {SHOWN_BROKEN} of {len(broken):,} images" if len(broken) > SHOWN_BROKEN else "Images"
    return [Table(f"{more} that cannot be read; they are left out.", ["image", "part", "reason"], rows, words=3)]
