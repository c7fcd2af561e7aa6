"""A dataset gives the same batches whatever the cache and the threads, and never hangs or hides a broken image."""

import gc
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.data.augmentation import Augmentation
from pipelines.data.dataset import PREFETCH, Dataset
from pipelines.data.errors import DataError
from pipelines.data.preprocessing import Preprocessing
from pipelines.data.sample import LeftOut, Sample

SMALL = Preprocessing(4, 5, 1)
IMAGE_BYTES = 4 * 5
FLIP = Augmentation(horizontal_flip=True)
FULL = Augmentation(
    rotation=15, zoom=0.1, shear=0.2, shift=0.1, crop=0.1, horizontal_flip=True, vertical_flip=True,
    brightness=(0.7, 1.3), contrast=(0.7, 1.3), erasing=0.5,
)  # fmt: skip


class MemorySource:
    """Random images by name; those in `broken` cannot be read."""

    class_names = ("even", "odd")
    skipped: Sequence[tuple[str, str]] = ()
    left_out: Sequence[LeftOut] = ()

    def __init__(self, count: int = 23, broken: Sequence[int] = ()) -> None:
        self.samples = [Sample(str(i), i % 2, "all") for i in range(count)]
        self.broken = {str(i) for i in broken}
        self.reads: Counter[str] = Counter()

    def read(self, sample: Sample) -> np.ndarray:
        self.reads[sample.name] += 1
        if sample.name in self.broken:
            raise DataError(f"{sample.name}: not a readable image")
        return np.random.default_rng(int(sample.name)).integers(0, 256, (4, 5), dtype=np.uint8)


def make(source: MemorySource | None = None, preprocessing: Preprocessing = SMALL, **options: object) -> Dataset:
    source = source or MemorySource()
    return Dataset(source, source.samples, preprocessing, batch_size=5, **options)


def everything(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    batches = list(dataset)
    assert len(batches) == len(dataset)
    return np.concatenate([x for x, _ in batches]), np.concatenate([y for _, y in batches])


def working_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("dataset", "decode"))]


def test_batches_hold_the_scaled_images_and_labels_in_sample_order() -> None:
    source = MemorySource(12)
    dataset = make(source, Preprocessing(4, 5, 1, scale=2.0, offset=-1.0))
    assert [len(y) for _, y in dataset] == [5, 5, 2]
    x, y = everything(dataset)
    assert (x.dtype, x.shape, y.dtype) == (np.float32, (12, 4, 5, 1), np.int64)
    expected = np.stack([source.read(sample) for sample in source.samples])[..., None] * 2.0 - 1.0
    np.testing.assert_array_equal(x, expected)
    np.testing.assert_array_equal(y, dataset.labels)
    assert dataset.class_names == ("even", "odd")


@settings(max_examples=15, deadline=None)
@given(
    cached=st.integers(0, 30), threads=st.integers(1, 4), seed=st.integers(0, 2**32), epoch=st.integers(0, 1000),
    varied=st.booleans(),
)  # fmt: skip
def test_batches_depend_on_neither_cache_nor_threads(
    cached: int, threads: int, seed: int, epoch: int, varied: bool
) -> None:
    reference = make(shuffle=True, augmentation=FULL if varied else None, seed=seed)
    other = make(
        shuffle=True,
        augmentation=FULL if varied else None,
        seed=seed,
        cache_bytes=cached * IMAGE_BYTES,
        threads=threads,
    )
    for dataset in (reference, other):
        dataset.set_epoch(epoch)
    for ours, theirs in zip(everything(other), everything(reference), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_an_epoch_repeats_and_can_be_resumed_and_epochs_differ() -> None:
    dataset = make(shuffle=True, augmentation=FLIP, seed=3)
    epochs = []
    for epoch in range(3):
        dataset.set_epoch(epoch)
        epochs.append(everything(dataset)[0])
    np.testing.assert_array_equal(everything(dataset)[0], epochs[2])
    resumed = make(shuffle=True, augmentation=FLIP, seed=3)
    resumed.set_epoch(1)
    np.testing.assert_array_equal(everything(resumed)[0], epochs[1])
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(everything(make(shuffle=True, augmentation=FLIP, seed=4))[0], epochs[0])


def test_an_iteration_keeps_the_epoch_it_began_with() -> None:
    dataset = make(shuffle=True)
    first = np.concatenate([y for _, y in dataset])
    batches = iter(dataset)
    dataset.set_epoch(1)
    np.testing.assert_array_equal(np.concatenate([y for _, y in batches]), first)


def test_every_sample_comes_exactly_once_per_epoch() -> None:
    dataset = make(shuffle=True, seed=1)
    x, _ = everything(dataset)
    images = sorted(dataset.preprocessing.scaled(dataset.image(i)[None]).tobytes() for i in range(len(dataset.samples)))
    assert sorted(image.tobytes() for image in x) == images


def test_flips_mirror_about_half_of_the_images_and_do_not_depend_on_the_order() -> None:
    plain = everything(make(MemorySource(200)))[0]
    flipped = everything(make(MemorySource(200), augmentation=FLIP))[0]
    mirrored = np.array([np.array_equal(a[:, ::-1], b) for a, b in zip(plain, flipped, strict=True)])
    kept = np.array([np.array_equal(a, b) for a, b in zip(plain, flipped, strict=True)])
    assert (mirrored ^ kept).all()
    assert 70 < mirrored.sum() < 130
    shuffled = everything(make(MemorySource(200), augmentation=FLIP, shuffle=True))[0]
    assert sorted(image.tobytes() for image in shuffled) == sorted(image.tobytes() for image in flipped)


def test_each_image_is_read_once_where_the_cache_holds_it_and_again_each_epoch_where_not() -> None:
    source = MemorySource(10)
    dataset = make(source, cache_bytes=4 * IMAGE_BYTES)
    for _ in range(2):
        everything(dataset)
    assert [source.reads[str(i)] for i in range(10)] == [1] * 4 + [3] * 6


def test_a_single_image_is_the_callers_own() -> None:
    dataset = make(cache_bytes=10 * IMAGE_BYTES)
    for index in (3, 15):  # in the cache, and not
        image = dataset.image(index)
        assert (image.dtype, image.shape) == (np.uint8, (4, 5, 1))
        image[:] = 0
        assert dataset.image(index).any()


@pytest.mark.parametrize("cache_bytes", [0, 7 * IMAGE_BYTES, 2**20])
def test_broken_images_are_left_out_and_listed_in_order(cache_bytes: int) -> None:
    source = MemorySource(80, broken=(0, 41, 5, 79))
    dataset = make(source, cache_bytes=cache_bytes)
    assert dataset.skipped == [(name, "not a readable image") for name in ("0", "5", "41", "79")]
    kept = [i for i in range(80) if str(i) not in source.broken]
    assert [sample.name for sample in dataset.samples] == [str(i) for i in kept]
    np.testing.assert_array_equal(dataset.labels, [i % 2 for i in kept])
    x, _ = everything(dataset)
    for row, index in enumerate(kept):
        expected = source.read(source.samples[index])[..., None]
        np.testing.assert_array_equal(dataset.image(row), expected)
        np.testing.assert_array_equal(x[row], dataset.preprocessing.scaled(expected[None])[0])


def test_a_class_without_a_readable_image_is_an_error_that_names_it() -> None:
    with pytest.raises(DataError, match="class 'odd' has no readable image; 1: not a readable image"):
        make(MemorySource(6, broken=(1, 3, 5)))


def test_progress_counts_up_to_the_total() -> None:
    calls: list[tuple[int, int]] = []
    make(MemorySource(100), progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (100, 100)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert len(calls) > 1


@pytest.mark.parametrize("batches", [0, 1, 3])
def test_leaving_early_ends_the_threads(batches: int) -> None:
    dataset = make(MemorySource(200), cache_bytes=0)
    for count, _ in enumerate(dataset):
        if count >= batches:
            break
    gc.collect()
    assert not working_threads()


def test_only_a_few_batches_are_prepared_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Pool(ThreadPoolExecutor):
        def submit(self, *task: Any, **more: Any) -> Future[Any]:
            asked.append(task)
            return super().submit(*task, **more)

    dataset = make(MemorySource(200), cache_bytes=0)
    monkeypatch.setattr("pipelines.data.dataset.ThreadPoolExecutor", Pool)
    batches = iter(dataset)
    next(batches)
    assert len(asked) == PREFETCH + 1
    next(batches)
    assert len(asked) == PREFETCH + 2
    del batches


def test_a_file_that_breaks_later_is_reported_to_the_consumer() -> None:
    source = MemorySource(20)
    dataset = make(source, cache_bytes=0)
    source.broken.add("12")
    with pytest.raises(DataError, match="12: not a readable image"):
        list(dataset)
    assert not working_threads()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"cache_bytes": -1}, "cache_bytes must be at least 0, got -1"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
    ],
)
def test_arguments_out_of_range_are_refused(options: dict[str, int], message: str) -> None:
    source = MemorySource()
    with pytest.raises(DataError, match=message):
        Dataset(source, source.samples, SMALL, **options)


def test_no_samples_a_strange_label_and_a_negative_epoch_are_refused() -> None:
    source = MemorySource()
    with pytest.raises(DataError, match="no samples"):
        Dataset(source, [], SMALL)
    with pytest.raises(DataError, match="x: label must index the 2 classes, got 2"):
        Dataset(source, [Sample("x", 2, "all")], SMALL)
    with pytest.raises(DataError, match="epoch must be at least 0, got -1"):
        make().set_epoch(-1)
