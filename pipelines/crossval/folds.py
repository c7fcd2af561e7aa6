"""Who is held out when: every image outside the test part once, its scene with it, every class in its share.

Copies of an image are held out with it; augmented images never, and they teach only where their originals do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from pipelines.curation.hashes import join
from pipelines.data.errors import DataError
from pipelines.data.parts import Parts, group_numbers, hold_back, limit_samples, set_test_aside
from pipelines.data.sample import Sample, Source


@dataclass(frozen=True)
class Folds:
    """Disjoint lists of samples that together are all that is not set aside.

    Attributes:
        held_out: the samples of each fold, in the order of the source.
        test: the samples set aside, which nothing here touches.
        grouped: whether some samples belong together, and so are in one fold.
        augmented: what was made out of the samples of each fold, to learn from alone.
    """

    held_out: tuple[tuple[Sample, ...], ...]
    test: tuple[Sample, ...]
    grouped: bool
    augmented: tuple[tuple[Sample, ...], ...] = ()

    def others(self, fold: int) -> list[Sample]:
        """What is left to learn from when fold `fold`, from 0, is held out."""
        parts = (*enumerate(self.held_out), *enumerate(self.augmented))
        return [sample for number, part in parts if number != fold for sample in part]

    def parts(self, fold: int, inner: float | None, seed: int, class_names: Sequence[str]) -> Parts:
        """What the network of a fold learns from, and what validates it.

        Args:
            fold: from 0.
            inner: the share of the other folds' images that is held back to choose by, class by class, groups whole;
                None where nothing is chosen, so that the held-out fold itself can be watched at every epoch.
            seed: decides the lots.
            class_names: in label order.

        Raises:
            DataError: no image is left to choose by, or none of a class to learn from.
        """
        others = self.others(fold)
        if inner is None:
            return Parts(others, list(self.held_out[fold]), list(self.test))
        kept, held = hold_back(others, inner, seed)
        if not held:
            raise DataError(
                f"fold {fold + 1} has {_images(len(others))} to learn from, too few to choose an epoch by some of "
                "them; add images, or take a recipe that keeps the last epoch"
            )
        _check_taught(kept, class_names, fold, "the images to choose an epoch by have")
        return Parts(kept, held, list(self.test))


def make_folds(
    source: Source,
    folds: int,
    test: float,
    seed: int,
    limit: int | None = None,
    contents: Callable[[Sequence[Sample]], Sequence[str | None]] | None = None,
) -> Folds:
    """Divide what is not set aside for the test into folds, training and validation samples of the source together.

    Every class has the same share in each fold as far as groups allow it; a sample without a group is one by itself.
    Augmented samples follow their originals' fold; those whose originals are in none are left out.

    Args:
        source: where the samples come from.
        folds: how many, at least 2.
        test: the share set aside where the source has no splits; the same samples as `divide` sets aside.
        seed: the same seed gives the same folds.
        limit: the largest number of samples in all folds together.
        contents: gives a hash of each sample, or None for one that cannot be read; equal ones stay together.

    Raises:
        DataError: there are too few images, or groups of them, for so many folds; the message says of which class.
    """
    if folds < 2:
        raise DataError(f"cross-validation needs 2 folds or more, got {folds}")
    left, held_for_test = set_test_aside(source, test, seed)
    rest = [sample for sample in left if not sample.augmented]
    if not rest:
        raise DataError("there is nothing to make folds of: the data have only test images")
    if limit is not None:
        rest = limit_samples(rest, limit, seed)
    originals = rest
    if contents is not None:
        rest = _with_copies(rest, contents(rest))
    labels = np.array([sample.label for sample in rest])
    groups = group_numbers(rest)
    _check_counts(labels, source.class_names, folds, limit)
    grouped = len(np.unique(groups)) < len(rest)
    if grouped:
        _check_groups(labels, groups, source.class_names, folds)
    splitter = (StratifiedGroupKFold if grouped else StratifiedKFold)(folds, shuffle=True, random_state=seed)
    held = [held for _, held in splitter.split(np.zeros(len(rest)), labels, groups if grouped else None)]
    homes = {originals[i].group: (number, rest[i].group) for number, fold in enumerate(held) for i in fold}
    augmented: list[list[Sample]] = [[] for _ in range(folds)]
    for sample in left:
        if sample.augmented and sample.group in homes:
            number, group = homes[sample.group]
            augmented[number].append(replace(sample, group=group))
    made = Folds(
        tuple(tuple(rest[i] for i in sorted(fold)) for fold in held),
        tuple(held_for_test),
        grouped,
        tuple(map(tuple, augmented)),
    )
    _check_training(made, source.class_names)
    return made


def lacking(folds: Folds, class_names: Sequence[str]) -> list[tuple[int, str]]:
    """(number of the fold from 1, class) wherever a held-out fold has no image of a class, for want of groups."""
    return [
        (number, name)
        for number, part in enumerate(folds.held_out, 1)
        for label, name in enumerate(class_names)
        if not any(sample.label == label for sample in part)
    ]


def _with_copies(samples: Sequence[Sample], contents: Sequence[str | None]) -> list[Sample]:
    # in one group with samples of equal content, and whatever belongs to those
    first: dict[object, int] = {}
    links = [
        (place, first.setdefault(tie, place))
        for place, ties in enumerate(zip(group_numbers(samples).tolist(), contents, strict=True))
        for tie in ties
        if tie is not None
    ]
    groups = join(np.arange(len(samples)), *np.array(links, np.intp).T)
    alone = np.bincount(groups)[groups] == 1
    return [
        sample if single and sample.group is None else replace(sample, group=int(group))
        for sample, group, single in zip(samples, groups, alone, strict=True)
    ]


def _check_counts(labels: NDArray[np.int64], class_names: Sequence[str], folds: int, limit: int | None) -> None:
    counts = np.bincount(labels, minlength=len(class_names))
    smallest = int(np.argmin(counts))
    count = int(counts[smallest])
    if count < folds:
        fewer = [f"pass --folds {count}"] if count >= 2 else []
        more = "add images of it" if limit is None else f"raise the limit of {limit}"
        raise DataError(
            f"the class {class_names[smallest]} has {_images(count)} outside the test part, too few for {folds} folds; "
            + " or ".join([*fewer, more])
        )


def _check_groups(labels: NDArray[np.int64], groups: NDArray[np.int64], class_names: Sequence[str], folds: int) -> None:
    for label, name in enumerate(class_names):
        own = groups[labels == label]
        if len(np.unique(own)) < 2:
            raise DataError(
                f"all {_images(len(own))} of the class {name} belong together, as frames of one scene or copies do, "
                "so the others cannot teach it; add images of it from other scenes"
            )
    count = len(np.unique(groups))
    if count < folds:
        raise DataError(
            f"the images are of {count} scenes or other groups that stay whole, too few for {folds} folds; "
            f"pass --folds {count} or add images of other scenes"
        )


def _check_training(folds: Folds, class_names: Sequence[str]) -> None:
    for number, part in enumerate(folds.held_out):
        if not part:
            raise DataError(
                f"fold {number + 1} stays empty, since groups of images that belong together are few or large; "
                "choose fewer folds or another seed"
            )
        _check_taught(folds.others(number), class_names, number, "it has")


def _check_taught(training: Sequence[Sample], class_names: Sequence[str], fold: int, culprit: str) -> None:
    taught = {sample.label for sample in training}
    for label, name in enumerate(class_names):
        if label not in taught:
            raise DataError(
                f"fold {fold + 1} has nothing to learn the class {name} from: {culprit} every scene of it; choose "
                "another number of folds or another seed, or add images of it from other scenes"
            )


def _images(count: int) -> str:
    return f"{count:,} image" + "s" * (count != 1)
