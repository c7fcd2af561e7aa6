"""Groups stay whole, shares are as near as they can be, and the seed decides."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.data.errors import DataError
from pipelines.data.grouped_split import grouped_split


def cost(labels: np.ndarray, parts: np.ndarray, shares: tuple[float, ...]) -> float:
    """What the division makes small, in plain loops."""
    total = 0.0
    for label in set(labels.tolist()):
        of_class = int((labels == label).sum())
        for part, share in enumerate(shares):
            target = of_class * share / sum(shares)
            if of_class >= len(shares):
                target = max(target, 1)
            got = int(((labels == label) & (parts == part)).sum())
            total += (got - target) ** 2 / target
    return total


samples = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8)), min_size=1, max_size=80)
ratios = st.sampled_from([(70, 20, 10), (80, 10, 10), (70, 15, 15), (80, 20), (1, 1, 1, 1)])


@given(samples, ratios, st.integers(0, 5))
def test_no_group_is_in_two_parts_and_the_same_seed_gives_the_same(
    drawn: list[tuple[int, int]], shares: tuple[float, ...], seed: int
) -> None:
    labels, groups = np.array(drawn).T
    parts = grouped_split(labels, groups, shares, seed)
    assert parts.shape == labels.shape
    assert set(parts.tolist()) <= set(range(len(shares)))
    for group in set(groups.tolist()):
        assert len(set(parts[groups == group].tolist())) == 1
    np.testing.assert_array_equal(parts, grouped_split(labels, groups, shares, seed))


@pytest.mark.parametrize("seed", range(12))
def test_small_problems_are_solved_nearly_as_well_as_by_trying_everything(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 8, 60)
    labels = (groups + rng.integers(0, 2, 60)) % 3
    shares = (70, 20, 10)
    best = min(
        cost(labels, np.array(choice)[np.unique(groups, return_inverse=True)[1]], shares)
        for choice in product(range(3), repeat=len(set(groups.tolist())))
        if set(choice) == {0, 1, 2}
    )
    found = cost(labels, grouped_split(labels, groups, shares, seed), shares)
    assert best - 1e-9 <= found <= 1.05 * best + 1e-9


@given(st.lists(st.integers(0, 3), min_size=30, max_size=200), ratios)
def test_without_groups_every_class_is_within_an_image_of_its_share(
    labels: list[int], shares: tuple[float, ...]
) -> None:
    parts = grouped_split(labels, np.arange(len(labels)), shares, seed=0)
    for label in set(labels):
        of_class = np.array(labels) == label
        for part, share in enumerate(shares):
            target = of_class.sum() * share / sum(shares)
            least = min(target, 1) if of_class.sum() >= len(shares) else 0
            assert abs((of_class & (parts == part)).sum() - max(target, least)) < 1.5 + 0.5 * (len(shares) > 3)


def test_a_class_that_can_be_in_every_part_is() -> None:
    labels = np.repeat([0, 1], [200, 3])
    parts = grouped_split(labels, np.arange(203), (90, 5, 5), seed=0)
    assert sorted(parts[labels == 1].tolist()) == [0, 1, 2]


def test_no_part_stays_empty_if_there_are_groups_enough() -> None:
    groups = np.repeat([0, 1, 2, 3], [20, 18, 6, 5])
    parts = grouped_split(np.arange(49) % 3, groups, (70, 20, 10), seed=0)
    assert set(parts.tolist()) == {0, 1, 2}
    assert set(grouped_split([0, 0, 0], [1, 1, 2], (70, 20, 10), seed=0).tolist()) < {0, 1, 2}


def test_labels_in_proportion_are_divided_exactly() -> None:
    labels = np.repeat(np.arange(5), 100)
    groups = np.arange(500) // 2
    parts = grouped_split(labels, groups, (70, 20, 10), seed=3)
    table = np.zeros((5, 3), int)
    np.add.at(table, (labels, parts), 1)
    assert (table == [70, 20, 10]).all()


def test_another_seed_gives_another_division() -> None:
    labels, groups = np.arange(300) % 3, np.arange(300) // 3
    first, second = (grouped_split(labels, groups, (70, 20, 10), seed) for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_the_division_is_nearer_to_the_ratios_than_ten_folds_put_together() -> None:
    from sklearn.model_selection import StratifiedGroupKFold

    rng = np.random.default_rng(0)
    groups = rng.integers(0, 40, 600)
    preferred = rng.integers(0, 5, 40)
    labels = np.where(rng.random(600) < 0.7, preferred[groups], rng.integers(0, 5, 600))
    folds = np.empty(600, int)
    for fold, (_, held) in enumerate(
        StratifiedGroupKFold(10, shuffle=True, random_state=0).split(labels, labels, groups)
    ):
        folds[held] = fold
    theirs = np.digitize(folds, [7, 9])
    ours = grouped_split(labels, groups, (70, 20, 10), seed=0)
    assert cost(labels, ours, (70, 20, 10)) < 0.5 * cost(labels, theirs, (70, 20, 10))


@pytest.mark.parametrize(
    ("labels", "groups", "shares"),
    [([], [], (1, 1)), ([0, 1], [0], (1, 1)), ([0], [0], (1,)), ([0], [0], (1, 0)), ([0], [0], (1, float("nan")))],
)
def test_what_cannot_be_divided_is_refused(labels: list[int], groups: list[int], shares: tuple[float, ...]) -> None:
    with pytest.raises(DataError, match=r"rows of one length|two shares or more"):
        grouped_split(labels, groups, shares, seed=0)
