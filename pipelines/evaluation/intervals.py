"""How far figures would move if other images of the same kind had been measured."""

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
LEVEL = 0.95

# the lower and the upper end
Interval = tuple[float, float]


def bootstrap_intervals(
    matrix: NDArray[np.int64], seed: int = 0, resamples: int = RESAMPLES, level: float = LEVEL
) -> dict[str, Interval | None]:
    """Percentile bootstrap over images (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).

    The figures depend on the confusion matrix alone, and drawing as many images as there are, with replacement, draws
    its cells from a multinomial distribution. Classes that a resample lacks count in none of its averages. Images that
    belong together, such as frames of one scene, are no independent draws: where their groups are known these are drawn
    instead, each whole (Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8).

    Args:
        matrix: int64 (classes, classes); rows are true classes, columns predictions; at least one image. Or such a
            matrix for each group: (groups, classes, classes).
        seed: of the drawing.
        resamples: how often the images, or groups, are drawn anew.
        level: the share of resamples inside each interval.

    Returns:
        Of `accuracy`, `macro_f1`, `balanced_accuracy` and `cohen_kappa`; None where a figure is never defined.
    """
    whole, classes = matrix.reshape(-1, *matrix.shape[-2:]).sum(axis=0), np.arange(matrix.shape[-1])
    rows, columns = np.nonzero(whole)
    cells = whole[rows, columns]
    if matrix.ndim == 2:  # each image is a group, which has one cell
        kinds, counts = np.eye(len(cells), dtype=np.int64), cells
    else:
        kinds, counts = np.unique(matrix[:, rows, columns], axis=0, return_counts=True)
    total = int(counts.sum())
    drawn = (np.random.default_rng(seed).multinomial(total, counts / total, resamples) @ kinds).astype(float)
    true, predicted = drawn @ (rows[:, None] == classes), drawn @ (columns[:, None] == classes)
    right = drawn @ ((rows[:, None] == classes) & (rows == columns)[:, None])
    ends = (50 * (1 - level), 50 * (1 + level))
    intervals: dict[str, Interval | None] = {}
    for name, values in _figures(true, predicted, right).items():
        known = values[np.isfinite(values)]
        lower, upper = np.percentile(known, ends) if len(known) else (np.nan, np.nan)
        intervals[name] = (float(lower), float(upper)) if len(known) else None
    return intervals


def _figures(
    true: NDArray[np.float64], predicted: NDArray[np.float64], right: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    # of (resamples, classes) true images, predictions and right ones
    images = true.sum(axis=1)
    accuracy = right.sum(axis=1) / images
    chance = (true * predicted).sum(axis=1) / images**2
    with np.errstate(invalid="ignore"):  # 0 / 0 for a class that a resample lacks, or if everything is one class
        recall = right / true
        f1 = np.where(true > 0, 2 * right / (true + predicted), np.nan)
        kappa = (accuracy - chance) / (1 - chance)
    return {
        "accuracy": accuracy,
        "macro_f1": np.nanmean(f1, axis=1),
        "balanced_accuracy": np.nanmean(recall, axis=1),
        "cohen_kappa": kappa,
    }
