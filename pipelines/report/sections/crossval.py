"""Cross-validations: the folds, their curves, and all held-out images together."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.figures.folds import draw_fold_bars, draw_fold_curves
from pipelines.reading import read_file
from pipelines.report.blocks import Block, Facts, Gallery, Picture, Remark, Section, Table, Text
from pipelines.report.commands import train_command
from pipelines.report.material import StudyMaterial
from pipelines.report.pictures import embed
from pipelines.report.sections.evaluation import figures_of, matrix_pictures
from pipelines.report.sections.overview import caveat
from pipelines.report.wording import UNKNOWN, decimal, duration, listed, percent, readable


def crossval_section(studies: Sequence[StudyMaterial]) -> Section | None:
    """Each cross-validation, and several beside one another; None if there is none."""
    if not studies:
        return None
    if len(studies) == 1:
        return Section("Cross-validation", "crossval", *_study(studies[0]))
    finished = [study for study in studies if study.results is not None]
    parts = [Section(study.label, "", *_study(study)) for study in studies]
    blocks: list[Block] = [_beside(finished)] if len(finished) > 1 else []
    return Section("Cross-validation", "crossval", blocks, parts)


def _study(study: StudyMaterial) -> tuple[list[Block], list[Section]]:
    config = study.config
    facts = [
        (
            "folds",
            f"{config['folds']}, stratified by class"
            + ("; images of one scene stay in one fold" * bool(config["grouped"])),
        ),
        ("what is measured", str(config["protocol"])),
        ("engine", study.engine_name),
    ]
    if study.folds:
        facts.append(("elsewhere on this page", f"{study.folds[min(study.folds)].label} stands for all folds"))
    blocks: list[Block] = [Facts(facts)]
    if study.results is None:
        done = sum(fold.measured("held_out") is not None for fold in study.folds.values())
        said = f"{done} of {config['folds']} folds are done. The same command goes on with the others:"
        return [*blocks, Remark(said, train_command(study))], []
    ends = [f"fold {number} {end}" for number, fold in study.folds.items() if (end := fold.training.get("ended"))]
    blocks += [
        _table(study, study.results),
        *([Text(readable(f"What ended the trainings: {'; '.join(ends)}."))] if ends else []),
        Gallery(_pictures(study, study.results)),
    ]
    pooled = study.results["pooled"]
    together = Section(
        "All held-out images together",
        "",
        [
            Text("Each image is judged by the network of the fold that never saw it."),
            *figures_of(pooled),
            Gallery(matrix_pictures(pooled, "held out")),
        ],
    )
    return blocks, [together]


def _table(study: StudyMaterial, results: Mapping[str, Any]) -> Table:
    published = list(study.recipe.published.folds) if study.recipe.published else []
    rows = [
        [
            f"fold {fold['fold']}", f"{fold['images']:,}", f"{fold['epoch']} of {fold['epochs']}",
            percent(fold["accuracy"]), decimal(fold["macro_f1"]), decimal(fold["loss"]), duration(fold["seconds"]),
        ]
        for fold in results["folds"]
    ]  # fmt: skip
    for name, figures in (("mean", results["mean"]), ("standard deviation", results["standard_deviation"])):
        rows.append(
            [name, "", "", percent(figures["accuracy"]), decimal(figures["macro_f1"]), decimal(figures["loss"]), ""]
        )
    headings = ["", "images", "epoch", "accuracy", "macro F1", "loss", "training"]
    caption = "The held-out images of each fold; the deviation is that over folds, with n - 1."
    if study.recipe.published and published:
        headings.append("published accuracy")
        caption += caveat(study.recipe.published, study.files)
        told = [percent(value) for value in published[: len(results["folds"])]]
        told += [UNKNOWN] * (len(results["folds"]) - len(told))
        mean = sum(published) / len(published)
        for row, value in zip(rows, [*told, percent(mean), ""], strict=True):
            row.append(value)
    return Table(caption, headings, rows)


def _pictures(study: StudyMaterial, results: Mapping[str, Any]) -> list[Picture]:
    published = list(study.recipe.published.folds) if study.recipe.published else []
    mean = sum(published) / len(published) if published else None
    accuracies = [fold["accuracy"] for fold in results["folds"]]
    histories = [study.folds[number].history for number in sorted(study.folds)]
    what = "the held-out fold" if study.config["inner_validation"] is None else "a part of the other folds' images"
    pictures = []
    for name, title, reference in (
        ("accuracy", "Validation accuracy per fold", mean),
        ("loss", "Validation loss per fold", None),
    ):
        if all(history.get(f"val_{name}") for history in histories):
            pictures.append(
                embed(
                    draw_fold_curves(histories, f"val_{name}", title, published=reference),
                    f"{title} against epochs, a line for each fold and a bold one for their mean",
                    f"{title} against epochs, on {what}.",
                )
            )
    bars = draw_fold_bars(accuracies, "Accuracy of the held-out folds", published)
    said = listed([percent(value) for value in accuracies])
    pictures.append(embed(bars, f"Bars of the accuracy of each fold: {said}", "Accuracy of each fold, and the mean."))
    return pictures


def _beside(studies: Sequence[StudyMaterial]) -> Table:
    first = studies[0]
    rows = [
        [
            "same folds of the same images as the first",
            UNKNOWN,
            *(_yes(_same_folds(first, study)) for study in studies[1:]),
        ],
        ["engine", *(study.engine_name for study in studies)],
        ["accuracy, mean ± deviation", *(_spread(study, "accuracy", percent) for study in studies)],
        ["macro F1, mean ± deviation", *(_spread(study, "macro_f1", decimal) for study in studies)],
        ["training of a fold, mean", *(_seconds(study) for study in studies)],
    ]
    return Table("The cross-validations beside one another.", ["", *(study.label for study in studies)], rows)


def _same_folds(one: StudyMaterial, other: StudyMaterial) -> bool:
    paths = [study.files.split_path for study in (one, other)]
    same = all(path.exists() for path in paths) and read_file(paths[0]) == read_file(paths[1])
    return same and one.config["data"] == other.config["data"]


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _spread(study: StudyMaterial, key: str, wording: Any) -> str:
    assert study.results is not None
    return f"{wording(study.results['mean'][key])} ± {wording(study.results['standard_deviation'][key])}"


def _seconds(study: StudyMaterial) -> str:
    assert study.results is not None
    seconds = [fold["seconds"] for fold in study.results["folds"]]
    return duration(sum(seconds) / len(seconds))
