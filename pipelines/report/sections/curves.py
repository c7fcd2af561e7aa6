"""How the trainings went."""

import math
from collections.abc import Sequence
from statistics import median

from pipelines.figures.curves import TITLES, draw_curves
from pipelines.report.blocks import Block, Gallery, Remark, Section, Table
from pipelines.report.commands import train_command
from pipelines.report.material import RunMaterial
from pipelines.report.pictures import embed
from pipelines.report.wording import UNKNOWN, counted, decimal, duration, percent, readable


def curves_section(runs: Sequence[RunMaterial]) -> Section | None:
    """Loss and accuracy against epochs, all runs together, and what each took; None without runs."""
    if not runs:
        return None
    blocks: list[Block] = []
    trained = [run for run in runs if run.epochs]
    if trained:
        blocks += [_pictures(trained), _table(trained)]
    for run in runs:
        if run.best_epoch is not None and not run.epochs:
            said = f"{run.label}: the figures of its epochs have not been kept. Training it again brings them:"
            blocks.append(Remark(said, train_command(run)))
        if run.best_epoch is None:
            blocks.append(
                Remark(
                    f"{run.label}: the training was interrupted after {counted(run.epochs, 'whole epoch')}. The same "
                    "command goes on there:",
                    train_command(run),
                )
            )
    return Section("Learning curves", "curves", blocks)


def _pictures(runs: Sequence[RunMaterial]) -> Gallery:
    histories = {run.label: run.history for run in runs}
    best = {run.label: run.best_epoch for run in runs if run.best_epoch}
    pictures = []
    for name, title in TITLES.items():
        final = "; ".join(f"{run.label}: {_last(run, name)}" for run in runs)
        pictures.append(
            embed(
                draw_curves(histories, name, best),
                f"{title} against epochs, on training and validation images. After the last epoch: {final}",
                f"{title} on training images (dashed, measured while the weights change, with dropout and varied "
                "images) and on validation images (whole); a ring marks the epoch that was kept.",
            )
        )
    return Gallery(pictures)


def _last(run: RunMaterial, name: str) -> str:
    ours, held = run.history.get(name, [math.nan]), run.history.get(f"val_{name}", [math.nan])
    return f"{decimal(ours[-1])} in training, {decimal(held[-1])} in validation"


def _table(runs: Sequence[RunMaterial]) -> Table:
    kept = [(run.best_epoch or run.epochs) - 1 for run in runs]
    rows = [
        ["epochs", *(str(run.epochs) for run in runs)],
        ["epoch that was kept", *(str(run.best_epoch or UNKNOWN) for run in runs)],
    ]
    for key, name, wording in (
        ("loss", "training loss", decimal),
        ("val_loss", "validation loss", decimal),
        ("accuracy", "training accuracy", percent),
        ("val_accuracy", "validation accuracy", percent),
    ):
        rows.append([name, *(wording(_at(run, key, epoch)) for run, epoch in zip(runs, kept, strict=True))])
    rows += [
        ["learning rate at the end", *(_rate(run) for run in runs)],
        *time_rows(runs),
        ["what ended it", *(readable(str(run.training.get("ended") or UNKNOWN)) for run in runs)],
    ]
    caption = "The trainings; losses and accuracies are of the epoch that was kept, or of the last so far."
    return Table(caption, ["figure", *(run.label for run in runs)], rows)


def _rate(run: RunMaterial) -> str:
    rates = run.history.get("learning_rate")
    return f"{rates[-1]:.2g}" if rates else UNKNOWN


def time_rows(runs: Sequence[RunMaterial]) -> list[list[str]]:
    """What the epochs and the compiling took, a cell for each run."""
    return [
        ["time per epoch (median)", *(duration(seconds_per_epoch(run)) for run in runs)],
        ["first epoch", *(duration(_seconds(run)[0]) for run in runs)],
        ["all epochs", *(duration(sum(_seconds(run))) for run in runs)],
        ["compiling kernels, besides", *(_compiling(run) for run in runs)],
    ]


def _compiling(run: RunMaterial) -> str:
    if run.engine == "keras":
        return "traced in the first epoch"
    seconds = run.training.get("compile_seconds")
    return UNKNOWN if seconds is None else duration(seconds)


def seconds_per_epoch(run: RunMaterial) -> float:
    """The median time of an epoch, validation included."""
    return median(_seconds(run))


def _seconds(run: RunMaterial) -> Sequence[float]:
    return run.history.get("seconds") or [math.nan]


def _at(run: RunMaterial, name: str, epoch: int) -> float | None:
    values = run.history.get(name, [])
    return values[epoch] if epoch < len(values) else None
