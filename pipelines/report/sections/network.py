"""The network: a diagram, its layers, and every setting it was trained with."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.report.blocks import Block, Section, Table, Text
from pipelines.report.illustrations import architecture_picture
from pipelines.report.material import RunMaterial
from pipelines.report.sections.processing import alike
from pipelines.report.wording import listed, named, readable, setting


def architecture_section(runs: Sequence[RunMaterial]) -> Section:
    """Each different network once."""
    groups = alike(runs, lambda run: (run.recipe.network, run.recipe.input, run.class_names))
    if len(groups) == 1:
        return Section("Architecture", "architecture", _network(runs[0]))
    parts = [Section(listed([run.label for run in group]), "", _network(group[0])) for group in groups]
    return Section("Architecture", "architecture", [], parts)


def _network(run: RunMaterial) -> list[Block]:
    model = run.network
    total = model.count_params()
    trainable = sum(weight.size for weight in model.trainable_weights)
    fixed = f", of which {total - trainable:,} are statistics that training keeps and no step changes" * (
        total > trainable
    )
    height, width, channels = model.input_shape[1:]
    intro = (
        f"{run.recipe.description}. The network takes {height}x{width}x{channels} numbers and has {total:,} weights"
        f"{fixed}."
    )
    # the recipe says what was asked of each layer; all else is the layer's default
    options = [{key: value for key, value in layer.items() if key != "layer"} for layer in run.recipe.network]
    rows = [["", "Input", "", _shape(model.input_shape), "0"]]
    for number, node in enumerate(model.nodes):
        rows.append(
            [
                str(number + 1),
                type(node.layer).__name__,
                setting(options[number]) if options[number] else "",
                _shape(node.outputs[0].shape),
                f"{node.layer.count_params():,}",
            ]
        )
    rows.append(["", "all", "", "", f"{total:,}"])
    headings = ["", "layer", "options", "output", "parameters"]
    return [
        Text(intro),
        architecture_picture(run),
        Table("The layers, with rows, columns and channels of their output.", headings, rows, words=3),
    ]


def _shape(shape: Sequence[int | None]) -> str:
    return "x".join(str(size) for size in shape[1:])


def hyperparameters_section(runs: Sequence[RunMaterial]) -> Section:
    """Everything a recipe sets, and what the command set, a column for each run."""
    settings = [_settings(run) for run in runs]
    fields = list(dict.fromkeys(field for own in settings for field in own))
    rows = [[field, *(own.get(field, "–") for own in settings)] for field in fields]
    alike_rows = [row for row in rows if len(set(row[1:])) == 1]
    other_rows = [row for row in rows if len(set(row[1:])) > 1]
    blocks: list[Block] = []
    if other_rows:
        headings = ["setting", *(run.label for run in runs)]
        blocks.append(Table("What the runs have set differently.", headings, other_rows, words=len(headings)))
    caption = "What all runs have set alike." if len(runs) > 1 else "All settings of the run."
    blocks.append(Table(caption, ["setting", "value"], [row[:2] for row in alike_rows], words=2))
    return Section("Hyperparameters", "hyperparameters", blocks)


def _settings(run: RunMaterial) -> dict[str, str]:
    config, recipe = run.config, run.recipe.model_dump(mode="json")
    found = {
        "recipe": run.recipe.name,
        "engine": run.engine_name,
        "epochs, at most": str(config["epochs"]),
        "training images, at most": f"{config['limit']:,}" if config["limit"] else "all",
        "seed": str(config["seed"]),
    }
    if changes := config.get("changes"):
        found["changed on the command line"] = ", ".join(map(readable, changes))
    training = {key: value for key, value in recipe["training"].items() if key != "epochs"}
    for name, section in (("training", training), *((key, recipe[key]) for key in ("input", "data", "augmentation"))):
        found |= _flat(name, section)
    return found


def _flat(prefix: str, section: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in section.items():
        name = f"{prefix}: {named(key)}"
        if isinstance(value, dict) and value:
            found |= _flat(name, value)
        else:
            found[name] = readable(setting(value))
    return found
