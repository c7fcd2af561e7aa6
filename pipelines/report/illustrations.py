"""Figures that show images: varied copies, predictions, and what the network looks at."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.data.errors import DataError
from pipelines.data.sample import Sample
from pipelines.figures.augmented import Original, draw_augmented
from pipelines.report.auditing import broken_names
from pipelines.report.blocks import Picture
from pipelines.report.material import RunMaterial
from pipelines.report.pictures import embed
from pipelines.report.wording import listed, readable


def augmentation_picture(run: RunMaterial) -> Picture | None:
    """A training image of each class beside the copies that the first epochs see; None if no image can be read."""
    broken = broken_names(run)
    training = [sample for sample in run.data.part("train") if sample.name not in broken]
    originals = []
    for label, name in enumerate(run.class_names):
        found = _first_readable(run, [(row, sample) for row, sample in enumerate(training) if sample.label == label])
        if found is not None:
            originals.append(Original(readable(name), found[1], found[0]))
    if not originals:
        return None
    figure = draw_augmented(
        originals, run.recipe.augmentation, int(run.config["seed"]), title="What the first epochs see", copy="epoch"
    )
    names = listed([original.name for original in originals])
    return embed(
        figure,
        f"A row for each of {names}: a training image, and seven varied copies of it",
        "A training image of each class as the network sees it, and the copies that the first epochs see instead.",
        photographs=True,
    )


def read_image(run: RunMaterial, sample: Sample) -> NDArray[np.uint8] | None:
    """An image as the network sees it, before scaling: uint8 (height, width, channels); None if it cannot be read."""
    assert run.data.source is not None
    try:
        return run.recipe.preprocessing(run.data.source.read(sample))
    except DataError:
        return None


def _first_readable(run: RunMaterial, candidates: Sequence[tuple[int, Sample]]) -> tuple[int, NDArray[np.uint8]] | None:
    for row, sample in candidates:
        image = read_image(run, sample)
        if image is not None:
            return row, image
    return None


def explanation_pictures(run: RunMaterial) -> list[Picture]:
    return []


def architecture_pictures(run: RunMaterial) -> list[Picture]:
    return []
