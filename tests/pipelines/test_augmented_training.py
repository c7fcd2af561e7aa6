"""Both engines train on the same augmented images, and labels stay with them."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import scratchnet as sn
from pipelines.data.augmentation import Augmentation
from pipelines.data.dataset import Batch, Dataset
from pipelines.data.drawn import DrawnFaces
from pipelines.engines import ENGINES, fit
from pipelines.recipe_files import load_recipe

VARIED = Augmentation(rotation=15, zoom=0.1, shear=0.2, horizontal_flip=True, brightness=(0.7, 1.3), erasing=0.3)


class Recorded(Dataset):
    """A dataset that remembers the batches it gave."""

    def __iter__(self) -> Iterator[Batch]:
        self.given: list[Batch] = getattr(self, "given", [])
        for x, y in super().__iter__():
            self.given.append((x.copy(), y.copy()))
            yield x, y


def recorded(augmentation: Augmentation | None, shuffle: bool = True) -> Recorded:
    source = DrawnFaces(42, size=16)
    preprocessing = load_recipe("fer-small").preprocessing.from_config({"height": 16, "width": 16, "channels": 1})
    return Recorded(
        source, source.samples, preprocessing, batch_size=16, shuffle=shuffle, seed=5, augmentation=augmentation
    )


def test_labels_and_order_are_those_without_augmentation() -> None:
    plain, varied = recorded(None), recorded(VARIED)
    for (x, y), (varied_x, varied_y) in zip(plain, varied, strict=True):
        np.testing.assert_array_equal(y, varied_y)
        assert x.shape == varied_x.shape
        assert not np.array_equal(x, varied_x)


# Keras asks TensorFlow's tensors for a copy in NumPy's old way
def test_keras_and_scratchnet_get_the_same_augmented_batches(tiny_recipe: Path) -> None:
    pytest.importorskip("tensorflow")
    recipe = load_recipe(str(tiny_recipe))
    ours, theirs = recorded(VARIED), recorded(VARIED)
    sn.set_random_seed(0)
    model = recipe.build_model(ours.class_names)
    for engine, training in zip(ENGINES, (ours, theirs), strict=True):
        fit(engine, model, training, recorded(None, shuffle=False), 2, [])
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("dataset")]
    assert len(ours.given) == 2 * len(ours)
    assert not np.array_equal(ours.given[0][0], ours.given[len(ours)][0])
    for mine, other in zip(ours.given, theirs.given[: len(ours.given)], strict=True):
        np.testing.assert_array_equal(mine[0], other[0])
        np.testing.assert_array_equal(mine[1], other[1])
