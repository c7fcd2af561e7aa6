"""Which evaluated images are copies of training images, and what they are worth."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from said import predictions_from

from pipelines.data.errors import DataError
from pipelines.data.sample import Sample
from pipelines.evaluation.copies import find_copies, judge_copies


class Pictures:
    """A source of one-pixel pictures; None is one that cannot be read."""

    class_names = ("a", "b")
    skipped: Sequence[tuple[str, str]] = ()

    def __init__(self, pictures: dict[str, tuple[int, object]]) -> None:
        self._pixels = {name: pixel for name, (_, pixel) in pictures.items()}
        self.samples = [Sample(name, label, name.split("/")[0]) for name, (label, _) in pictures.items()]

    def read(self, sample: Sample) -> NDArray[np.uint8]:
        if self._pixels[sample.name] is None:
            raise DataError(f"{sample.name}: not a readable image")
        return np.array([[self._pixels[sample.name]]], np.uint8)


PICTURES = {
    "train/1": (0, 10),
    "train/2": (1, 20),
    "train/3": (1, None),
    "train/4": (0, [30, 30, 30]),
    "validation/1": (0, 40),
    "test/1": (0, 10),  # a copy
    "test/2": (0, 20),  # a copy under another label
    "test/3": (1, None),
    "test/4": (1, 30),  # grey, where the training image is coloured
    "test/5": (1, 40),  # a copy of what was not trained on
    "test/6": (1, 50),
}


def test_copies_are_images_with_the_pixels_of_a_training_image_whatever_their_label() -> None:
    source = Pictures(PICTURES)
    tested = [sample for sample in source.samples if sample.split == "test"]
    seen: list[tuple[int, int]] = []
    found = find_copies(source, tested, {f"train/{n}" for n in range(1, 5)}, lambda *done: seen.append(done))
    assert found.tolist() == [True, True, False, False, False, False]
    assert seen[-1] == (10, 10), "the validation image is not even looked at"
    assert find_copies(source, tested, {"train/2"}).tolist() == [False, True, False, False, False, False]


def test_the_accuracy_is_told_with_and_without_copies() -> None:
    said = predictions_from([(0, [0.9, 0.1]), (0, [0.9, 0.1]), (1, [0.9, 0.1]), (1, [0.1, 0.9]), (1, [0.9, 0.1])])
    copies = judge_copies(said, np.array([True, False, False, True, False]))
    assert copies.to_json() == {
        "images": 2, "of": 5, "accuracy": 0.6, "accuracy_without_copies": pytest.approx(1 / 3),
        "accuracy_of_copies": 1.0,
    }  # fmt: skip
    assert str(copies) == (
        "2 of 5 images are, pixel by pixel, copies of training images; "
        "accuracy 0.6000 with them, 0.3333 without them, 1.0000 on them alone"
    )


def test_without_copies_or_with_nothing_else_no_accuracy_is_made_up() -> None:
    said = predictions_from([(0, [0.9, 0.1]), (0, [0.1, 0.9])])
    none = judge_copies(said, np.array([False, False]))
    assert (none.accuracy_without_copies, none.accuracy_of_copies) == (0.5, None)
    assert str(none) == "0 of 2 images are, pixel by pixel, copies of training images"
    every = judge_copies(said, np.array([True, True]))
    assert (every.accuracy_without_copies, every.accuracy_of_copies) == (None, 0.5)
    assert str(every).endswith("; accuracy 0.5000 with them, 0.5000 on them alone")
