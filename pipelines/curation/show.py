"""What a dataset looks like: its classes, its images, how training varies them, and what extraction threw away."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.naming import REJECTED
from pipelines.data.augmentation import Augmentation
from pipelines.data.decode import decode_image
from pipelines.data.errors import DataError
from pipelines.data.sample import SPLITS, Sample, Source
from pipelines.errors import UserError
from pipelines.figures.augmented import Original, draw_augmented, fit
from pipelines.figures.classes import draw_class_bars, draw_class_pies, draw_reason_bars
from pipelines.figures.of_run import count_classes
from pipelines.figures.saving import remove_figures, save_figure
from pipelines.figures.sheets import Cell, draw_sheet
from pipelines.parsing import read_json
from pipelines.reading import read_file

EXTRACTION_NAME = "extraction.json"
SHEET_ROWS, SHEET_COLUMNS = 6, 8
REJECTED_SHOWN = 10


def show_classes(source: Source, folder: Path) -> list[Path]:
    """Draw the classes of each split as bars and as pies.

    Args:
        source: The dataset; its images are not read.
        folder: For `classes.png` and `class_shares.png`.

    Returns:
        What was written.
    """
    parts = {split: [sample for sample in source.samples if sample.split == split] for split in SPLITS}
    counts = {split: count_classes(own, len(source.class_names)) for split, own in parts.items() if own}
    bars, pies = folder / "classes.png", folder / "class_shares.png"
    save_figure(draw_class_bars(source.class_names, counts), bars)
    save_figure(draw_class_pies(source.class_names, counts), pies)
    return [bars, pies]


def show_sheets(
    source: Source, folder: Path, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> list[Path]:
    """Draw a contact sheet of each class, of images chosen by lot; sheets of other classes drawn there before go.

    Args:
        source: The dataset.
        folder: For `sheets/CLASS.png`.
        seed: Another seed, other images.
        progress: Called with (done, total) classes.

    Returns:
        What was written.
    """
    remove_figures(folder / "sheets")
    written = []
    for label, name in enumerate(source.class_names):
        samples = [sample for sample in source.samples if sample.label == label]
        chosen = _readable(source, samples, SHEET_ROWS * SHEET_COLUMNS, seed)
        if chosen:
            cells = [Cell(fit(image)) for image in chosen]
            rows = [("", cells[start : start + SHEET_COLUMNS]) for start in range(0, len(cells), SHEET_COLUMNS)]
            path = folder / "sheets" / f"{_file_name(name)}.png"
            save_figure(draw_sheet(rows, f"{name}: {len(cells)} of {len(samples):,} images"), path)
            written.append(path)
        if progress is not None:
            progress(label + 1, len(source.class_names))
    return written


def show_augmentation(source: Source, augmentation: Augmentation, folder: Path, seed: int = 0) -> list[Path]:
    """Draw an image of each class beside varied copies of it.

    Args:
        source: The dataset.
        augmentation: How the copies are varied.
        folder: For `augmented.png`.
        seed: Another seed, other images and other copies.

    Returns:
        What was written.
    """
    originals = []
    for label, name in enumerate(source.class_names):
        chosen = _readable(source, [sample for sample in source.samples if sample.label == label], 1, seed)
        originals += [Original(name, image, label) for image in chosen]
    path = folder / "augmented.png"
    if not originals:
        path.unlink(missing_ok=True)  # of another dataset
        return []
    save_figure(draw_augmented(originals, augmentation, seed), path)
    return [path]


def show_rejected(dataset: Path, folder: Path) -> list[Path]:
    """Draw which faces extraction threw away, by reason: how many, and some of them.

    Args:
        dataset: With `extraction.json`, or with pictures in `rejected/REASON/`; nothing is drawn without them.
        folder: For `rejected.png` and `rejected_faces.png`.

    Returns:
        What was written.

    Raises:
        UserError: `extraction.json` is damaged.
    """
    counts = _rejected_counts(dataset / EXTRACTION_NAME)
    pictures = {
        inner.name: sorted(inner.glob("*.png")) for inner in sorted((dataset / REJECTED).glob("*")) if inner.is_dir()
    }
    bars, sheet = folder / "rejected.png", folder / "rejected_faces.png"
    for path in (bars, sheet):
        path.unlink(missing_ok=True)  # of another dataset
    written = []
    if counts:
        written.append(bars)
        save_figure(draw_reason_bars(dict(counts.most_common())), bars)
    rows = []
    for reason in sorted(pictures, key=lambda name: (-counts[name], name)):
        images = [image for image in map(_read_picture, _spread(pictures[reason], REJECTED_SHOWN)) if image is not None]
        if images:
            number = counts[reason] or len(pictures[reason])
            rows.append((f"{reason}\n{number:,}", [Cell(fit(image)) for image in images]))
    if rows:
        written.append(sheet)
        save_figure(draw_sheet(rows, "Rejected faces by reason"), sheet)
    return written


def _rejected_counts(path: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    if path.exists():
        try:
            for film in read_json(path)["films"]:
                counts.update({str(reason): int(number) for reason, number in film["rejected"].items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path} is damaged; restore it, or delete it") from error
    return counts


def _readable(source: Source, samples: Sequence[Sample], count: int, seed: int) -> list[NDArray[np.uint8]]:
    # images by lot; broken ones are passed over
    images: list[NDArray[np.uint8]] = []
    for position in np.random.default_rng(seed).permutation(len(samples)):
        if len(images) == count:
            break
        try:
            images.append(source.read(samples[position]))
        except DataError:
            continue
    return images


def _read_picture(path: Path) -> NDArray[np.uint8] | None:
    try:
        return decode_image(read_file(path), path.name)
    except (OSError, DataError):
        return None


def _spread(paths: Sequence[Path], count: int) -> list[Path]:
    return [paths[i * len(paths) // min(len(paths), count)] for i in range(min(len(paths), count))]


def _file_name(class_name: str) -> str:
    # class names of a zip may hold what no file name does
    return "".join(letter if letter.isalnum() or letter in " -_." else "_" for letter in class_name).strip(". ") or "_"
