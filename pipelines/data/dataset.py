"""Samples to batches: decoded once, shuffled reproducibly, prepared ahead of the consumer."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipelines.data.augmentation import Augmentation, Draws, draw
from pipelines.data.content import content_hash
from pipelines.data.errors import DataError
from pipelines.data.preprocessing import Preprocessing
from pipelines.data.sample import Sample, Source
from scratchnet.environment import processors

Batch: TypeAlias = tuple[NDArray[np.float32], NDArray[np.int64]]

# samples per task while decoding: large enough that handing out tasks costs nothing, small enough for a smooth bar
DECODE_CHUNK = 32
# batches in preparation while the consumer works on one
PREFETCH = 2
# entropy of the order's stream of random numbers for one seed and epoch; those of the augmentation are others
_ORDER = 0


class Dataset:
    """Re-iterable batches `(x, y)` of the samples: x float32 (n, height, width, channels), y int64 (n,).

    Every image is decoded once when the dataset is made, so that broken ones are known before any training: they are
    left out of `samples` and `labels` and listed in `skipped`. What fits in `cache_bytes` stays in memory, the rest is
    read again in each epoch. The batches depend on the samples, `seed` and the epoch alone, not on cache or threads.

    Args:
        source: Where the samples are read from.
        samples: Which of its samples, in order.
        preprocessing: Size, colour and number range of x.
        batch_size: Samples per batch; the last batch may have fewer.
        shuffle: Whether each epoch has its own order.
        seed: For the order and the augmentation.
        augmentation: How images are varied, anew in each epoch; not at all if left out.
        cache_bytes: Memory for decoded images.
        progress: Called with (done, total) while the images are decoded, from the calling thread.
        threads: Threads for reading and decoding; the number of processors, at most 4, if left out.

    Attributes:
        class_names: The source's classes in label order.
        preprocessing: As given.
        samples: The readable samples, in the order given.
        labels: int64 (samples,), their labels.
        contents: The `content_hash` of each as preprocessed, which is all that a network sees of it: images are
            copies of each other if it is equal, whatever files they are in.
        skipped: (name, reason) of each sample that cannot be read.

    Raises:
        DataError: An argument is out of range, there are no samples, or a class has samples but no readable one.
    """

    def __init__(
        self,
        source: Source,
        samples: Sequence[Sample],
        preprocessing: Preprocessing,
        *,
        batch_size: int = 64,
        shuffle: bool = False,
        seed: int = 0,
        augmentation: Augmentation | None = None,
        cache_bytes: int = 512 * 2**20,
        progress: Callable[[int, int], None] | None = None,
        threads: int | None = None,
    ) -> None:
        """Decode every sample once, keeping what fits in the cache."""
        threads = min(4, processors()) if threads is None else threads
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("seed", seed, 0),
            ("cache_bytes", cache_bytes, 0),
            ("threads", threads, 1),
        ):
            if value < least:
                raise DataError(f"{name} must be at least {least}, got {value}")
        self.class_names = tuple(source.class_names)
        self.preprocessing = preprocessing
        self.batch_size = batch_size
        self._source = source
        self._shuffle, self._seed, self._epoch = shuffle, seed, 0
        self._augmentation = augmentation if augmentation and not augmentation.changes_nothing else None
        self._threads = threads
        self._check_labels(samples)

        shape = (preprocessing.height, preprocessing.width, preprocessing.channels)
        capacity = min(len(samples), cache_bytes // int(np.prod(shape)))
        # untouched pages take no memory, so room for samples that turn out to be broken is free
        self._cache = np.empty((capacity, *shape), np.uint8)
        contents = [""] * len(samples)
        reasons = self._decode_all(samples, contents, progress)
        self.skipped = [(samples[row].name, reasons[row]) for row in sorted(reasons)]
        # the cache row of each readable sample; rows from `capacity` on are not in the cache
        self._rows = np.array([row for row in range(len(samples)) if row not in reasons], np.int64)
        self.samples = tuple(samples[row] for row in self._rows)
        self.labels = np.array([sample.label for sample in self.samples], np.int64)
        self.contents = tuple(contents[row] for row in self._rows)
        self._check_classes(samples)

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return -(-len(self.samples) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """The batches of the epoch chosen by `set_epoch`; `DataError` if a file has become unreadable since."""
        count = len(self.samples)
        order = np.arange(count)
        if self._shuffle:
            order = np.random.default_rng((self._seed, self._epoch, _ORDER)).permutation(count)
        # row n belongs to sample n, wherever the order puts it
        draws = draw(count, self._seed, self._epoch) if self._augmentation else None
        return self._batches([order[i : i + self.batch_size] for i in range(0, count, self.batch_size)], draws)

    def set_epoch(self, epoch: int) -> None:
        """Choose the order and the augmentation of the next iteration; `DataError` if `epoch` is negative."""
        if epoch < 0:
            raise DataError(f"epoch must be at least 0, got {epoch}")
        self._epoch = epoch

    def image(self, index: int) -> NDArray[np.uint8]:
        """The preprocessed image of `samples[index]`, never augmented: uint8 (height, width, channels), a copy."""
        row = int(self._rows[index])
        if row < len(self._cache):
            return np.array(self._cache[row])
        return self.preprocessing(self._source.read(self.samples[index]))

    def _batches(self, groups: list[NDArray[np.int64]], draws: Draws | None) -> Iterator[Batch]:
        pool = ThreadPoolExecutor(min(self._threads, PREFETCH), thread_name_prefix="dataset")
        pending: deque[Future[Batch]] = deque()
        try:
            for group in groups:
                pending.append(pool.submit(self._batch, group, draws))
                if len(pending) > PREFETCH:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            # also reached when the consumer leaves its loop early: the generator is closed then
            pool.shutdown(cancel_futures=True)

    def _batch(self, indices: NDArray[np.int64], draws: Draws | None) -> Batch:
        rows = self._rows[indices]
        cached = rows < len(self._cache)
        images = np.empty((len(indices), *self._cache.shape[1:]), np.uint8)
        images[cached] = self._cache[rows[cached]]
        for position in np.flatnonzero(~cached):
            images[position] = self.image(int(indices[position]))
        if self._augmentation is not None and draws is not None:
            images = self._augmentation(images, draws[indices])
        return self.preprocessing.scaled(images), self.labels[indices]

    def _decode_all(
        self, samples: Sequence[Sample], contents: list[str], progress: Callable[[int, int], None] | None
    ) -> dict[int, str]:
        # fills the cache and the contents; returns the reason for each row that cannot be read
        reasons: dict[int, str] = {}
        done = 0
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="decode")
        try:
            chunks = [range(i, min(i + DECODE_CHUNK, len(samples))) for i in range(0, len(samples), DECODE_CHUNK)]
            tasks = {pool.submit(self._decode, samples, chunk, contents): len(chunk) for chunk in chunks}
            for task in as_completed(tasks):
                reasons |= task.result()
                done += tasks[task]
                if progress is not None:
                    progress(done, len(samples))
        finally:
            pool.shutdown(cancel_futures=True)
        return reasons

    def _decode(self, samples: Sequence[Sample], rows: range, contents: list[str]) -> dict[int, str]:
        reasons = {}
        for row in rows:
            name = samples[row].name
            try:
                image = self.preprocessing(self._source.read(samples[row]))
            except DataError as error:
                reasons[row] = str(error).removeprefix(f"{name}: ")
                continue
            contents[row] = content_hash(image)
            if row < len(self._cache):
                self._cache[row] = image
        return reasons

    def _check_labels(self, samples: Sequence[Sample]) -> None:
        if not samples:
            raise DataError("there are no samples to make a dataset of")
        for sample in samples:
            if not 0 <= sample.label < len(self.class_names):
                raise DataError(
                    f"{sample.name}: label must index the {len(self.class_names)} classes, got {sample.label}"
                )

    def _check_classes(self, samples: Sequence[Sample]) -> None:
        lost = {sample.label for sample in samples} - set(self.labels.tolist())
        if lost:
            label = min(lost)
            first = next(sample.name for sample in samples if sample.label == label)
            reason = dict(self.skipped)[first]
            raise DataError(f"the class {self.class_names[label]!r} has no readable image; {first}: {reason}")
