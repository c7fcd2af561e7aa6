"""One look at every image of a dataset, of which only some numbers are kept."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pipelines.curation.hashes import perceptual_hash
from pipelines.curation.manifest import Manifest
from pipelines.curation.table import Row
from pipelines.data.content import content_hash
from pipelines.data.errors import DataError
from pipelines.data.sample import LeftOut, Sample, Source
from pipelines.reading import open_regular
from scratchnet.environment import processors

THREADS = min(4, processors())
# images per task: handing out tasks costs nothing, and the bar still moves
CHUNK = 64

T = TypeVar("T")


class Look(NamedTuple):
    """What an image leaves behind: some bytes, whatever its size.

    Attributes:
        content: SHA-256 of the pixels.
        phash: Perceptual hash, as a number.
        size: (height, width, channels).
        spread: Standard deviation of the pixels, the largest of the channels'; None where the pixels were not read.
        constant: Whether all pixels have one colour; None where the pixels were not read.
    """

    content: bytes
    phash: int
    size: tuple[int, int, int]
    spread: float | None
    constant: bool | None


@dataclass(frozen=True)
class Scan:
    """The looks at a dataset's images.

    Attributes:
        class_names: In label order.
        samples: Those that could be read.
        looks: One for each of `samples`.
        broken: (sample, reason) of those that could not.
        unlisted: (name, reason) of entries that the source left out.
        source: to look again.
        left_out: What else the source left out, by kind.
    """

    class_names: tuple[str, ...]
    samples: list[Sample]
    looks: list[Look]
    broken: list[tuple[Sample, str]]
    unlisted: list[tuple[str, str]]
    source: Source = field(repr=False)
    left_out: tuple[LeftOut, ...] = ()


def look_at(pixels: NDArray[np.uint8]) -> Look:
    """Hash and measure one image: uint8, (height, width) grey or (height, width, 3) RGB."""
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    spread = float(cv2.meanStdDev(pixels)[1].max())
    return Look(
        bytes.fromhex(content_hash(pixels)),
        int(perceptual_hash(pixels), 16),
        (height, width, channels),
        spread,
        # a comparison of all pixels settles what rounding leaves open
        spread < 1 and bool((pixels == pixels[0, 0]).all()),
    )


def scan(
    source: Source, *, recorded: Manifest | None = None, progress: Callable[[int, int], None] | None = None
) -> Scan:
    """Read every image once, in threads; at any time only a few are in memory.

    Args:
        source: The dataset.
        recorded: The dataset's manifest, if hashes are to be taken from there; the files then show no more than their
            header, until an audit looks at pairs.
        progress: Called with (done, total) from the calling thread.

    Raises:
        DataError: no image can be read, or an image has no recorded hashes.
    """
    samples = source.samples
    if recorded is None:
        examine: Callable[[Sample], Look] = partial(_read, source)
    else:
        rows = {row.file: row for row in recorded.rows}
        examine = partial(_recall, recorded.folder, {sample.name: _hashes(rows[sample.name]) for sample in samples})
    results = examine_all(samples, examine, progress)
    paired = list(zip(samples, results, strict=True))
    good = [(sample, look) for sample, look in paired if isinstance(look, Look)]
    broken = [(sample, reason) for sample, reason in paired if isinstance(reason, str)]
    if not good:
        raise DataError(
            f"no image can be read; {broken[0][0].name}: {broken[0][1]}" if broken else "there are no images"
        )
    return Scan(
        tuple(source.class_names),
        [sample for sample, _ in good],
        [look for _, look in good],
        broken,
        [*source.skipped],
        source,
        tuple(source.left_out),
    )


def examine_all(
    samples: Sequence[Sample], examine: Callable[[Sample], T], progress: Callable[[int, int], None] | None = None
) -> list[T | str]:
    """Ask something of every sample, in threads; what cannot be read does not stop the others.

    Args:
        samples: Of one source.
        examine: Called with a sample, several at a time; a `DataError` of it is a sample that cannot be read.
        progress: Called with (done, total) from the calling thread.

    Returns:
        For each sample the answer, or the reason why there is none.
    """
    results: list[T | str] = [""] * len(samples)
    done = 0
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="scan")
    try:
        chunks = [range(i, min(i + CHUNK, len(samples))) for i in range(0, len(samples), CHUNK)]
        tasks = {pool.submit(_examine, examine, samples, chunk): chunk for chunk in chunks}
        for task in as_completed(tasks):
            chunk = tasks[task]
            results[chunk.start : chunk.stop] = task.result()
            done += len(chunk)
            if progress is not None:
                progress(done, len(samples))
    finally:
        pool.shutdown(cancel_futures=True)
    return results


def _examine(examine: Callable[[Sample], T], samples: Sequence[Sample], rows: range) -> list[T | str]:
    results: list[T | str] = []
    for row in rows:
        try:
            results.append(examine(samples[row]))
        except DataError as error:
            results.append(str(error).removeprefix(f"{samples[row].name}: "))
    return results


def _read(source: Source, sample: Sample) -> Look:
    return look_at(source.read(sample))


def _hashes(row: Row) -> tuple[bytes, int]:
    if row.sha256 is None or row.phash is None:
        raise DataError(f"the manifest has no hashes of {row.file}; audit without --recorded")
    return bytes.fromhex(row.sha256), int(row.phash, 16)


def _recall(folder: Path, hashes: Mapping[str, tuple[bytes, int]], sample: Sample) -> Look:
    try:
        with open_regular(folder / sample.name) as file, Image.open(file) as image:
            size = (image.height, image.width, len(image.getbands()))
    except UnidentifiedImageError as error:
        raise DataError(f"{sample.name}: not a readable image") from error
    except OSError as error:
        raise DataError(f"{sample.name}: cannot be read, {error.strerror or error}") from error
    except (ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{sample.name}: not a readable image ({error})") from error
    return Look(*hashes[sample.name], size, None, None)
