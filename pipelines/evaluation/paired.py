"""Two models on the same images: whether one is better, or the images just happened to suit it."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from pipelines.evaluation.intervals import LEVEL, RESAMPLES, Interval
from pipelines.evaluation.predictions import Predictions


@dataclass(frozen=True)
class Paired:
    """The second model beside the first, image by image.

    Attributes:
        images: that both were asked about.
        first_only: that the first alone got right.
        second_only: that the second alone got right.
        difference: the accuracy of the second less that of the first.
        interval: 95% interval of the difference, by bootstrap over images, or over groups where they are known.
        p_value: how likely so uneven a division of the images that one alone got right is if both are as good, by
            McNemar's exact two-sided test. Where groups are known each counts once, for whoever got more of it right.
        groups: how many groups of images that belong together there are; None where nothing is known of them.
    """

    images: int
    first_only: int
    second_only: int
    difference: float
    interval: Interval
    p_value: float
    groups: int | None


def compare_paired(first: Predictions, second: Predictions, seed: int = 0, resamples: int = RESAMPLES) -> Paired | None:
    """Compare what two models said of the same images (McNemar, Psychometrika 12, 1947).

    Args:
        first: of one model.
        second: of another, in any order.
        seed: of the bootstrap.
        resamples: how often images, or groups, are drawn anew.

    Returns:
        None if these are not the same images with the same classes.
    """
    places = {name: place for place, name in enumerate(second.names)}
    if first.names != second.names and (len(first.names) != len(places) or not places.keys() >= set(first.names)):
        return None
    order = np.array([places[name] for name in first.names])
    truth, other = (
        [said.class_names[label] for label in labels]
        for said, labels in ((first, first.labels), (second, second.labels[order]))
    )
    if truth != other:
        return None
    right, its = first.predicted == first.labels, (second.predicted == second.labels)[order]
    gains = its.astype(np.int64) - right
    groups = first.groups if first.groups is not None else second.groups[order] if second.groups is not None else None
    sums, sizes = gains, np.ones_like(gains)
    if groups is not None:
        place = np.unique(groups, return_inverse=True)[1]
        sums = np.bincount(place, gains).astype(np.int64)
        sizes = np.bincount(place)
    better, worse = int((sums > 0).sum()), int((sums < 0).sum())
    kinds, counts = np.unique(np.stack([sums, sizes], axis=1), axis=0, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(sums), counts / len(sums), resamples) @ kinds
    lower, upper = np.percentile(drawn[:, 0] / drawn[:, 1], (50 * (1 - LEVEL), 50 * (1 + LEVEL)))
    return Paired(
        len(gains),
        int((gains < 0).sum()),
        int((gains > 0).sum()),
        float(gains.mean()),
        (float(lower), float(upper)),
        float(binomtest(better, better + worse).pvalue) if better + worse else 1.0,
        None if groups is None else len(sums),
    )
