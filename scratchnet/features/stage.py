"""A stage of a feature extractor in one pass over the image: convolution, ReLU and pooling.

The engine's convolution is made for many channels, and lets filters fill its vectors. A stage of an extractor has few
maps and few filters, most of whose weights are zero; so here pixels fill the vectors. All filters pass over a few
hundred pixels while these are in the first-level cache; results go into the running maximum, or sum, of their pooling
window. A filter that is the same over several maps looks at their sum: that is one plane instead of three.

Of a row (a, b, c) of three pixels, a filter needs b, a + c and c - a alone, and likewise down the columns. These nine
parts are computed once for all filters. A filter that looks the same when it is turned around by 180 degrees needs five
of them, and one that changes its sign four: see PARTS.

There is a shorter way for maximum pools of an even height, if no filter looks at planes with different weights, and
each is of one of KINDS: there, parts that are zero are left out, and a filter and its mirror image share their sums.
Rows of numbers that may lead to infinite ones or NaN take the longer way all the same.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scratchnet.arrays import FloatArray, IntArray, Shape
from scratchnet.kernels import buffers
from scratchnet.kernels.filter_rows import ADD, EVEN, FIRST_ODD, KINDS, LAST, ODD, PARTS
from scratchnet.kernels.filter_stage import run_stage

BAND = 8  # pooled rows per task: more mean fewer rows that two tasks read, fewer more work for many threads
NEGLIGIBLE = 1e-7  # of a filter's largest weight: rounding of what should be zero
ROUNDING = 5e-7  # of a filter's largest weight: within it, filters are mirror images, and computed as if exactly so
SAFE = 1e38  # float32 holds up to 3.4e38, and a part adds two rows up


class _Work(NamedTuple):
    """What filters do, plane by plane.

    Attributes:
        members: (planes, most), the maps that a plane is the sum of.
        counts: (planes,), how many they are.
        first: (planes + 1,), where a plane's entries in the other arrays begin.
        kinds: (planes, kinds + 1), where those of each of KINDS begin; those of none are last.
        filters: which filter it is.
        steps: what is done for it: ADD, LAST, EVEN and ODD, as bits.
        weights: nine numbers for each, in the order of PARTS, float32.
        bound: a row of a plane whose absolute values sum to less leads to finite results, by the shorter way; 0 where
            that is closed, or no shorter.
    """

    members: IntArray
    counts: IntArray
    first: IntArray
    kinds: IntArray
    filters: IntArray
    steps: IntArray
    weights: FloatArray
    bound: np.float32


class Stage:
    """One stage for good: `pool(relu(x * kernel))`, padded as `same`.

    Results are the same bits for any number of threads, and for a batch of any size. NaN spreads as in a convolution,
    except that a filter does not look at maps for which all its weights are zero.

    Args:
        kernel: float32 (3, 3, maps below, filters).
        pool: the window of a pool that steps by its own size; (1, 1) for none.
        average: whether the pool takes means, and not maxima.
    """

    def __init__(self, kernel: FloatArray, pool: tuple[int, int], average: bool) -> None:
        self.filters = kernel.shape[3]
        self.pool = pool
        self.average = average
        self._work = _divide(kernel, pools=pool != (1, 1))

    def __call__(self, x: FloatArray, planar: bool, result_planar: bool) -> FloatArray:
        """The maps of some images.

        Args:
            x: float32, or bytes that count from 0 to 1; C-contiguous (n, height, width, maps), or (n, maps, height,
                width) if `planar`.
            planar: which of these.
            result_planar: the same of the result.

        Returns:
            The maps, (n, height, width, filters) or (n, filters, height, width).
        """
        n, (height, width, maps) = len(x), (*x.shape[2:], x.shape[1]) if planar else x.shape[1:]
        rows, columns = height // self.pool[0], width // self.pool[1]
        shape = (n, self.filters, rows, columns) if result_planar else (n, rows, columns, self.filters)
        y = buffers.empty(shape, np.float32)
        steps = (1, height * width) if planar else (maps, 1)
        y_steps = (rows * columns, columns, 1) if result_planar else (1, columns * self.filters, self.filters)
        layout = np.array(
            (n, height, width, maps, *steps, self.filters, *self.pool, rows, columns, *y_steps, self.average, BAND),
            np.int64,
        )
        # without biases, a factor on the images is one on the maps
        factor = (1 / 255 if x.dtype == np.uint8 else 1) / (self.pool[0] * self.pool[1] if self.average else 1)
        run_stage(x.reshape(-1), np.float32(factor), layout, *self._work, y.reshape(-1))
        return y


def _divide(kernel: FloatArray, pools: bool) -> _Work:
    """Filters by the planes that they look at; `pools` says whether a pooling window is larger than a pixel."""
    planes: dict[Shape, list[tuple[int, FloatArray]]] = {}
    for f in range(kernel.shape[3]):
        seen = tuple(c for c in range(kernel.shape[2]) if kernel[:, :, c, f].any()) or (0,)
        alike = all(np.array_equal(kernel[:, :, c, f], kernel[:, :, seen[0], f]) for c in seen)
        for group in [seen] if alike else [(c,) for c in seen]:
            planes.setdefault(group, []).append((f, kernel[:, :, group[0], f]))
    return _ordered(planes, pools)


def _ordered(planes: dict[Shape, list[tuple[int, FloatArray]]], pools: bool) -> _Work:
    groups = list(planes)
    members = np.zeros((len(groups), max(map(len, groups))), np.int64)
    for p, group in enumerate(groups):
        members[p, : len(group)] = group
    first = np.cumsum([0, *(len(planes[group]) for group in groups)])
    kinds = np.zeros((len(groups), len(KINDS) + 1), np.int64)
    entries: list[tuple[int, FloatArray]] = []
    for p, group in enumerate(groups):
        by_kind = _by_kind([(f, _weights_of_parts(mask)) for f, mask in planes[group]])
        kinds[p] = first[p] + np.cumsum([0, *map(len, by_kind[: len(KINDS)])])
        entries += [entry for alike in by_kind for entry in alike]
    numbers, weights = [f for f, _ in entries], np.array([own for _, own in entries])
    steps = [
        # A filter that looks at several planes adds up until its last. Odd parts leave the centre out, whose NaN is
        # seen through a neighbour in the same pooling window, or else through even parts of no weight.
        ADD * (f in numbers[:n]) | LAST * (f not in numbers[n + 1 :])
        | EVEN * (not pools or bool(weights[n, :FIRST_ODD].any())) | ODD * bool(weights[n, FIRST_ODD:].any())
        for n, f in enumerate(numbers)
    ]  # fmt: skip
    whole = (kinds[:, -1] == first[1:]).all() and len(set(numbers)) == len(numbers)
    shorter = whole and len(numbers) >= 2 * len(groups)  # laying out parts does not pay for a single filter
    return _Work(
        members,
        np.array([len(group) for group in groups]),
        first,
        kinds,
        np.array(numbers),
        np.array(steps),
        weights.astype(np.float32).reshape(-1),
        np.float32(SAFE / max(1, 4 * np.abs(weights).sum(axis=1).max()) if shorter else 0),
    )


def _by_kind(entries: list[tuple[int, FloatArray]]) -> list[list[tuple[int, FloatArray]]]:
    """Filters of a plane with their weights of PARTS, for each of KINDS, and last those that are of none."""
    found: list[list[tuple[int, FloatArray]]] = [[] for _ in range(len(KINDS) + 1)]
    weights = np.array([own for _, own in entries])
    free = np.ones(len(entries), bool)
    for n, entry in enumerate(entries):
        if not free[n]:
            continue
        free[n] = False
        needed = {name for name, weight in zip(PARTS, weights[n], strict=True) if weight}
        for k, (names, others) in enumerate(KINDS):
            twin = _mirror_image(weights[n], others, weights, free) if needed == set(names + others) else None
            if others and twin is not None:
                free[twin] = False
                found[k] += [entry, entries[twin]]
                break
        else:
            kinds = (k for k, (names, others) in enumerate(KINDS) if not others and needed <= set(names))
            found[next(kinds, len(KINDS))].append(entry)
    return found


def _mirror_image(own: FloatArray, others: tuple[str, ...], weights: FloatArray, free: NDArray[np.bool_]) -> int | None:
    """The first of the free filters that has a filter's own weights, but for the opposite sign of `others`."""
    flipped = np.array([name in others for name in PARTS])
    most = ROUNDING * np.abs(own).max()
    alike = free & (np.abs(weights - np.where(flipped, -own, own)).max(axis=1) <= most)
    # a filter is no mirror image of itself, and one whose weights are zero keeps them
    alike &= ((weights != 0) == (own != 0)).all(axis=1) & (np.abs(own[flipped]).max(initial=0) > most)
    return int(alike.argmax()) if alike.any() else None


def _weights_of_parts(mask: FloatArray) -> FloatArray:
    """A filter's 3x3 weights as those of PARTS."""
    to_parts = np.array([[0, 1, 0], [0.5, 0, 0.5], [-0.5, 0, 0.5]])  # (a, b, c) -> c, e, d
    parts = to_parts @ mask.astype(np.float64) @ to_parts.T
    parts[np.abs(parts) <= NEGLIGIBLE * np.abs(parts).max()] = 0
    return np.array([parts["ced".index(part[0]), "ced".index(part[1])] for part in PARTS])
