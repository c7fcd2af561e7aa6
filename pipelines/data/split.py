"""Choosing samples so that every class keeps its share.

scikit-learn's stratified splitters refuse classes of one sample and held sets smaller than the number of classes, and
promise no class a place on both sides; small data needs all three, so the shares are computed here.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.data.errors import DataError


def stratified_split(labels: ArrayLike, fraction: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Divide samples into those kept and those held back, class by class.

    Every class with two samples or more has at least one on each side; a class of one is kept.

    Args:
        labels: (samples,) integer labels.
        fraction: The share to hold back, between 0 and 1.
        seed: The same seed gives the same split.

    Returns:
        (kept, held): ascending int64 indices into `labels`, which together are all of them.

    Raises:
        DataError: `labels` is empty or not a row of integers, or `fraction` is not between 0 and 1.
    """
    if not 0 < fraction < 1:
        raise DataError(f"fraction must lie between 0 and 1, got {fraction}")
    members = _members(labels)
    counts = np.array([len(group) for group in members])
    least = np.where(counts >= 2, 1, 0)
    most = np.maximum(counts - 1, 0)
    held_counts = _apportion(counts, round(fraction * int(counts.sum())), least, most)
    return _choose(members, counts - held_counts, seed), _choose(members, held_counts, seed, from_end=True)


def limit_per_class(labels: ArrayLike, limit: int, seed: int) -> NDArray[np.int64]:
    """Choose at most `limit` samples in the proportions of the classes, with every class in it where there is room.

    Args:
        labels: (samples,) integer labels.
        limit: The largest number of samples in all, at least 1.
        seed: The same seed gives the same choice.

    Returns:
        Ascending int64 indices into `labels`.

    Raises:
        DataError: `labels` is empty or not a row of integers, or `limit` is not positive.
    """
    if limit < 1:
        raise DataError(f"limit must be at least 1, got {limit}")
    members = _members(labels)
    counts = np.array([len(group) for group in members])
    least = np.full_like(counts, 1 if limit >= len(counts) else 0)
    return _choose(members, _apportion(counts, min(limit, int(counts.sum())), least, counts), seed)


def _members(labels: ArrayLike) -> list[NDArray[np.int64]]:
    # the indices of each class
    array = np.asarray(labels)
    if array.ndim != 1 or not len(array) or not np.issubdtype(array.dtype, np.integer):
        raise DataError(
            f"labels must be a non-empty row of integers, got the shape {array.shape} and dtype {array.dtype}"
        )
    return [np.flatnonzero(array == label).astype(np.int64) for label in np.unique(array)]


def _apportion(
    counts: NDArray[np.int64], total: int, least: NDArray[np.int64], most: NDArray[np.int64]
) -> NDArray[np.int64]:
    # whole numbers near counts * total / sum(counts) that add up to total, as far as least and most allow
    quotas = counts * (total / counts.sum())
    shares: NDArray[np.int64] = np.clip(np.floor(quotas).astype(np.int64), least, most)
    while shares.sum() != total:
        missing = int(np.sign(total - shares.sum()))
        free = shares < most if missing > 0 else shares > least
        if not free.any():
            break
        shares[np.argmax(np.where(free, (quotas - shares) * missing, -np.inf))] += missing
    return shares


def _choose(
    members: Sequence[NDArray[np.int64]], sizes: NDArray[np.int64], seed: int, *, from_end: bool = False
) -> NDArray[np.int64]:
    # the same seed shuffles alike, so that a choice from the end is the complement of one from the start
    rng = np.random.default_rng(seed)
    chosen = []
    for group, size in zip(members, sizes, strict=True):
        shuffled = rng.permutation(group)
        chosen.append(shuffled[len(group) - size :] if from_end else shuffled[:size])
    return np.asarray(np.sort(np.concatenate(chosen)), np.int64)
