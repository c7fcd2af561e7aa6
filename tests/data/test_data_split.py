"""Splits and limits keep the proportions of the classes and leave none out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.data.errors import DataError
from pipelines.data.split import limit_per_class, stratified_split

LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=120)
SEEDS = st.integers(0, 2**32)


@given(labels=LABELS, fraction=st.floats(0.01, 0.99), seed=SEEDS)
def test_a_split_is_a_partition_with_every_class_on_both_sides(labels: list[int], fraction: float, seed: int) -> None:
    kept, held = stratified_split(labels, fraction, seed)
    assert sorted([*kept, *held]) == list(range(len(labels)))
    assert (np.diff(kept) > 0).all()
    assert (np.diff(held) > 0).all()
    array = np.array(labels)
    for label in set(labels):
        count = (array == label).sum()
        assert (array[kept] == label).any()
        assert (array[held] == label).any() == (count >= 2)
        # at most one away from its exact share, unless a side would be empty or another class needed the place
        assert abs((array[held] == label).sum() - fraction * count) <= 1 + len(set(labels))


@given(labels=LABELS, limit=st.integers(1, 150), seed=SEEDS)
def test_a_limit_is_used_fully_and_no_class_is_left_out_where_there_is_room(
    labels: list[int], limit: int, seed: int
) -> None:
    chosen = limit_per_class(labels, limit, seed)
    assert len(chosen) == min(limit, len(labels))
    assert (np.diff(chosen) > 0).all()
    if limit >= len(set(labels)):
        assert set(np.array(labels)[chosen]) == set(labels)


def test_large_classes_keep_their_proportions_exactly() -> None:
    labels = np.repeat([0, 1, 2], [1000, 500, 100])
    _, held = stratified_split(labels, 0.2, seed=0)
    assert np.bincount(labels[held]).tolist() == [200, 100, 20]
    assert np.bincount(labels[limit_per_class(labels, 160, seed=0)]).tolist() == [100, 50, 10]


def test_the_seed_decides() -> None:
    labels = np.arange(200) % 3
    first = stratified_split(labels, 0.3, seed=1)[1]
    np.testing.assert_array_equal(first, stratified_split(labels, 0.3, seed=1)[1])
    assert not np.array_equal(first, stratified_split(labels, 0.3, seed=2)[1])
    assert not np.array_equal(limit_per_class(labels, 50, seed=1), limit_per_class(labels, 50, seed=2))


@pytest.mark.parametrize("fraction", [0, 1, -0.1, float("nan")])
def test_a_fraction_out_of_range_is_refused(fraction: float) -> None:
    with pytest.raises(DataError, match=f"fraction must lie between 0 and 1, got {fraction}"):
        stratified_split([0, 1], fraction, seed=0)


@pytest.mark.parametrize("labels", [[], [0.5, 1.0], [[0, 1]]])
def test_labels_that_are_no_row_of_integers_are_refused(labels: list[object]) -> None:
    with pytest.raises(DataError, match="labels must be a non-empty row of integers"):
        stratified_split(labels, 0.5, seed=0)
    with pytest.raises(DataError, match="labels must be a non-empty row of integers"):
        limit_per_class(labels, 5, seed=0)


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(DataError, match="limit must be at least 1, got 0"):
        limit_per_class([0, 1], 0, seed=0)
