"""A dataset enlarged by varied copies of its training images, written beside the original."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.curation.hashes import perceptual_hash
from pipelines.curation.manifest import Manifest, Row
from pipelines.curation.provenance import refuse_enlarged, write_provenance
from pipelines.data.augmentation import Augmentation, draw
from pipelines.data.content import content_hash
from pipelines.data.decode import decode_image
from pipelines.errors import UserError
from pipelines.files import whole_folder
from pipelines.reading import read_file
from scratchnet.environment import processors

# files that are true of the enlarged dataset as well
KEPT_FILES = ("extraction.json",)
THREADS = min(4, processors())


class Enlarged(NamedTuple):
    """How many images there are: `kept` as they were, `made` anew, out of `varied` training images."""

    kept: int
    made: int
    varied: int


class _Copy(NamedTuple):
    original: Row
    target: Row
    round: int
    number: int  # of the original among the training images


def enlarge(
    folder: Path,
    out: Path,
    times: int,
    augmentation: Augmentation,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Enlarged:
    """Write a dataset anew, with varied copies of its training images; validation and test images stay alone.

    A copy has its original's class, contributor, film, place, labeller and split, and a number of its own. What was
    measured on the original's pixels is left empty, hashes are the copy's. `augmentation.json` says what each copy was
    made of, and how. The dataset appears whole or not at all.

    Args:
        folder: The dataset, which is not changed.
        out: Where the larger one shall be; it must not exist, or be empty.
        times: Copies of each training image.
        augmentation: How they are varied.
        seed: The same seed gives the same pixels.
        progress: Called with (done, total).

    Raises:
        UserError: `folder` is not divided, or was enlarged already; an image cannot be read; or `out` is not free.
        OSError: The files cannot be written; nothing is left of them then.
    """
    manifest = Manifest.read(folder)
    refuse_enlarged(folder, "enlarged again")
    training = [row for row in manifest.labelled() if row.split == "train"]
    if not training:
        raise UserError(f"{folder} has no training images; divide it first: scratchnet dataset split {folder}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is there already; choose another --out")
    copies = _plan(manifest, training, times)
    out = out.resolve()  # which has a name, even if it was called .
    with whole_folder(out) as temporary:
        _copy_files(manifest, temporary)
        rows = _make(folder, temporary, copies, augmentation, seed, progress)
        write_provenance(
            temporary,
            {
                "source": str(folder.resolve()),
                "augmentation": augmentation.model_dump(mode="json"),
                "seed": seed,
                "times": times,
            },
            {copy.target.file: (copy.original.file, copy.round) for copy in copies},
        )
        Manifest(temporary, [*manifest.rows, *rows]).write()
    return Enlarged(len(manifest.rows), len(rows), len(training))


def _plan(manifest: Manifest, training: list[Row], times: int) -> list[_Copy]:
    following = {row.contributor: manifest.next_number(row.contributor) for row in training}
    copies = []
    for turn in range(times):
        for number, row in enumerate(training):
            target = replace(
                row, number=following[row.contributor], score=None, sharpness=None, light=None, sha256=None, phash=None
            )
            following[row.contributor] += 1
            copies.append(_Copy(row, replace(target, file=target.name.file), turn, number))
    return copies


def _copy_files(manifest: Manifest, target: Path) -> None:
    names = [row.file for row in manifest.rows] + [name for name in KEPT_FILES if (manifest.folder / name).exists()]
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(manifest.folder / name, target / name)
        except FileNotFoundError as error:
            raise UserError(
                f"{manifest.folder / name} is missing; see: scratchnet dataset verify {manifest.folder}"
            ) from error


def _make(
    folder: Path,
    target: Path,
    copies: list[_Copy],
    augmentation: Augmentation,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> list[Row]:
    turns = max(copy.round for copy in copies) + 1
    count = len(copies) // turns
    draws = [draw(count, seed, turn) for turn in range(turns)]

    def make(copy: _Copy) -> Row:
        image = decode_image(read_file(folder / copy.original.file), str(folder / copy.original.file))
        batch = image.reshape(1, *image.shape[:2], -1)
        varied = augmentation(batch, draws[copy.round][copy.number : copy.number + 1])[0].reshape(image.shape)
        _write_png(varied, target / copy.target.file)
        return replace(copy.target, sha256=content_hash(varied), phash=perceptual_hash(varied))

    rows = []
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="enlarge")
    try:
        for row in pool.map(make, copies):
            rows.append(row)
            if progress is not None:
                progress(len(rows), len(copies))
    finally:
        pool.shutdown(cancel_futures=True)
    return rows


def _write_png(image: NDArray[np.uint8], path: Path) -> None:
    path.write_bytes(cv2.imencode(".png", image if image.ndim == 2 else image[:, :, ::-1])[1].tobytes())
