"""Where the figures come from, and the commands that bring them again."""

from collections.abc import Sequence
from pathlib import Path

from pipelines.report.blocks import Block, Commands, Remark, Section, Table, Text
from pipelines.report.commands import evaluate_command, recipe_has_changed, shell, train_command
from pipelines.report.material import Material, RunMaterial, StudyMaterial
from pipelines.report.sections.features import feature_commands
from pipelines.report.wording import UNKNOWN


def reproduction_section(material: Material, out: Path) -> Section:
    """Versions, machine, seed, and what to type.

    Args:
        material: of the report.
        out: the report's own file.
    """
    return Section(
        "To get it again",
        "again",
        [],
        [
            Section("Commands", "", _commands(material, out)),
            Section("Environment", "", _environment(material.everything)),
        ],
    )


def _commands(material: Material, out: Path) -> list[Block]:
    lines: list[str] = []
    for run in material.runs:
        lines.append(train_command(run))
        for part in ("test", "validation", "train"):
            figures = run.measured(part)
            # training measures its validation images by itself, and need not say of which data they are
            if figures and "data" in figures:
                lines.append(evaluate_command(run, part))
        if run.comparison is not None:
            lines.append(shell("compare", run.path))
        lines += feature_commands(run)
    lines += [train_command(study) for study in material.studies]
    lines.append(shell("report", *(each.path for each in material.everything), "--out", str(out)))
    blocks: list[Block] = [
        Text(
            "These lines, in the folder in which the originals were typed. The same seed gives the same bits with "
            "scratchnet's engine, on any number of threads; Keras's figures vary a little from machine to machine."
        ),
        Commands(lines),
    ]
    for each in material.everything:
        if recipe_has_changed(each):
            blocks.append(
                Remark(
                    f"The recipe of {each.label} has changed since, or is not to be found here; what was trained is "
                    "recorded in its config.json and listed above under Hyperparameters."
                )
            )
    return blocks


def _environment(runs: Sequence[RunMaterial | StudyMaterial]) -> list[Block]:
    environments = [_of(run) for run in runs]
    names = list(dict.fromkeys(name for own in environments for name in own))
    rows = [[name, *(own.get(name, UNKNOWN) for own in environments)] for name in names]
    return [Table("What each run was made with.", ["", *(run.label for run in runs)], rows, words=1 + len(runs))]


def _of(run: RunMaterial | StudyMaterial) -> dict[str, str]:
    recorded = {str(name): str(value) for name, value in run.config.get("versions", {}).items()}
    return {"engine": run.engine_name, "seed": str(run.config["seed"]), **recorded}
