"""Figures that show images: varied copies, predictions, and what the network looks at."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import scratchnet as sn
from pipelines.architecture import describe_architecture
from pipelines.data.errors import DataError
from pipelines.data.sample import Sample
from pipelines.errors import UserError
from pipelines.explaining import explanation_figure, feature_maps_figure, filters_figure
from pipelines.faces import Face, faces_of_source
from pipelines.figures.architecture import MARGIN, draw_architecture
from pipelines.figures.augmented import Original, draw_augmented
from pipelines.figures.volumes import Volumes
from pipelines.report.auditing import broken_names
from pipelines.report.blocks import Block, Picture, Remark, Text
from pipelines.report.material import RunMaterial
from pipelines.report.pictures import embed
from pipelines.report.wording import counted, listed, readable
from scratchnet.explain import convolution_layers

EXPLAINED = 8
STACK_WIDTH = 8.4  # inches, which a page has room for


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


def architecture_picture(run: RunMaterial) -> Picture:
    """The network as volumes if each layer takes what the one before it gives, else as a drawing of its connections."""
    architecture = describe_architecture(run.network)
    if not architecture.is_chain:
        figure = draw_architecture(architecture)
    else:
        drawing = Volumes(architecture.rows, STACK_WIDTH)
        width, height = drawing.width + 2 * MARGIN, drawing.height + 2 * MARGIN
        figure = Figure(figsize=(width, height))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, width), ylim=(0, height))
        axes.set_axis_off()
        drawing.draw(axes, MARGIN, height - MARGIN)
    steps = ", ".join(f"{row.kind} {row.size}" for row in architecture.rows)
    caption = (
        "The network. Faces show rows and columns of feature maps, thickness the number of channels; below stands the "
        "size of what each block gives. Normalisation and dropout are in the table."
    )
    return embed(figure, f"The network from input to output: {steps}", caption)


def explanation_blocks(run: RunMaterial, model: sn.Model) -> list[Block]:
    """Grad-CAM, saliency, filters and feature maps of a run's model, as far as it has such and its images are there."""
    blocks: list[Block] = []
    faces = unseen_faces(run)
    if isinstance(faces, str):
        blocks.append(Remark(f"Grad-CAM, saliency and feature maps need images, which are not there: {faces}."))
    elif convolution_layers(model):
        blocks.append(_explanations(run, model, faces))
    else:
        blocks.append(Remark("Grad-CAM cannot be drawn of this network, which has no convolution with maps."))
    filters = filters_figure(model)
    if filters is None:
        return [*blocks, Text("The network has no convolution, so it has no filters and no feature maps.")]
    caption = "The filters of the first convolution, as training has left them."
    blocks.append(embed(filters, caption, caption, photographs=True))
    maps = None if isinstance(faces, str) else feature_maps_figure(model, faces[0])
    if maps is not None:
        caption = "What the convolutions make of one image: for each layer the liveliest of its maps."
        blocks.append(embed(maps, caption, caption, photographs=True))
    return blocks


def _explanations(run: RunMaterial, model: sn.Model, faces: Sequence[Face]) -> Picture:
    figure = explanation_figure(model, faces, seed=int(run.config["seed"]))
    caption = (
        "Images that were not trained on; over them Grad-CAM, red where much speaks for the class that is given; below "
        "them saliency, bright where a pixel changes the score most."
    )
    names = listed([readable(run.class_names[face.label or 0]) for face in faces])
    return embed(
        figure, f"Grad-CAM and saliency of {counted(len(faces), 'image')}, of {names}", caption, photographs=True
    )


def unseen_faces(run: RunMaterial) -> list[Face] | str:
    """Some images that were not trained on, or why there are none."""
    source = run.data.source
    if source is None:
        return run.data.fault
    try:
        return faces_of_source(
            source, run.data.part("validation"), run.recipe.preprocessing, EXPLAINED, int(run.config["seed"])
        )
    except UserError as error:
        return readable(str(error))
