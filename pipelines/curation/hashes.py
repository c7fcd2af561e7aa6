"""When two images are the same, and when they are nearly the same.

Both hashes are of decoded pixels, so that another compression or file name changes neither more than it changes the
picture. The perceptual hash has 64 bits; its distance is the number of bits that differ.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipelines.data.errors import DataError

BITS = 64
DIGITS = BITS // 4
# pairs that are held at a time: some tens of MB
BLOCK = 2**20


def perceptual_hash(pixels: NDArray[np.uint8]) -> str:
    """The perceptual hash of a picture: 16 hex digits, which scaling, compression and light change little.

    It is ImageHash's `phash`: the signs, about their median, of the 64 lowest frequencies of the picture's cosine
    transform (https://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html). Of a blank picture it says
    nothing, and a mirrored picture has another one.

    Args:
        pixels: uint8, (height, width) or (height, width, 1) grey, or (height, width, 3) RGB.

    Raises:
        DataError: `pixels` has another dtype or shape.
    """
    if pixels.dtype != np.uint8 or not pixels.size or pixels.shape[2:] not in {(), (1,), (3,)} or pixels.ndim < 2:
        raise DataError(
            f"pixels must be uint8 of shape (height, width) or (height, width, 3), got {pixels.dtype} {pixels.shape}"
        )
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2:] == (1,) else pixels)
    # the digits that str() would give, at a fraction of its cost
    return np.packbits(imagehash.phash(picture).hash).tobytes().hex()


def distance(a: str, b: str) -> int:
    """In how many of their 64 bits two perceptual hashes differ; `DataError` if one is not 16 hex digits."""
    first, second = hash_codes([a, b]).tolist()
    return int(first ^ second).bit_count()


def hash_codes(hashes: Sequence[str]) -> NDArray[np.uint64]:
    """Perceptual hashes as numbers: uint64 (n,).

    Raises:
        DataError: one of them is not 16 hex digits.
    """
    try:
        # int() would also take signs, spaces, underscores and other scripts' digits
        if any(len(text) != DIGITS or not (text.isascii() and text.isalnum()) for text in hashes):
            raise ValueError
        return np.fromiter((int(text, 16) for text in hashes), np.uint64, len(hashes))
    except ValueError:
        wrong = next(text for text in hashes if len(text) != DIGITS or not set(text.lower()) <= set("0123456789abcdef"))
        raise DataError(f"a perceptual hash must be {DIGITS} hex digits, got {wrong!r}") from None


def near_duplicates(hashes: Sequence[str], max_distance: int) -> list[list[int]]:
    """Group hashes that are at most `max_distance` apart, directly or through others of their group.

    The groups are exact, whatever the distance: those that comparing every pair would find. For 100,000 hashes and
    distances up to 8 this takes some seconds.

    Args:
        hashes: Of 16 hex digits each.
        max_distance: Bits that may differ, 0 to 64.

    Returns:
        The groups of two or more, as ascending indices into `hashes`; ordered by their first member.

    Raises:
        DataError: a hash is not 16 hex digits, or `max_distance` is out of range.
    """
    codes, owner = np.unique(hash_codes(hashes), return_inverse=True)
    groups: NDArray[np.integer] = np.arange(len(codes))
    for left, right, _ in near_pairs(codes, max_distance):
        # joining as we go keeps the memory bounded even where all are near to all
        groups = join(groups, left, right)
    return members(groups[owner])


def join(groups: NDArray[np.integer], left: NDArray[np.intp], right: NDArray[np.intp]) -> NDArray[np.integer]:
    """Unite the groups of `left[k]` and `right[k]` for each k.

    Args:
        groups: (n,) the group of each of n things, in 0..n-1.
        left: Indices into `groups`.
        right: As many.

    Returns:
        The new groups, in 0..n-1 again.
    """
    count = len(groups)
    links = coo_array((np.ones(len(left), bool), (groups[left], groups[right])), shape=(count, count))
    joined: NDArray[np.int32] = connected_components(links, directed=False)[1]
    return np.asarray(joined[groups])


def members(groups: NDArray[np.integer]) -> list[list[int]]:
    """The indices of equal numbers, for each number that occurs twice or more: ascending, ordered by the first."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order])) + 1
    return sorted(part.tolist() for part in np.split(order, starts) if len(part) > 1)


def near_pairs(
    codes: NDArray[np.uint64], max_distance: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.uint8]]]:
    """Every pair of codes that are at most `max_distance` apart, once each, some at a time.

    Two codes that differ in d bits agree in at least one of d + 1 bands of bits, so only codes that share a band are
    compared; the first band that they share yields the pair.

    Args:
        codes: uint64 (n,).
        max_distance: Bits that may differ, 0 to 64.

    Yields:
        Indices of the one and of the other, left < right, and how many bits differ: three arrays of one length.

    Raises:
        DataError: `max_distance` is out of range.
    """
    if not 0 <= max_distance <= BITS:
        raise DataError(f"max_distance must lie between 0 and {BITS}, got {max_distance}")
    bands = [_Band(codes, mask) for mask in _masks(max_distance + 1)] if max_distance < BITS else []
    everything = _Band(codes, np.uint64(0))
    if not bands or sum(band.cost for band in bands) >= everything.cost:
        bands = [everything]
    for number, band in enumerate(bands):
        earlier = [other.mask for other in bands[:number]]
        for first, second in band.pairs(max_distance):
            differing = codes[first] ^ codes[second]
            fresh = (differing & band.mask) == 0
            for mask in earlier:
                fresh &= (differing & mask) != 0
            left, right = np.minimum(first, second)[fresh], np.maximum(first, second)[fresh]
            yield left, right, np.bitwise_count(differing[fresh])


def _masks(count: int) -> list[np.uint64]:
    # bands of neighbouring bits, as evenly wide as can be
    edges = [BITS * band // count for band in range(count + 1)]
    return [np.uint64((1 << high) - (1 << low)) for low, high in pairwise(edges)]


class _Band:
    """Codes in buckets of those that are equal under a mask, the largest bucket first.

    Partners in a bucket are then at most its size apart in this order, so that a few slices reach all of them.
    """

    def __init__(self, codes: NDArray[np.uint64], mask: np.uint64) -> None:
        self.mask = mask
        _, bucket, sizes = np.unique(codes & mask, return_inverse=True, return_counts=True)
        self._order = np.lexsort((bucket, -sizes[bucket]))
        self._codes = codes[self._order]
        self._sizes = np.sort(sizes)[::-1]
        self.cost = int((self._sizes.astype(np.int64) ** 2).sum())

    def pairs(self, max_distance: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Pairs of near codes that lie in one bucket, and some others, in blocks; each pair once."""
        reach = np.cumsum(self._sizes)
        differing, bits = np.empty_like(self._codes), np.empty(len(self._codes), np.uint8)
        held: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []
        waiting = 0
        for step in range(1, int(self._sizes[0]) if len(self._sizes) else 0):
            # the end of the buckets that are larger than the step
            end = int(reach[np.searchsorted(-self._sizes, -step) - 1])
            span = end - step
            np.bitwise_xor(self._codes[:span], self._codes[step:end], out=differing[:span])
            np.bitwise_count(differing[:span], out=bits[:span])
            near = np.flatnonzero(bits[:span] <= max_distance)
            if len(near):
                held.append((self._order[near], self._order[near + step]))
                waiting += len(near)
            if waiting >= BLOCK:
                yield _joined(held)
                held, waiting = [], 0
        if held:
            yield _joined(held)


def _joined(held: list[tuple[NDArray[np.intp], NDArray[np.intp]]]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    return np.concatenate([first for first, _ in held]), np.concatenate([second for _, second in held])
