"""The filters of a feature extractor that nobody has trained: a bank of fixed ones, and random ones of their norms.

A filter looks at 3x3 pixels of three maps: the colours of an image, and in later stages three maps that are neighbours.
A grey image has one map, which it looks at alone.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from scratchnet.arrays import FloatArray

SIZE = 3  # pixels across a filter
DEPTH = 3  # maps that a filter of a later stage looks at
GABOR_DEVIATION = 1.0  # of the bell around a Gabor filter's waves, in pixels
GABOR_WAVELENGTH = 3.0  # in pixels
GABOR_ORIENTATIONS = 6
# of one's own in a stage: the next stage's kernel has room for each filter over each map, 36 bytes
MOST_FILTERS = 1024

_Pixels = Sequence[Sequence[float]]

# x runs to the right and y down; each is divided by the sum of its absolute weights
_MASKS: dict[str, tuple[str, _Pixels]] = {
    "edge 0": ("x, Prewitt", [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]]),
    "edge 45": ("sign(x - y), Prewitt", [[0, 1, 1], [-1, 0, 1], [-1, -1, 0]]),
    "edge 90": ("-y, Prewitt", [[1, 1, 1], [0, 0, 0], [-1, -1, -1]]),
    "edge 135": ("sign(-x - y), Prewitt", [[1, 1, 0], [1, 0, -1], [0, -1, -1]]),
    "Sobel x": ("x (2 - |y|)", [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
    "Sobel y": ("y (2 - |x|)", [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]),
    "Laplacian": ("sum of 4 neighbours - 4 centre", [[0, 1, 0], [1, -4, 1], [0, 1, 0]]),
    "Laplacian 8": ("sum of 8 neighbours - 8 centre", [[1, 1, 1], [1, -8, 1], [1, 1, 1]]),
    "sharpen": ("centre - Laplacian", [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "blur": ("(2 - |x|) (2 - |y|)", [[1, 2, 1], [2, 4, 2], [1, 2, 1]]),
}


class FilterBank(NamedTuple):
    """Filters with names.

    Attributes:
        names: one per filter.
        formulas: what each computes of the pixels (x, y) around its centre, both from -1 to 1 and y downward, before it
            is divided by the sum of its absolute weights.
        kernels: float32 (3, 3, channels, filters), as `layers.Conv2D` takes them.
    """

    names: tuple[str, ...]
    formulas: tuple[str, ...]
    kernels: FloatArray


def filter_bank(channels: int = DEPTH) -> FilterBank:
    """Sixteen fixed filters: edges in four directions, Sobel, Laplacian, sharpen, blur, and six like Gabor's.

    A filter is the same over all channels, so that it looks at their mean. The sum of its absolute weights is 1: its
    result is never larger than the largest pixel. Edges and Sobel's filters are slopes, in one direction each, because
    a ReLU follows. The Gabor-like ones are the even Gabor function `exp(-(x^2 + y^2) / 2) cos(2 pi (x cos a - y sin a)
    / 3)` for a = 0, 30, ... 150 degrees, less its mean: bright lines across these directions.

    Sources: Prewitt, 1970, *Object enhancement and extraction*; Sobel & Feldman, 1968; Gabor functions for vision:
    Daugman, 1985, https://doi.org/10.1364/JOSAA.2.001160.

    Args:
        channels: of the images, at least 1.

    Raises:
        ValueError: there are no channels.

    >>> bank = filter_bank(channels=1)
    >>> bank.kernels.shape
    (3, 3, 1, 16)
    >>> bank.names[4]
    'Sobel x'
    """
    if not isinstance(channels, int) or channels < 1:
        raise ValueError(f"channels must be a positive int, got {channels!r}")
    masks: dict[str, tuple[str, FloatArray]] = {
        name: (formula, np.asarray(mask, np.float64)) for name, (formula, mask) in _MASKS.items()
    }
    for number in range(GABOR_ORIENTATIONS):
        degrees = 180 * number // GABOR_ORIENTATIONS
        masks[f"Gabor {degrees}"] = (f"exp(-(x² + y²)/2) cos(2π(x cos {degrees}° - y sin {degrees}°)/3) - mean",
                                     _gabor(math.radians(degrees)))  # fmt: skip
    planes = np.stack([mask / np.abs(mask).sum() for _, mask in masks.values()], axis=-1)
    kernels = np.repeat(planes[:, :, None, :], channels, axis=2) / channels
    return FilterBank(tuple(masks), tuple(formula for formula, _ in masks.values()), kernels.astype(np.float32))


def _gabor(angle: float) -> FloatArray:
    y, x = np.mgrid[-1:2, -1:2]
    bell = np.exp(-(x**2 + y**2) / (2 * GABOR_DEVIATION**2))
    waves: FloatArray = np.cos(2 * np.pi * (x * math.cos(angle) - y * math.sin(angle)) / GABOR_WAVELENGTH)
    waves *= bell
    waves -= waves.mean()
    return waves


def random_like(kernels: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Random filters, Gaussian, each with the Euclidean norm of the one in its place: what fixed ones must beat."""
    drawn = generator.standard_normal(kernels.shape)
    axes = tuple(range(kernels.ndim - 1))
    norms = np.sqrt(np.square(kernels.astype(np.float64)).sum(axis=axes))
    drawn *= norms / np.sqrt(np.square(drawn).sum(axis=axes))
    return drawn.astype(np.float32)


def over_maps(kernels: FloatArray, maps: int) -> FloatArray:
    """Filters of some depth as a convolution's kernel over any number of maps.

    - As many maps as the filters are deep: each filter looks at all of them.
    - More: filter j looks at the maps j, j + 1, ..., counted around.
    - Fewer: the filters' depth is summed up, and filter j looks at map j, counted around.

    Args:
        kernels: (3, 3, depth, filters).
        maps: of the stage below, or the channels of the image.

    Returns:
        float32 (3, 3, maps, filters), with zeros for the maps that a filter does not look at.
    """
    depth, filters = kernels.shape[2:]
    if maps == depth:
        return np.ascontiguousarray(kernels, np.float32)
    if maps < depth:
        kernels, depth = kernels.sum(axis=2, keepdims=True), 1
    spread = np.zeros((*kernels.shape[:2], maps, filters), np.float32)
    for j in range(filters):
        for d in range(depth):
            spread[:, :, (j + d) % maps, j] = kernels[:, :, d, j]
    return spread


def stage_kernels(filters: Any, channels: int, stages: int, seed: int) -> list[FloatArray]:
    """The kernel of each stage's convolution.

    Args:
        filters: "fixed", "random", at most 1,024 filters of one's own (3, 3, depth, filters) for all stages, or a list
            of such arrays, one per stage.
        channels: of the images.
        stages: how many there are.
        seed: of random filters.

    Returns:
        Arrays float32 (3, 3, maps below, filters).

    Raises:
        ValueError: `filters` is none of these.
    """
    kernels: list[FloatArray] = []
    maps = channels
    for stage, own in enumerate(_own_filters(filters, stages)):
        bank = filter_bank(min(maps, DEPTH)).kernels if own is None else own
        if isinstance(filters, str) and filters == "random":
            bank = random_like(bank, np.random.default_rng([seed, stage]))
        kernels.append(over_maps(bank, maps))
        maps = bank.shape[3]
    return kernels


def _own_filters(filters: Any, stages: int) -> Sequence[FloatArray | None]:
    """For each stage the caller's filters, or None where a word has chosen them."""
    if isinstance(filters, str):
        if filters not in {"fixed", "random"}:
            raise ValueError(f'filters must be "fixed", "random", an array or a list of arrays, got {filters!r}')
        return [None] * stages
    if isinstance(filters, list | tuple):
        if len(filters) != stages:
            raise ValueError(f"filters must hold an array for each of the {stages} stages, got {len(filters)} of them")
        return [_checked(array, f"filters[{number}]") for number, array in enumerate(filters)]
    return [_checked(filters, "filters")] * stages


def _checked(array: Any, name: str) -> FloatArray:
    try:
        given = np.asarray(array)
    except ValueError as error:  # rows of unequal lengths
        raise ValueError(f"{name} must be an array of shape (3, 3, depth, filters): {error}") from error
    shaped = given.ndim == 4 and given.shape[:2] == (SIZE, SIZE) and given.size
    if not shaped or given.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} must be real numbers of shape (3, 3, depth, filters), got {given.dtype} of shape {given.shape}"
        )
    if given.shape[3] > MOST_FILTERS:
        raise ValueError(f"{name} must hold at most {MOST_FILTERS:,} filters, got {given.shape[3]:,}; leave some out")
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is refused
        kernels = given.astype(np.float32)
    if not np.isfinite(kernels).all():
        raise ValueError(f"{name} must hold finite numbers that float32 can hold, got NaN, infinity or larger ones")
    return kernels
