"""Of pictures that are the same, or nearly so, the sharpest stays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.hashes import hash_codes


@dataclass(frozen=True, slots=True)
class Candidate:
    """What decides whether a picture stays.

    Args:
        sha256: Content hash of its pixels.
        phash: Its perceptual hash.
        sharpness: The larger, the better.
        fixed: It is part of the dataset already and stays in any case.
    """

    sha256: str
    phash: str
    sharpness: float
    fixed: bool = False


def covered_by(candidates: Sequence[Candidate], near: int) -> list[int | None]:
    """Choose pictures of which no two are duplicates, going from the sharpest to the least sharp.

    A picture goes if one that stays has the same pixels, or a perceptual hash that differs in at most `near` bits.
    Unlike a division into groups this loses no picture to a chain of others between it and the one that stays.
    Fixed pictures come first, and of equally sharp ones the earlier one.

    Args:
        candidates: The pictures.
        near: Bits, 0 to 64.

    Returns:
        For each picture None if it stays, or the index of the nearest one that stays instead.
    """
    codes = hash_codes([candidate.phash for candidate in candidates])
    order = sorted(range(len(candidates)), key=lambda i: (not candidates[i].fixed, -candidates[i].sharpness, i))
    kept_codes = np.empty(len(candidates), np.uint64)
    kept: list[int] = []
    same: dict[str, int] = {}
    result: list[int | None] = [None] * len(candidates)
    for i in order:
        if not candidates[i].fixed:
            result[i] = same.get(candidates[i].sha256)
            if result[i] is None:
                result[i] = _nearest(kept_codes[: len(kept)], codes[i], near, kept)
        if result[i] is None:
            kept_codes[len(kept)] = codes[i]
            kept.append(i)
            same.setdefault(candidates[i].sha256, i)
    return result


def _nearest(codes: NDArray[np.uint64], code: np.uint64, near: int, indices: Sequence[int]) -> int | None:
    if not len(codes):
        return None
    bits = np.bitwise_count(codes ^ code)
    best = int(bits.argmin())
    return indices[best] if bits[best] <= near else None
