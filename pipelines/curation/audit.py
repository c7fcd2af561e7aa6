"""What is wrong with a dataset: copies, leaks between its splits, conflicting labels, blank and broken images."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.hashes import join, members, near_pairs
from pipelines.curation.likeness import ALIKE, CANDIDATE_BITS, details, likeness
from pipelines.curation.scan import Scan, examine_all
from pipelines.data.sample import SPLITS, Sample

# pairs that are looked at before it is asked again which of the others could still tell anything
STEP = 4096
# Standard deviation of the pixels, out of 255; the faintest recognisable faces of FER-2013 have 9 and more.
FAINT_SPREAD = 5.0


class Leak(NamedTuple):
    """How much of one split another one knows already.

    Attributes:
        split: Whose images are counted.
        other: Where their copies are.
        exact: Images of `split` whose pixels are in `other` too.
        near: Images of `split` of which `other` has a near duplicate, but no exact copy.
    """

    split: str
    other: str
    exact: int
    near: int


@dataclass(frozen=True)
class Audit:
    """The findings about a dataset.

    Attributes:
        class_names: In label order.
        splits: Those that occur, in the order of `SPLITS`.
        counts: Readable images, int64 (splits, classes).
        sizes: Readable images by (height, width, channels), the most frequent first.
        exact: Groups of images with equal pixels, as ascending indices into `samples`.
        near: Groups of different pictures that are near duplicates, directly or through others; each lists all images
            that show one of them.
        leaks: For each ordered pair of splits.
        blank: Indices of images of one colour.
        faint: Indices of images that are nearly of one colour.
        looked: Whether pixels were read, without which nothing is known of blank, faint and broken images.
        near_distance: Bits by which the hashes of near duplicates differ at most, whose pixels are alike too.
        scan: What the findings are about.
    """

    class_names: tuple[str, ...]
    splits: tuple[str, ...]
    counts: NDArray[np.int64]
    sizes: list[tuple[tuple[int, int, int], int]]
    exact: list[list[int]]
    near: list[list[int]]
    leaks: list[Leak]
    blank: list[int]
    faint: list[int]
    looked: bool
    near_distance: int
    scan: Scan

    @property
    def samples(self) -> Sequence[Sample]:
        """The images that could be read."""
        return self.scan.samples

    @property
    def copies(self) -> int:
        """Images that would go if one of each exact group stayed."""
        return sum(len(group) - 1 for group in self.exact)

    def within(self, split: str) -> int:
        """Images of a split that would go if it kept one of each exact group."""
        held = (sum(self.samples[index].split == split for index in group) for group in self.exact)
        return sum(max(count - 1, 0) for count in held)

    def conflicting(self, groups: list[list[int]]) -> list[list[int]]:
        """Those of the groups whose images do not all have the same label."""
        return [group for group in groups if len({self.samples[index].label for index in group}) > 1]

    @property
    def leaking(self) -> bool:
        """Whether some split knows an image of another, exactly or nearly."""
        return any(leak.exact or leak.near for leak in self.leaks)

    def balance(self, split: str) -> float | None:
        """The smallest class's count over the largest's: 1 if all are equal; None for a split without images."""
        counts = self.counts[self.splits.index(split)]
        return float(counts.min() / counts.max()) if counts.max() else None

    def to_json(self) -> dict[str, Any]:
        """Everything, with the names of the images, for `audit.json`."""
        groups = {"exact": self.exact, "near": self.near}
        return {
            "images": len(self.samples),
            "classes": list(self.class_names),
            "counts": {
                split: dict(zip(self.class_names, map(int, row), strict=True))
                for split, row in zip(self.splits, self.counts, strict=True)
            },
            "balance": {split: self.balance(split) for split in self.splits},
            "sizes": [
                {"height": height, "width": width, "channels": channels, "images": count}
                for (height, width, channels), count in self.sizes
            ],
            "exact_copies": self.copies,
            "exact_copies_within": {split: self.within(split) for split in self.splits},
            "near_distance": self.near_distance,
            "near_likeness": ALIKE,
            "leaks": [leak._asdict() for leak in self.leaks],
            "conflicting_groups": {kind: len(self.conflicting(found)) for kind, found in groups.items()},
            "pixels_read": self.looked,
            "blank": [self.samples[index].name for index in self.blank] if self.looked else None,
            "nearly_blank": [self.samples[index].name for index in self.faint] if self.looked else None,
            "broken": [
                {"name": sample.name, "class": self.class_names[sample.label], "split": sample.split, "reason": reason}
                for sample, reason in self.scan.broken
            ],
            "unlisted": [{"name": name, "reason": reason} for name, reason in self.scan.unlisted],
            "left_out": [left._asdict() for left in self.scan.left_out],
            "groups": {kind: [self._describe(group) for group in found] for kind, found in groups.items()},
        }

    def _describe(self, group: list[int]) -> list[dict[str, str]]:
        chosen = [self.samples[index] for index in group]
        return [{"name": s.name, "class": self.class_names[s.label], "split": s.split} for s in chosen]


def audit(scanned: Scan, near_distance: int = CANDIDATE_BITS) -> Audit:
    """Judge a scan.

    Images are exact copies if their pixels are equal. Different pictures are near duplicates if their perceptual
    hashes differ in at most `near_distance` bits and a look at their pixels confirms it (see `likeness`), for which
    these are read again; blank and nearly blank images, of which that hash says nothing, are left out there.

    Raises:
        DataError: `near_distance` is not in 0..64.
    """
    labels = np.array([sample.label for sample in scanned.samples])
    splits = tuple(split for split in SPLITS if any(sample.split == split for sample in scanned.samples))
    part = np.array([splits.index(sample.split) for sample in scanned.samples])
    counts = np.zeros((len(splits), len(scanned.class_names)), np.int64)
    np.add.at(counts, (part, labels), 1)
    blank = [index for index, look in enumerate(scanned.looks) if look.constant]
    faint = [
        index
        for index, look in enumerate(scanned.looks)
        if look.spread is not None and look.spread < FAINT_SPREAD and not look.constant
    ]
    numbers: dict[bytes, int] = {}
    content = np.array([numbers.setdefault(look.content, len(numbers)) for look in scanned.looks])
    _, first = np.unique(content, return_index=True)
    held = np.zeros((len(first), len(splits)), bool)
    held[content, part] = True
    telling = np.setdiff1d(first, [*blank, *faint])
    codes = np.array([scanned.looks[index].phash for index in telling], np.uint64)
    near = _near(codes, content[telling], held, near_distance, _Looks(scanned, first))
    return Audit(
        class_names=scanned.class_names,
        splits=splits,
        counts=counts,
        sizes=Counter(look.size for look in scanned.looks).most_common(),
        exact=members(content),
        near=_of_several_pictures(members(near.group[content]), content),
        leaks=_leaks(splits, part, content, held, near.beside),
        blank=blank,
        faint=faint,
        looked=all(look.spread is not None for look in scanned.looks),
        near_distance=near_distance,
        scan=scanned,
    )


def _of_several_pictures(groups: list[list[int]], content: NDArray[np.int64]) -> list[list[int]]:
    return [group for group in groups if len(np.unique(content[group])) > 1]


class _Near(NamedTuple):
    """Near duplicates among pictures, which are numbered as in `content`.

    Attributes:
        group: (pictures,) equal for pictures that are near duplicates, directly or through others.
        beside: bool (pictures, splits), whether the split has a near duplicate of the picture.
    """

    group: NDArray[np.integer]
    beside: NDArray[np.bool_]


class _Looks:
    """The details of pictures, which are read when they are first asked for.

    Args:
        scanned: the images.
        first: (pictures,) an image of each picture.
    """

    def __init__(self, scanned: Scan, first: NDArray[np.intp]) -> None:
        self._source = scanned.source
        self._samples = [scanned.samples[index] for index in first]
        self._details: dict[int, NDArray[np.float32] | str] = {}

    def alike(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the pictures of each pair look alike; no pair does of which one cannot be read."""
        new = sorted({*left.tolist(), *right.tolist()} - self._details.keys())
        shown = examine_all([self._samples[picture] for picture in new], self._look)
        self._details.update(zip(new, shown, strict=True))
        return np.array([self._pair(a, b) for a, b in zip(left.tolist(), right.tolist(), strict=True)], bool)

    def _look(self, sample: Sample) -> NDArray[np.float32]:
        return details(self._source.read(sample))

    def _pair(self, left: int, right: int) -> bool:
        one, other = self._details[left], self._details[right]
        return not isinstance(one, str) and not isinstance(other, str) and likeness(one, other) >= ALIKE


def _near(
    codes: NDArray[np.uint64], pictures: NDArray[np.int64], held: NDArray[np.bool_], distance: int, looks: _Looks
) -> _Near:
    # codes of those pictures whose hash says something; held (pictures, splits) tells which splits have which picture
    group: NDArray[np.integer] = np.arange(len(held))
    beside = np.zeros_like(held)
    for left, right, _ in near_pairs(codes, distance):
        a, b = pictures[left], pictures[right]
        while len(a):
            # among many images of one kind nearly all pairs tell nothing new, and cost no look
            new = (held[b] & ~beside[a]).any(axis=1) | (held[a] & ~beside[b]).any(axis=1) | (group[a] != group[b])
            a, b = a[new], b[new]
            alike = looks.alike(a[:STEP], b[:STEP])
            one, other = a[:STEP][alike], b[:STEP][alike]
            group = join(group, one, other)
            for split in range(held.shape[1]):
                beside[one[held[other, split]], split] = True
                beside[other[held[one, split]], split] = True
            a, b = a[STEP:], b[STEP:]
    return _Near(group, beside)


def _leaks(
    splits: tuple[str, ...],
    part: NDArray[np.int64],
    content: NDArray[np.int64],
    held: NDArray[np.bool_],
    beside: NDArray[np.bool_],
) -> list[Leak]:
    leaks = []
    for split, other in permutations(range(len(splits)), 2):
        mine = content[part == split]
        exact = held[mine, other]
        near = beside[mine, other] & ~exact
        leaks.append(Leak(splits[split], splits[other], int(exact.sum()), int(near.sum())))
    return leaks
