"""A stage of a feature extractor in one pass over the image: convolution, ReLU and pooling.

The engine's convolution is made for many channels, and lets filters fill its vectors. A stage of an extractor has few
maps and few filters, most of whose weights are zero; so here pixels fill the vectors. All filters pass over a few
hundred pixels while these are in the first-level cache; results go into the running maximum, or sum, of their pooling
window. A filter that is the same over several maps looks at their sum: that is one plane instead of three.

Of a row (a, b, c) of three pixels, a filter needs b, a + c and c - a alone, and likewise down the columns. These nine
parts are computed once for all filters. A filter that looks the same when it is turned around by 180 degrees needs five
of them, and one that changes its sign four: see PARTS. Most need fewer, and one and its mirror image share what they
need: see KINDS. Numbers that could become infinite or NaN, and filters that look at several planes with different
weights, take a longer way.
"""

from typing import NamedTuple

import numpy as np

from scratchnet.arrays import FloatArray, IntArray, Shape
from scratchnet.kernels import buffers
from scratchnet.kernels.filter_rows import ADD, EVEN, FIRST_ODD, KINDS, LAST, ODD, PARTS
from scratchnet.kernels.filter_stage import run_stage

BAND = 8  # pooled rows per task: more mean fewer rows that two tasks read, fewer more work for many threads
NEGLIGIBLE = 1e-7  # of a filter's largest weight: rounding of what should be zero
ROUNDING = 5e-7  # of a filter's largest weight: within it, filters are mirror images
SAFE = 1e38  # float32 holds up to 3.4e38; a part is the sum of up to four numbers


class _Work(NamedTuple):
    """What filters do, plane by plane.

    Attributes:
        members: (planes, most), the maps that a plane is the sum of.
        counts: (planes,), how many they are.
        first: (planes + 1,), where a plane's entries in the other arrays begin.
        kinds: (planes, kinds + 1), where those of each of KINDS begin, if all filters are of these.
        filters: which filter it is.
        steps: what is done for it: ADD, LAST, EVEN and ODD, as bits.
        weights: nine numbers for each, in the order of PARTS, float32.
        bound: numbers below it lead to finite results, and need no more than `filter_ordinary_rows`; 0 if some filter
            does.
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
    ordinary = (kinds[:, -1] == first[1:]).all() and len(set(numbers)) == len(numbers)
    return _Work(
        members,
        np.array([len(group) for group in groups]),
        first,
        kinds,
        np.array(numbers),
        np.array(steps),
        weights.astype(np.float32).reshape(-1),
        np.float32(SAFE / max(1, 4 * np.abs(weights).sum(axis=1).max()) if ordinary else 0),
    )


def _by_kind(entries: list[tuple[int, FloatArray]]) -> list[list[tuple[int, FloatArray]]]:
    """Filters of a plane with their weights of PARTS, for each of KINDS, and last those that are of none."""
    found: list[list[tuple[int, FloatArray]]] = [[] for _ in range(len(KINDS) + 1)]
    rest = list(entries)
    while rest:
        entry = rest.pop(0)
        needed = {name for name, weight in zip(PARTS, entry[1], strict=True) if weight}
        kind = next((k for k, (names, others) in enumerate(KINDS) if not others and needed <= set(names)), len(KINDS))
        for k, (names, others) in enumerate(KINDS):
            if others and kind < len(KINDS) and set(names + others) == set(KINDS[kind][0]):
                twin = _mirror_image(entry[1], others, rest)
                if twin is not None:
                    found[k] += [entry, rest.pop(twin)]
                    break
        else:
            found[kind].append(entry)
    return found


def _mirror_image(weights: FloatArray, others: tuple[str, ...], entries: list[tuple[int, FloatArray]]) -> int | None:
    """The first of some filters whose weights are these, with the opposite sign for `others`."""
    mirrored = weights * [-1 if name in others else 1 for name in PARTS]
    most = ROUNDING * np.abs(weights).max()
    return next((n for n, (_, own) in enumerate(entries) if np.abs(own - mirrored).max() <= most), None)


def _weights_of_parts(mask: FloatArray) -> FloatArray:
    """A filter's 3x3 weights as those of PARTS."""
    to_parts = np.array([[0, 1, 0], [0.5, 0, 0.5], [-0.5, 0, 0.5]])  # (a, b, c) -> c, e, d
    parts = to_parts @ mask.astype(np.float64) @ to_parts.T
    parts[np.abs(parts) <= NEGLIGIBLE * np.abs(parts).max()] = 0
    return np.array([parts["ced".index(part[0]), "ced".index(part[1])] for part in PARTS])
