"""Dividing samples into parts so that groups stay whole and every class keeps its share as far as they allow.

It is a problem of whole numbers: groups with the same number of samples of each class are of one kind, and it only
matters how many of each kind a part gets. Each part's counts should be near their targets; what is made small is the
sum over parts and classes of (count - target)^2 / target, as in a chi-squared test, so that a small part's shares count
as much as a large one's. Every kind is first shared out in proportion; the groups left over go, large ones first, where
they do least harm; then moving one group, or exchanging two, goes on as long as it helps. No part stays empty if there
are groups enough. This is done several times from drawn beginnings, and the best result stays.

scikit-learn's StratifiedGroupKFold makes folds of equal size only, so 70:20:10 must be put together from ten folds,
greedily and without a second look; on the same groups it ends farther from the ratios.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.data.errors import DataError

BEGINNINGS = 8
# exchanges are looked for among so many kinds at a time, which bounds time and memory
MOST_KINDS = 800
MOST_STEPS = 2000

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


def grouped_split(labels: ArrayLike, groups: ArrayLike, shares: Sequence[float], seed: int) -> Counts:
    """Give each sample a part, so that no group is in two of them.

    Args:
        labels: (samples,) whole numbers.
        groups: (samples,) whole numbers; samples with the same one stay together.
        shares: What each part should have of every class; positive, in any unit: 70, 20, 10.
        seed: The same seed gives the same parts.

    Returns:
        int64 (samples,), the number of the part.

    Raises:
        DataError: There are no samples, `labels` and `groups` differ in length, or a share is not positive.
    """
    classes, label = np.unique(np.asarray(labels), return_inverse=True)
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    if not len(label) or label.shape != group.shape:
        raise DataError(f"labels and groups must be rows of one length, got {label.shape} and {group.shape}")
    wanted = np.asarray(shares, np.float64)
    if len(wanted) < 2 or not np.isfinite(wanted).all() or (wanted <= 0).any():
        raise DataError(f"there must be two shares or more, all positive, got {list(shares)}")
    counts = np.zeros((len(names), len(classes)), np.int64)
    np.add.at(counts, (group, label), 1)
    return np.asarray(_divide(counts, wanted / wanted.sum(), seed)[group], np.int64)


def _divide(counts: Counts, shares: Floats, seed: int) -> Counts:
    # counts (groups, classes) -> the part of each group
    kinds, kind = np.unique(counts, axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    available = np.bincount(kind, minlength=len(kinds))
    problem = _Problem(kinds, available, shares)
    rng = np.random.default_rng(seed)
    best = min((problem.solve(rng) for _ in range(BEGINNINGS)), key=problem.cost)
    parts = np.empty(len(counts), np.int64)
    # which groups of a kind go where is drawn too
    drawn = rng.permutation(len(counts))
    order = drawn[np.argsort(kind[drawn], kind="stable")]
    parts[order] = np.concatenate([np.repeat(np.arange(len(shares)), row) for row in best])
    return parts


class _Problem:
    # kinds (kinds, classes): the samples of each class in a group of that kind; available (kinds,): groups of the kind

    def __init__(self, kinds: Counts, available: Counts, shares: Floats) -> None:
        self.kinds = kinds.astype(np.float64)
        self.available = available
        self.shares = shares
        totals = available @ kinds
        # a class that can be in every part shall be in every part, however small its share there
        least = np.where(totals >= len(shares), 1.0, 0.0)
        self.targets = np.maximum(shares[:, None] * totals, least)
        self.weights = 1 / self.targets

    def cost(self, state: Counts) -> float:
        return float((self.weights * self._excess(state) ** 2).sum())

    def solve(self, rng: np.random.Generator) -> Counts:
        # state (kinds, parts): how many groups of each kind each part has
        state = np.floor(self.available[:, None] * self.shares).astype(np.int64)
        self._place_rest(state, rng)
        for _ in range(MOST_STEPS):
            if not (self._move(state) or self._exchange(state, rng)):
                break
        self._fill(state)
        return state

    def _excess(self, state: Counts) -> Floats:
        return np.asarray(state.T @ self.kinds - self.targets)

    def _place_rest(self, state: Counts, rng: np.random.Generator) -> None:
        left = self.available - state.sum(axis=1)
        rest = np.repeat(np.arange(len(left)), left)
        sizes = self.kinds[rest].sum(axis=1) * rng.uniform(0.8, 1.25, len(rest))
        excess = self._excess(state)
        for kind in rest[np.argsort(-sizes, kind="stable")]:
            added = self.kinds[kind]
            part = int(np.argmin((self.weights * (2 * excess * added + added**2)).sum(axis=1)))
            state[kind, part] += 1
            excess[part] += added

    def _fill(self, state: Counts) -> None:
        # a part without any sample would be of no use, whatever the shares say
        for empty in np.flatnonzero(state.sum(axis=0) == 0):
            gains, losses = self._changes(state)
            change = np.where(state.sum(axis=0) > 1, losses + gains[:, [empty]], math.inf)
            kind, giver = np.unravel_index(np.argmin(change), change.shape)
            if math.isfinite(change[kind, giver]):
                state[kind, giver] -= 1
                state[kind, empty] += 1

    def _changes(self, state: Counts) -> tuple[Floats, Floats]:
        # (kinds, parts): how the cost changes when a part gets, or gives away, a group of the kind
        linear = 2 * self.kinds @ (self.weights * self._excess(state)).T
        square = self.kinds**2 @ self.weights.T
        return square + linear, np.where(state > 0, square - linear, math.inf)

    def _move(self, state: Counts) -> bool:
        gains, losses = self._changes(state)
        change = losses[:, :, None] + gains[:, None, :]
        change[:, np.arange(len(self.shares)), np.arange(len(self.shares))] = math.inf
        kind, giver, taker = np.unravel_index(np.argmin(change), change.shape)
        if change[kind, giver, taker] >= -1e-9:
            return False
        state[kind, giver] -= 1
        state[kind, taker] += 1
        return True

    def _exchange(self, state: Counts, rng: np.random.Generator) -> bool:
        gains, losses = self._changes(state)
        chosen = rng.permutation(len(self.kinds))[:MOST_KINDS]
        kinds = self.kinds[chosen]
        best = (-1e-9, 0, 0, 0, 0)
        for one in range(len(self.shares)):
            for other in range(one + 1, len(self.shares)):
                # a kind goes from `one` to `other`, and another kind the other way
                there = (losses[chosen, one] + gains[chosen, other])[:, None]
                back = (losses[chosen, other] + gains[chosen, one])[None, :]
                both = 2 * (kinds * (self.weights[one] + self.weights[other])) @ kinds.T
                change = there + back - both
                first, second = np.unravel_index(np.argmin(change), change.shape)
                if change[first, second] < best[0]:
                    best = (float(change[first, second]), int(chosen[first]), int(chosen[second]), one, other)
        change_, first_kind, second_kind, one, other = best
        if change_ >= -1e-9:
            return False
        state[first_kind, one] -= 1
        state[first_kind, other] += 1
        state[second_kind, other] -= 1
        state[second_kind, one] += 1
        return True
