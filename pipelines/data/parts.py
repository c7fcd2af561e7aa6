"""Which samples are trained on, which select, and which only measure."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.data.errors import DataError
from pipelines.data.grouped_split import grouped_split
from pipelines.data.sample import Sample, Source
from pipelines.data.split import limit_per_class, stratified_split


class Parts(NamedTuple):
    """Three disjoint lists of samples; `test` may be empty."""

    train: list[Sample]
    validation: list[Sample]
    test: list[Sample]


def divide(source: Source, validation: float, test: float, seed: int, limit: int | None = None) -> Parts:
    """Divide a source's samples: by its own splits as far as it has them, and for the rest by lot, class by class.

    A source with a training split alone, or with training and test, has its validation part taken from the training
    split. A source without splits is divided in three. Samples of one group are held back together or not at all.

    Args:
        source: where the samples come from.
        validation: the share held back for validation where the source has no validation split.
        test: the share held back for the test where the source has no splits at all.
        seed: decides the lots.
        limit: the largest number of samples to train on and to validate with, together; of each, where the source has a
            validation split.

    Raises:
        DataError: a class has no sample to train on, or nothing is left to validate with.
    """
    rest, held_for_test = set_test_aside(source, test, seed)
    training = [sample for sample in rest if sample.split != "validation"]
    held = [sample for sample in rest if sample.split == "validation"]
    if not training:
        found = sorted({sample.split for sample in source.samples})
        raise DataError(f"there is nothing to train on: the data have only {', '.join(found)} images")
    if limit is not None:
        training = limit_samples(training, limit, seed)
        held = limit_samples(held, limit, seed) if held else held
    if not held:
        training, held = hold_back(training, validation, seed)
    counts = np.bincount(_labels(training), minlength=len(source.class_names))
    if not counts.all() or not held:
        lacking = [name for name, count in zip(source.class_names, counts, strict=True) if not count]
        what = f"no training image of {', '.join(lacking)}" if lacking else "no validation image"
        remedy = f"raise the limit of {limit}" if limit is not None else "add some"
        raise DataError(f"there is {what}; {remedy}")
    return Parts(training, held, held_for_test)


def set_test_aside(source: Source, share: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    """The samples to learn from, and those that only measure: a source's own test split, or a share of it by lot.

    Args:
        source: where the samples come from.
        share: what is held back for the test where the source has no splits at all.
        seed: decides the lots.
    """
    if any(sample.split == "all" for sample in source.samples):
        return hold_back([sample for sample in source.samples if sample.split == "all"], share, seed)
    rest = [sample for sample in source.samples if sample.split != "test"]
    return rest, [sample for sample in source.samples if sample.split == "test"]


def limit_samples(samples: Sequence[Sample], limit: int, seed: int) -> list[Sample]:
    """At most `limit` samples, in the proportions of the classes; see `limit_per_class`."""
    return _pick(samples, limit_per_class(_labels(samples), limit, seed))


def group_numbers(samples: Sequence[Sample]) -> NDArray[np.int64]:
    """The group of each sample, int64 (samples,).

    A sample of which nothing is known is a group of its own, with a number that no other has.
    """
    groups = [~position if sample.group is None else sample.group for position, sample in enumerate(samples)]
    return np.array(groups, np.int64)


def known_groups(samples: Sequence[Sample]) -> NDArray[np.int64] | None:
    """The group of each sample as `group_numbers` has it, numbered from 0; None if no two are known to be together."""
    names, groups = np.unique(group_numbers(samples), return_inverse=True)
    return np.asarray(groups, np.int64) if len(names) < len(samples) else None


def _labels(samples: Sequence[Sample]) -> list[int]:
    return [sample.label for sample in samples]


def _pick(samples: Sequence[Sample], indices: Sequence[int] | np.ndarray) -> list[Sample]:
    return [samples[int(index)] for index in indices]


def hold_back(samples: Sequence[Sample], share: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    """Divide samples into those kept and those held back, class by class; samples of one group stay together.

    Augmented images are never held back: those of groups that are, are in neither list.

    Raises:
        DataError: there are no samples, or none can be held back without dividing a group.
    """
    if any(sample.group is not None for sample in samples):
        return _hold_back_groups(samples, share, seed)
    kept, held = stratified_split(_labels(samples), share, seed)
    return _pick(samples, kept), _pick(samples, held)


def _hold_back_groups(samples: Sequence[Sample], share: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    part = grouped_split(_labels(samples), group_numbers(samples), (1 - share, share), seed)
    if part.min() == part.max():
        raise DataError(
            f"no images can be held back: all {len(samples):,} are of one scene or of few large ones; "
            "add other scenes, or choose the parts with scratchnet dataset split --plain"
        )
    held = [sample for sample in _pick(samples, np.flatnonzero(part == 1)) if not sample.augmented]
    return _pick(samples, np.flatnonzero(part == 0)), held
