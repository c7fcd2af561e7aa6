"""What `scratchnet compare-features` does."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipelines.console import console, errors, report_data, table
from pipelines.data.opening import open_data
from pipelines.data.preprocessing import Preprocessing
from pipelines.data.sample import Source
from pipelines.errors import UserError
from pipelines.evaluation.copies import find_copies
from pipelines.evaluation.selection import recorded_part
from pipelines.features.comparison import Images, compare
from pipelines.features.contenders import Contender, open_contenders
from pipelines.features.division import DecodedImages, Division, data_of, divide_images, run_of
from pipelines.features.record import FIGURE_NAME, Comparison
from pipelines.features.showing import HEADINGS, chosen, comparison_figure, described, table_rows
from pipelines.features.vectors import SIZE, Size
from pipelines.figures.saving import save_figure
from pipelines.files import file_in_the_way
from pipelines.lock import WRITING_SECONDS, folder_lock
from pipelines.run import open_model


def run_compare_features(
    model: Path | None,
    data: str | None,
    *,
    split: str = "test",
    limit: int | None = None,
    training_images: int = 6000,
    layer: str | None = None,
    seed: int = 0,
    out: Path | None = None,
) -> Path:
    """Compare, print, draw and write.

    Args:
        model: a run's folder or a model file; None for vectors that nobody has trained.
        data: as `open_data` takes it; by default those of the run, or of the run that the model file lies in.
        split: what is evaluated.
        limit: of the evaluated images.
        training_images: that classifiers learn from at most.
        layer: of the model; by default the last one before its class scores.
        seed: of samples, random filters and K-Means.
        out: folder for everything written; `features` in the run's folder, or `runs/features`, by default.

    Returns:
        The folder.

    Raises:
        UserError: the model, the data or the folder cannot be used.
        ModelFileError: the model's file cannot be used.
    """
    folder = results_folder(model, out, "features")
    if model is None and layer is not None:
        raise UserError("--layer chooses a layer of a trained model; name its run or file too")
    size = SIZE if model is None else _size_of(model)
    name, own = data_of(model, data)
    contenders = open_contenders(model, size, layer, seed)
    # other data may have other classes, which vectors do not mind
    source = open_data(name, Preprocessing(*size)) if own is None else own.open_data()
    division = divide_images(source, split, own, most=training_images, limit=limit, seed=seed)
    report_data(name, source, {part: len(samples) for part, samples in division.named(split)}, limit=limit)
    _check_division(division, source.class_names, split)
    recorded_part(source, own, split)  # says what is missing
    images = _decode(source, division, Preprocessing(*size), split)
    rows = compare(contenders, images, seed)
    labels = [[sample.label for sample in part.samples] for part in images]
    seen = None if model is None else find_copies(images[2].contents, run_of(model))
    majority = Counter(labels[0]).most_common(1)[0][0]
    command = ["compare-features", *([] if model is None else [str(model)]), "--data", name, "--split", split]
    command += [] if limit is None else ["--limit", str(limit)]
    command += [] if layer is None else ["--layer", layer]
    command += ["--training-images", str(training_images), "--seed", str(seed), "--out", str(folder)]
    comparison = Comparison(
        data=name,
        split=split,
        model=None if model is None else str(model),
        of_run=own is not None,
        held_back=division.held_back,
        trained_on=None if seen is None else int(seen.sum()),
        size=size,
        seed=seed,
        classes=len(source.class_names),
        images=dict(
            zip(("training", "choosing", "evaluated"), map(len, labels), strict=True),
            whole_training=division.whole_training,
        ),
        majority=source.class_names[majority],
        majority_share=float(np.mean(np.array(labels[2]) == majority)),
        rows=rows,
        command=command,
    )
    _tell(comparison, contenders)
    with folder_lock(folder, WRITING_SECONDS):
        save_figure(comparison_figure(comparison), folder / FIGURE_NAME)
        comparison.write(folder)
    console.print(f"everything is in {folder}: features.json, {FIGURE_NAME}")
    return folder


def results_folder(model: Path | None, out: Path | None, name: str) -> Path:
    """Where results go: `out`, or a folder of this name in the run's folder, or in `runs` where there is no run.

    Raises:
        UserError: it is a file, or below one; or the model is a folder, but no run.
    """
    run = None if model is None else run_of(model)
    folder = out or (Path("runs") if run is None else run.folder) / name
    if file := file_in_the_way(folder):
        raise UserError(f"{file} is a file; choose another --out")
    return folder


def _size_of(model: Path) -> Size:
    made = open_model(model).preprocessing
    if not made:
        raise UserError(
            f"{model} does not say its preprocessing; load it in Python, set preprocessing, and save it again"
        )
    preprocessing = Preprocessing.from_config(made)
    return preprocessing.height, preprocessing.width, preprocessing.channels


def _check_division(division: Division, class_names: Sequence[str], split: str) -> None:
    """Refuse images that teach nothing, or cannot be clustered, before any work."""
    found = {class_names[sample.label] for sample in division.training}
    if len(found) < 2:
        raise UserError(
            f"the {len(division.training):,} training images are all of the class {', '.join(found)}, so there is "
            "nothing to tell apart; raise --training-images, or choose other data"
        )
    if len(division.evaluated) < len(class_names):
        raise UserError(
            f"{len(division.evaluated):,} {split} images are too few for {len(class_names)} clusters, one for each "
            "class; raise --limit, or choose other data"
        )


def _decode(source: Source, division: Division, preprocessing: Preprocessing, split: str) -> Images:
    return Images(*(DecodedImages(source, samples, preprocessing, part) for part, samples in division.named(split)))


def _tell(comparison: Comparison, contenders: list[Contender]) -> None:
    rows = table_rows(comparison)
    console.print(table("", list(HEADINGS), rows))
    for sentence in (*described(comparison), chosen(comparison)):
        console.print(sentence)
    kinds = {contender.kind for contender in contenders}
    if "trained" not in kinds:
        errors.print(
            "a trained net is compared too where its run is named: scratchnet compare-features RUN --data DATA"
        )
    elif "twin" not in kinds:
        errors.print('the Keras twin needs TensorFlow: pip install -e ".[keras]" in the checkout')
