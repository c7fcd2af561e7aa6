"""Several runs beside one another, and what must be alike for that to mean something."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipelines.evaluation import Predictions, load_predictions
from pipelines.evaluation.paired import compare_paired
from pipelines.evaluation.predictions import predictions_name
from pipelines.report.blocks import Block, Section, Table, Text
from pipelines.report.material import RunMaterial
from pipelines.report.sections.curves import seconds_per_epoch, time_rows
from pipelines.report.wording import UNKNOWN, decimal, duration, percent, percent_interval, readable


def side_by_side_section(runs: Sequence[RunMaterial]) -> Section | None:
    """Figures of several runs in columns; None for a single one."""
    if len(runs) < 2:
        return None
    blocks: list[Block] = [_conditions(runs), _figures(runs)]
    part = _common_part(runs)
    if part is not None:
        blocks += [_classes(runs, part), *_paired(runs, part), *_verdict(runs, part)]
    return Section("Side by side", "side-by-side", blocks)


def _network(run: RunMaterial) -> object:
    return run.recipe.network, run.recipe.input, run.class_names


# what must be equal for runs to be comparable
_CHECKS: dict[str, Callable[[RunMaterial], object]] = {
    "same division of the same images": lambda run: (run.config["data"], list(run.split)),
    "same network": _network,
    "same training settings": lambda run: (run.recipe.training, run.recipe.augmentation, run.config["epochs"]),
    "same initial weights (seed and network)": lambda run: (run.config["seed"], _network(run)),
    "same order of images (seed and division)": lambda run: (run.config["seed"], run.config["data"], list(run.split)),
}


def _conditions(runs: Sequence[RunMaterial]) -> Table:
    rows = [
        [name, UNKNOWN, *("yes" if key(run) == key(runs[0]) else "no" for run in runs[1:])]
        for name, key in _CHECKS.items()
    ]
    rows.insert(0, ["engine", *(run.engine_name for run in runs)])
    headings = ["compared with the first", *(run.label for run in runs)]
    return Table("Whether the runs may be compared.", headings, rows, words=len(headings))


def _figures(runs: Sequence[RunMaterial]) -> Table:
    rows: list[list[str]] = []
    for part in ("test", "validation"):
        measured = [run.measured(part) for run in runs]
        if any(measured):
            rows += [
                [f"{part} accuracy", *(percent(own["accuracy"]) if own else UNKNOWN for own in measured)],
                [f"{part} accuracy, 95% interval", *(_interval(own) for own in measured)],
                [f"{part} macro F1", *(decimal(own["macro_f1"]) if own else UNKNOWN for own in measured)],
                [f"{part} images", *(f"{own['images']:,}" if own else UNKNOWN for own in measured)],
            ]
    rows += [
        ["parameters", *(f"{run.network.count_params():,}" for run in runs)],
        ["epochs", *(str(run.epochs) for run in runs)],
        ["epoch that was kept", *(str(run.best_epoch or UNKNOWN) for run in runs)],
        *time_rows(runs),
    ]
    return Table("The runs beside one another.", ["figure", *(run.label for run in runs)], rows)


def _interval(figures: Mapping[str, Any] | None) -> str:
    return percent_interval((figures or {}).get("intervals", {}).get("accuracy"))


def _common_part(runs: Sequence[RunMaterial]) -> str | None:
    return next((part for part in ("test", "validation") if all(run.measured(part) for run in runs)), None)


def _classes(runs: Sequence[RunMaterial], part: str) -> Table:
    measured = [run.measured(part) or {} for run in runs]
    names = dict.fromkeys(name for own in measured for name in own["per_class"])
    rows = [
        [readable(name), *(decimal(own["per_class"].get(name, {}).get("f1")) for own in measured)] for name in names
    ]
    return Table(f"F1 of each class on {part} images.", ["class", *(run.label for run in runs)], rows)


def _paired(runs: Sequence[RunMaterial], part: str) -> list[Block]:
    """Each run against the first, image by image."""
    said = [_predictions(run, part) for run in runs]
    rows, grouped = [], False
    for run, own in zip(runs[1:], said[1:], strict=True):
        same = run.config["data"] == runs[0].config["data"]
        found = compare_paired(said[0], own) if same and said[0] is not None and own is not None else None
        if found is None:
            rows.append([run.label, *[UNKNOWN] * 5])
            continue
        grouped |= found.groups is not None
        lower, upper = (f"{100 * end:+.1f}" for end in found.interval)
        p_value = f"{found.p_value:.3f}" if found.p_value >= 0.001 else "under 0.001"
        alone = [f"{found.first_only:,}", f"{found.second_only:,}"]
        rows.append([run.label, *alone, f"{100 * found.difference:+.1f} points", f"{lower} to {upper}", p_value])
    if all(row[1] == UNKNOWN for row in rows):
        return [
            Text(
                f"The runs cannot be compared image by image: that needs what each said of the same {part} images of "
                "the same data, which scratchnet evaluate keeps."
            )
        ]
    over = "groups of images that belong together, such as scenes" if grouped else "images"
    caption = (
        f"Each run against {runs[0].label} on the same {part} images: how many one alone names rightly, the difference "
        f"in accuracy with its 95% interval by bootstrap over {over}, and the p-value of McNemar's exact test"
        f"{', in which each group counts once' if grouped else ''}: how likely so uneven numbers are if both are as "
        "good."
    )
    headings = ["run", "right in the first alone", "right in this alone", "difference", "95% interval", "p"]
    return [Table(caption, headings, rows)]


def _predictions(run: RunMaterial, part: str) -> Predictions | None:
    # older runs have kept none
    return load_predictions(run.run, part) if (run.run.folder / predictions_name(part)).exists() else None


def _verdict(runs: Sequence[RunMaterial], part: str) -> list[Block]:
    if len(runs) != 2 or runs[0].engine == runs[1].engine:
        return []
    if any(key(runs[0]) != key(runs[1]) for key in _CHECKS.values()):
        return [Text("The engines cannot be judged by these two runs, which differ in more than their engine.")]
    first, second = ((run.measured(part) or {})["accuracy"] for run in runs)
    apart = 100 * abs(first - second)
    faster, slower = sorted(runs, key=seconds_per_epoch)
    times = [seconds_per_epoch(faster), seconds_per_epoch(slower)]
    return [
        Text(
            f"On {part} images the two engines are {apart:.1f} points apart. Both see the same batches from the same "
            "initial weights; they part through rounding, which training magnifies, and through dropout, whose masks "
            f"each draws for itself. An epoch of {faster.label} took {duration(times[0])}, one of {slower.label} "
            f"{duration(times[1])}, {times[1] / max(times[0], 0.01):.2f} times as long, with whatever else ran "
            "meanwhile."
        )
    ]
