"""Train, validation and test of a dataset: no scene, and no near-duplicate, in two of them."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.journal import Key
from pipelines.curation.manifest import SPLITS, Manifest
from pipelines.curation.provenance import refuse_enlarged
from pipelines.curation.table import Row
from pipelines.data.grouped_split import grouped_split
from pipelines.errors import UserError


@dataclass(frozen=True)
class Division:
    """How a dataset was divided.

    Attributes:
        parts: `train`, `validation` and `test`, or `train` and `test`.
        shares: What each should have, in percent.
        classes: Alphabetically without regard to case.
        counts: int64 (classes, parts), images.
        groups: How many groups there were; as many as images in a plain division.
        largest: Images in the largest group.
    """

    parts: tuple[str, ...]
    shares: tuple[float, ...]
    classes: tuple[str, ...]
    counts: NDArray[np.int64]
    groups: int
    largest: int

    def percentages(self) -> NDArray[np.float64]:
        """(classes, parts): what each part has of each class, in percent."""
        return np.asarray(100 * self.counts / self.counts.sum(axis=1, keepdims=True))

    def deviations(self) -> NDArray[np.float64]:
        """(classes,): the largest difference between what a part has of a class and what it should, in points."""
        return np.asarray(np.abs(self.percentages() - np.array(self.shares)).max(axis=1))


def divide_dataset(manifest: Manifest, ratios: Sequence[float], *, plain: bool, near: int, seed: int) -> Division:
    """Give every labelled row a split; rows without a class lose theirs. Nothing is written.

    Args:
        manifest: The dataset, whose rows are replaced.
        ratios: Of train, validation and test, or of train and test, in any unit.
        plain: Stratified by class alone: frames of one scene may be in several parts.
        near: Perceptual hashes that differ in at most so many bits keep images together.
        seed: The same seed and rows give the same division.

    Raises:
        UserError: The ratios cannot be used, no image has a class, or varied copies would become test images.
    """
    parts = _parts(ratios)
    refuse_enlarged(manifest.folder, "divided again")
    rows = manifest.labelled()
    if not rows:
        raise UserError(
            f"{manifest.folder} has no labelled images to divide; scratchnet dataset label gives them classes"
        )
    # the order of rows, as it happens to be in the table, must not matter
    rows.sort(key=lambda row: row.key)
    classes = manifest.class_names()
    numbers = {name: number for number, name in enumerate(classes)}
    labels = np.array([numbers[row.class_name] for row in rows])
    groups = np.arange(len(rows)) if plain else find_groups(rows, near)
    part = grouped_split(labels, groups, ratios, seed)
    split = {row.key: parts[number] for row, number in zip(rows, part, strict=True)}
    manifest.rows = [dataclasses.replace(row, split=split.get(row.key)) for row in manifest.rows]
    counts = np.zeros((len(classes), len(parts)), np.int64)
    np.add.at(counts, (labels, part), 1)
    sizes = np.unique(groups, return_counts=True)[1]
    shares = tuple(100 * ratio / sum(ratios) for ratio in ratios)
    return Division(parts, shares, classes, counts, len(sizes), int(sizes.max()))


def find_groups(rows: Sequence[Row], near: int, origins: Mapping[Key, Key] | None = None) -> NDArray[np.int64]:
    """Number the images that belong together: of a scene, of the same pixels, nearly alike, or copies of one image.

    Images that are known to be of one film but not of which scene are together with the whole film.

    Args:
        rows: Of a manifest.
        near: Perceptual hashes that differ in at most so many bits are nearly alike.
        origins: The original of each varied copy, as `provenance.read_origins` gives them.

    Returns:
        int64 (rows,), the same number for rows that belong together, directly or through others.
    """
    from pipelines.curation.hashes import near_duplicates  # which loads more than reading a dataset needs

    parents = list(range(len(rows)))

    def root(member: int) -> int:
        while parents[member] != member:
            parents[member] = parents[parents[member]]
            member = parents[member]
        return member

    whole_films = {row.film for row in rows if row.film is not None and row.scene is None}
    first: dict[object, int] = {}
    for position, row in enumerate(rows):
        ties: list[object] = []
        if row.film is not None:
            ties.append((row.film, None if row.film in whole_films else row.scene))
        if row.sha256 is not None:
            ties.append(row.sha256)
        if origins:
            ties.append(("origin", origins.get(row.key, row.key)))  # no film and scene: a scene is a number
        for tie in ties:
            parents[root(position)] = root(first.setdefault(tie, position))
    hashed = [position for position, row in enumerate(rows) if row.phash is not None]
    for members in near_duplicates([rows[position].phash or "" for position in hashed], near) if hashed else []:
        for member in members[1:]:
            parents[root(hashed[member])] = root(hashed[members[0]])
    return np.array([root(position) for position in range(len(rows))], np.int64)


def _parts(ratios: Sequence[float]) -> tuple[str, ...]:
    if len(ratios) not in (2, 3) or not all(np.isfinite(ratio) and ratio > 0 for ratio in ratios):
        raise UserError(
            "the ratios must be two or three positive numbers, for train and test or for train, validation and test, "
            f"got {' '.join(f'{ratio:g}' for ratio in ratios) or 'none'}"
        )
    return SPLITS if len(ratios) == 3 else (SPLITS[0], SPLITS[2])
