"""Drawn faces are reproducible, balanced, and neither trivial nor noise."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from pipelines.data.dataset import Dataset
from pipelines.data.drawn import DrawnFaces
from pipelines.data.errors import DataError
from pipelines.data.preprocessing import Preprocessing
from pipelines.data.source import Sample


def by_name(source: DrawnFaces) -> dict[str, np.ndarray]:
    return {sample.name: source.read(sample) for sample in source.samples}


def test_an_image_depends_on_seed_and_index_alone() -> None:
    few, many = by_name(DrawnFaces(10, seed=5)), by_name(DrawnFaces(25, seed=5, test_fraction=0.5))
    for name, image in few.items():
        np.testing.assert_array_equal(image, many[name])
    other = by_name(DrawnFaces(10, seed=6))
    assert all(not np.array_equal(few[name], other[name]) for name in few)
    assert len({image.tobytes() for image in many.values()}) == 25


def test_classes_and_splits_are_balanced() -> None:
    source = DrawnFaces(140, test_fraction=0.25)
    assert source.class_names == ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    for split, count in (("train", 15), ("test", 5)):
        labels = [sample.label for sample in source.samples if sample.split == split]
        assert np.bincount(labels).tolist() == [count] * 7
    assert {sample.split for sample in DrawnFaces(14, test_fraction=0).samples} == {"train"}


@pytest.mark.parametrize(("size", "shape"), [(48, (48, 48)), (24, (24, 24)), (130, (130, 130)), ((40, 64), (40, 64))])
@pytest.mark.parametrize("colour", [False, True])
def test_images_have_the_size_and_colour_asked_for(
    size: int | tuple[int, int], shape: tuple[int, int], colour: bool
) -> None:
    source = DrawnFaces(7, size=size, colour=colour)
    for sample in source.samples:
        image = source.read(sample)
        assert image.dtype == np.uint8
        assert image.shape == ((*shape, 3) if colour else shape)
        assert image.std() > 3


def test_logistic_regression_on_pixels_is_above_chance_and_far_from_solving_them() -> None:
    source = DrawnFaces(1000)
    batches = {}
    for split in ("train", "test"):
        samples = [sample for sample in source.samples if sample.split == split]
        ((x, y),) = Dataset(source, samples, Preprocessing(24, 24, 1), batch_size=len(samples))
        batches[split] = x.reshape(len(x), -1), y
    accuracy = LogisticRegression(C=0.01, max_iter=500).fit(*batches["train"]).score(*batches["test"])
    assert 1.5 / 7 < accuracy < 0.6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "count must be at least 1, got 0"),
        ({"count": 7, "size": 4}, "size must be at least 8 pixels each way, got 4"),
        ({"count": 7, "seed": -1}, "seed must be at least 0, got -1"),
        ({"count": 7, "test_fraction": 1.0}, "test_fraction must be at least 0 and below 1, got 1.0"),
    ],
)
def test_arguments_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        DrawnFaces(**options)


def test_a_sample_of_another_source_is_refused() -> None:
    with pytest.raises(DataError, match="faces/1: not one of the 7 drawn faces"):
        DrawnFaces(7).read(Sample("faces/1", 0, "train"))
