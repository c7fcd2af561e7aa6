"""The network: a diagram, its layers, and every setting it was trained with."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.architecture import LayerRow, describe_architecture
from pipelines.report.blocks import Block, Facts, Groups, Section, Table, Text
from pipelines.report.illustrations import architecture_picture
from pipelines.report.material import RunMaterial
from pipelines.report.sections.processing import alike
from pipelines.report.wording import UNKNOWN, listed, named, readable, setting


def architecture_section(runs: Sequence[RunMaterial]) -> Section:
    """Each different network once."""
    groups = alike(runs, lambda run: (run.recipe.network, run.recipe.input, run.class_names))
    if len(groups) == 1:
        return Section("Architecture", "architecture", _network(runs[0]))
    parts = [Section(listed([run.label for run in group]), "", _network(group[0])) for group in groups]
    return Section("Architecture", "architecture", [], parts)


def _network(run: RunMaterial) -> list[Block]:
    found = describe_architecture(run.network)
    height, width, channels = run.network.input_shape[1:]
    fixed = found.parameters - found.trainable
    statistics = f", of which {fixed:,} are statistics that are kept and not trained" if fixed else ""
    intro = (
        f"{run.recipe.description}. The network takes {height}\N{MULTIPLICATION SIGN}{width}"
        f"\N{MULTIPLICATION SIGN}{channels} numbers and has {found.parameters:,} parameters{statistics}."
    )
    rows = [
        [str(number) if number else "", row.kind, _window(row), row.options, row.size, f"{row.parameters:,}"]
        for number, row in enumerate(found.rows)
    ]
    rows.append(["", "all", "", "", "", f"{found.parameters:,}"])
    headings = ["", "layer", "window", "options", "output", "parameters"]
    caption = "The layers; a window is rows by columns and the step, an output rows by columns by channels."
    return [Text(intro), architecture_picture(run), Table(caption, headings, rows, words=4)]


def _window(row: LayerRow) -> str:
    if row.kernel is None:
        return ""
    step = f", step {row.strides[0]}" if row.strides not in (None, (1, 1)) else ""
    return f"{row.kernel[0]}\N{MULTIPLICATION SIGN}{row.kernel[1]}{step}"


def hyperparameters_section(runs: Sequence[RunMaterial]) -> Section:
    """Everything a recipe sets, and what the command set, a column for each run."""
    settings = [_settings(run) for run in runs]
    fields = list(dict.fromkeys(field for own in settings for field in own))
    differing = [field for field in fields if len({own.get(field) for own in settings}) > 1]
    blocks: list[Block] = []
    if differing:
        rows = [
            [f"{group}: {name}", *(own.get((group, name), UNKNOWN) for own in settings)] for group, name in differing
        ]
        headings = ["setting", *(run.label for run in runs)]
        blocks += [Table("What the runs have set differently.", headings, rows, words=len(headings)),
                   Text("All else they have set alike:")]  # fmt: skip
    groups: dict[str, list[tuple[str, str]]] = {}
    for group, name in fields:
        if (group, name) not in differing:
            groups.setdefault(group, []).append((name, settings[0][group, name]))
    blocks.append(Groups([(group, Facts(entries)) for group, entries in groups.items()]))
    return Section("Hyperparameters", "hyperparameters", blocks)


def _settings(run: RunMaterial) -> dict[tuple[str, str], str]:
    """Each setting by the group it belongs to and its name."""
    config, recipe = run.config, run.recipe.model_dump(mode="json")
    asked = {
        "recipe": run.recipe.name,
        "engine": run.engine_name,
        "epochs, at most": str(config["epochs"]),
        "training images, at most": f"{config['limit']:,}" if config["limit"] else "all",
        "seed": str(config["seed"]),
        "fields changed in the recipe": readable(setting(list(config.get("changes", ())))),
    }
    found = {("run", name): value for name, value in asked.items()}
    training = {key: value for key, value in recipe["training"].items() if key != "epochs"}
    for name, section in (("training", training), *((key, recipe[key]) for key in ("input", "data", "augmentation"))):
        found |= {(name, field): value for field, value in _flat("", section).items()}
    return found


def _flat(prefix: str, section: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in section.items():
        name = f"{prefix}{named(key)}"
        if isinstance(value, dict) and value:
            found |= _flat(f"{name}: ", value)
        else:
            found[name] = readable(setting(value))
    return found
