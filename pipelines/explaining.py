"""What a model is made of, what it has learned, and what it looks at: as figures, and as a folder of files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import scratchnet as sn
from pipelines.architecture import Architecture, describe_architecture
from pipelines.console import console, progress, report_data, table
from pipelines.data.opening import open_data, resolve_name
from pipelines.data.preprocessing import Preprocessing
from pipelines.errors import UserError
from pipelines.faces import Face, faces_of_files, faces_of_source, unseen_samples
from pipelines.figures.architecture import draw_architecture
from pipelines.figures.explanations import Explained, draw_explanations
from pipelines.figures.filters import LayerMaps, draw_feature_maps, draw_filters
from pipelines.figures.saving import is_own, save_figure
from pipelines.figures.sizing import shortened
from pipelines.lock import WRITING_SECONDS, folder_lock
from pipelines.probabilities import class_probabilities, require_finite
from pipelines.run import Run, check_run_model, open_model
from scratchnet import explain, layers
from scratchnet.arrays import FloatArray
from scratchnet.explain.layer_maps import spatial_place
from scratchnet.models.flat import Place, flatten

NAMES = ("architecture.svg", "architecture.png", "filters.png", "feature_maps.png", "grad_cam.png")
SMOOTH = 16  # noisy copies of each image for its saliency
MOST_LAYERS = 10  # in the figure of feature maps


def architecture_figure(model: sn.Model) -> Figure:
    """The layers of a model; see `pipelines.figures.architecture`."""
    return draw_architecture(describe_architecture(model))


def filters_figure(model: sn.Model) -> Figure | None:
    """The filters of a model's first convolution; None if it has none."""
    for call in flatten(model).calls:
        layer = call.layer
        if isinstance(layer, layers.Conv2D):
            return draw_filters(layer.get_weights()[0], call.name)
        if isinstance(layer, layers.DepthwiseConv2D | layers.SeparableConv2D):
            kernel = layer.get_weights()[0]  # each filter sees one channel
            return draw_filters(kernel.reshape(*kernel.shape[:2], 1, -1), call.name)
    return None


def feature_maps_figure(model: sn.Model, face: Face) -> Figure | None:
    """What the convolutions of a model make of an image; None if it has none.

    Args:
        model: with `preprocessing`.
        face: of the size that this makes.
    """
    names = explain.convolution_layers(model)
    if not names:
        return None
    if len(names) > MOST_LAYERS:  # the first, the last, and others evenly in between
        names = [names[round(place)] for place in np.linspace(0, len(names) - 1, MOST_LAYERS)]
    inputs = _inputs(model, [face])
    found = [LayerMaps(name, explain.feature_maps(model, inputs, name)[0]) for name in names]
    return draw_feature_maps(
        face.image, found, f"{model.name}: what its convolutions make of {shortened(face.name, 40)}"
    )


def explanation_figure(model: sn.Model, faces: Sequence[Face], layer: str | None = None, seed: int = 0) -> Figure:
    """Grad-CAM and saliency of images for the class that the model gives each.

    Args:
        model: with `class_names` and `preprocessing`, of one image as input and one row of scores as output.
        faces: at least one, of the size that the preprocessing makes.
        layer: whose maps Grad-CAM looks at; see `scratchnet.explain.grad_cam`.
        seed: of the noise that saliency is the mean over.

    Raises:
        ValueError: the model has no such layer, or no convolution to look at by default, or says what is not finite.
    """
    inputs, names = _inputs(model, faces), model.class_names or ()
    chosen = explain.grad_cam_layer(model) if layer is None else layer
    probabilities = class_probabilities(model.predict(inputs))
    require_finite(probabilities, [face.name for face in faces])
    found = []
    with progress("explaining images") as advance:
        for number, (face, row) in enumerate(zip(faces, probabilities, strict=True)):
            image, label = inputs[number : number + 1], int(row.argmax())
            class_map = explain.grad_cam(model, image, label, chosen)[0]
            changes = explain.saliency(model, image, label, smooth=SMOOTH, seed=seed + number)[0]
            true = None if face.label is None else names[face.label]
            found.append(Explained(face.image, class_map, changes, names[label], float(row[label]), true))
            advance(number + 1, len(faces))
    title = f"{model.name}: what speaks for the class it gives (Grad-CAM on {chosen})"
    return draw_explanations(found, title)


def _inputs(model: sn.Model, faces: Sequence[Face]) -> FloatArray:
    preprocessing = Preprocessing.from_config(model.preprocessing or {})
    return preprocessing.scaled(np.stack([face.image for face in faces]))


def run_explain(
    path: Path, images: Sequence[Path], data: str | None, out: Path | None, count: int, layer: str | None, seed: int
) -> None:
    """What `scratchnet explain` does: the table of layers is printed, and figures are written.

    Args:
        path: a run's folder or a model file.
        images: files to explain; none for images of the data.
        data: as `open_data` takes it; the run's own if left out.
        out: folder for the figures; `explain` in the run's folder, or `runs/explain`, by default.
        count: how many images of the data.
        layer: whose maps Grad-CAM looks at; None for the default.
        seed: of the choice of images, and of noise.

    Raises:
        UserError: the model, the data or the layer cannot be used; nothing is written then.
    """
    folder = out or (path / "explain" if path.is_dir() else Path("runs/explain"))
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; choose another --out")
    others = [name for name in NAMES if (folder / name).suffix == ".png" and (folder / name).exists()]
    if foreign := [name for name in others if not is_own(folder / name)]:
        raise UserError(f"{folder / foreign[0]} is not a figure of this program; choose another --out, or move it")
    model = open_model(path)
    if not model.built:
        raise UserError(f"{path} holds a model without weights; train it, or build it before saving")
    faces = _faces(model, path, images, data, count, seed)
    if layer is not None:
        _check_layer(model, path, layer)
    architecture = describe_architecture(model)
    figures = _figures(model, architecture, faces, layer, seed)
    _print(architecture)
    with folder_lock(folder, WRITING_SECONDS):
        for name in NAMES:
            if name in figures:
                save_figure(figures[name], folder / name)
            else:
                (folder / name).unlink(missing_ok=True)
    if not faces:
        console.print(
            "no images were shown to the model: name image files, or pass --data with labelled images, for "
            "feature_maps.png and grad_cam.png"
        )
    elif "grad_cam.png" not in figures:
        console.print("there is no convolution to look at: name a layer with maps with --layer for grad_cam.png")
    console.print(f"everything is in {folder}: {', '.join(figures)}")


def _check_layer(model: sn.Model, path: Path, layer: str) -> None:
    graph = flatten(model)
    try:
        place = spatial_place(model, graph, layer)
    except ValueError as error:
        raise UserError(f"{path} cannot be explained: {error}") from error
    reached, ahead = set(), [place]
    while ahead:
        reached.add(now := ahead.pop())
        ahead += [Place(taker, index) for taker in graph.takers(now) for index in range(len(graph.calls[taker].shapes))]
    if not reached.intersection(graph.outputs):
        raise UserError(f"{path} cannot be explained: its scores do not depend on layer {layer!r}; choose another")


def _figures(
    model: sn.Model, architecture: Architecture, faces: Sequence[Face], layer: str | None, seed: int
) -> dict[str, Figure]:
    """The figures by the name of their file."""
    drawn = draw_architecture(architecture)
    found: dict[str, Figure | None] = {"architecture.svg": drawn, "architecture.png": drawn}
    found["filters.png"] = filters_figure(model)
    if faces:
        if layer is not None or explain.convolution_layers(model):
            found["grad_cam.png"] = explanation_figure(model, faces, layer, seed)
        found["feature_maps.png"] = feature_maps_figure(model, faces[0])
    return {name: figure for name in NAMES if (figure := found.get(name)) is not None}


def _faces(model: sn.Model, path: Path, images: Sequence[Path], data: str | None, count: int, seed: int) -> list[Face]:
    """The images to show; none if nobody has named any."""
    run = Run(path) if path.is_dir() else None
    if not images and data is None and run is None:
        return []
    if images and data is not None:
        raise UserError("give either image files or --data, not both")
    check_run_model(model, path)
    preprocessing = Preprocessing.from_config(model.preprocessing or {})
    if images:
        return faces_of_files(images, preprocessing)
    own = None if run is None else str(run.config()["data"])
    name = own if data is None else resolve_name(data)
    assert name is not None
    source = open_data(name, preprocessing, model.class_names) if run is None else run.open_data(name)
    samples = unseen_samples(source, run if name == own else None)
    report_data(name, source, {"shown": min(count, len(samples))})
    return faces_of_source(source, samples, preprocessing, count, seed)


def _print(architecture: Architecture) -> None:
    columns = ["layer", "type", "output", "parameters"]
    rows = [
        [row.name, row.kind, row.size, "shared" if row.repeated else f"{row.parameters:,}"] for row in architecture.rows
    ]
    console.print(table(architecture.name, columns, rows))
    console.print(f"{architecture.parameters:,} parameters, {architecture.trainable:,} of them trainable")
