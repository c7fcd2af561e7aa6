"""What happens to an image before the network, and to its output after it."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import scratchnet as sn
from pipelines.data.augmentation import Augmentation
from pipelines.report.blocks import Block, Facts, Remark, Section, Text
from pipelines.report.illustrations import augmentation_picture
from pipelines.report.material import RunMaterial, StudyMaterial
from pipelines.report.wording import listed, readable

Each = TypeVar("Each", bound=RunMaterial | StudyMaterial)


def processing_section(runs: Sequence[RunMaterial]) -> Section:
    """Preprocessing, augmentation and postprocessing of each recipe."""
    groups = alike(runs, lambda run: (run.recipe.input, run.recipe.augmentation, _postprocessing(run)))
    sections = []
    for group in groups:
        name = f" of {listed([run.label for run in group])}" if len(groups) > 1 else ""
        run = group[0]
        sections += [
            Section(f"Preprocessing{name}", "", [Text(_preprocessing(run))]),
            Section(f"Augmentation{name}", "", _augmentation(run)),
            Section(f"Postprocessing{name}", "", [Text(_postprocessing(run))]),
        ]
    return Section("From image to answer", "processing", [], sections)


def alike(runs: Sequence[Each], key: Callable[[Each], object]) -> list[list[Each]]:
    """Runs with equal keys together, in the order of their first."""
    groups: list[tuple[object, list[Each]]] = []
    for run in runs:
        own = key(run)
        group = next((members for other, members in groups if other == own), None)
        if group is None:
            groups.append((own, [run]))
        else:
            group.append(run)
    return [members for _, members in groups]


def _preprocessing(run: RunMaterial) -> str:
    size = run.recipe.input
    colour = "grey" if size.channels == 1 else "red, green and blue"
    shift = f", then {size.offset:+g}" if size.offset else ""
    low, high = size.offset, 255 * size.scale + size.offset
    return (
        f"Each image is decoded to {colour} and stretched to {size.height}x{size.width} pixels, whatever its "
        "proportions: averaged over areas where it shrinks, bilinear where it grows. Its values from 0 to 255 are "
        f"multiplied by {_factor(size.scale)}{shift}, which gives {low:g} to {high:g}. Training, evaluation and "
        "prediction do the same; the settings travel with the model."
    )


def _factor(scale: float) -> str:
    inverse = 1 / scale
    return f"1/{inverse:g}" if abs(inverse - round(inverse, 1)) < 1e-9 else f"{scale:g}"


def _augmentation(run: RunMaterial) -> list[Block]:
    augmentation = run.recipe.augmentation
    if augmentation.changes_nothing:
        return [Text("Training images are not varied.")]
    blocks: list[Block] = [
        Text(
            "Training images are varied anew in each epoch; validation and test images never. What happens to an image "
            "depends on seed, epoch and image alone, so it is the same with either engine. What a turn or a shift "
            "leaves empty is filled by reflection."
        ),
        Facts(_changes(augmentation)),
    ]
    picture = augmentation_picture(run)
    return [*blocks, picture if picture is not None else Remark(f"Samples cannot be shown: {run.data.fault}.")]


def _changes(augmentation: Augmentation) -> list[tuple[str, str]]:
    said = {
        "rotation": f"up to {augmentation.rotation:g} degrees either way",
        "zoom": f"larger or smaller by up to {augmentation.zoom:.0%}",
        "shear": f"rows move sideways by up to {augmentation.shear:g} of their distance from the middle",
        "shift": f"up to {augmentation.shift:.0%} of the size, sideways and up or down",
        "crop": f"a random window, its sides shorter by up to {augmentation.crop:.0%}",
        "horizontal_flip": "half of the images are mirrored left to right",
        "vertical_flip": "half of the images are turned upside down",
        "brightness": "values times {:g} to {:g}".format(*augmentation.brightness),
        "contrast": "distance from the mean times {:g} to {:g}".format(*augmentation.contrast),
        "erasing": (
            f"in {augmentation.erasing:.0%} of the images a rectangle of "
            "{:.0%} to {:.0%} of the area is filled with the mean".format(*augmentation.erasing_area)
        ),
    }
    usual = Augmentation()
    return [
        (name.replace("_", " "), words)
        for name, words in said.items()
        if getattr(augmentation, name) != getattr(usual, name)
    ]


def _postprocessing(run: RunMaterial) -> str:
    names = [readable(name) for name in run.class_names]
    last = _last_activation(run.network)
    units = run.network.output_shape[-1]
    if units == 1:
        return (
            f"The network ends with one {last} unit, whose output p is the probability of {names[1]}; that of "
            f"{names[0]} is 1 - p. The answer is the more probable class, so the threshold is 0.5."
        )
    if last == "softmax":
        return (
            f"The network ends with {units} scores, one for each class. Softmax, exp(score) over the sum of all of "
            "these, turns them into probabilities that add up to 1. The answer is the most probable class (argmax), "
            "the first of equally probable ones; nothing is rejected."
        )
    return (
        f"The network ends with {units} outputs, one for each class, with the activation {last}. The answer is the "
        "class of the largest (argmax); the outputs are no probabilities."
    )


def _last_activation(model: sn.Model) -> str:
    config = model.layers[-1].get_config()
    kind = type(model.layers[-1]).__name__
    return str(config["activation"]) if "activation" in config else kind.lower()
