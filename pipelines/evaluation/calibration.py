"""Whether a model is right as often as it says."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.evaluation.predictions import Predictions

BINS = 15


class Reliability(NamedTuple):
    """Images in equally wide bins of the probability of their predicted class.

    Attributes:
        confidence: (bins,) the mean of that probability; NaN in an empty bin.
        accuracy: (bins,) the share of right predictions; NaN in an empty bin.
        counts: int64 (bins,), images.
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    counts: NDArray[np.int64]

    @property
    def ece(self) -> float:
        """The expected calibration error: the sum over bins of counts / images * |accuracy - confidence|.

        Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks (2017), section 2.
        """
        filled = self.counts > 0
        gaps = abs(self.accuracy[filled] - self.confidence[filled])
        return float((self.counts[filled] * gaps).sum() / self.counts.sum())


def reliability(predictions: Predictions, bins: int = BINS) -> Reliability | None:
    """Sort images into bins of their top probability; bin m of M holds the probabilities in ((m - 1) / M, m / M].

    Returns:
        None if the numbers are no probabilities.
    """
    if not predictions.is_distribution:
        return None
    top = predictions.probabilities.max(axis=1)
    right = predictions.predicted == predictions.labels
    # the inner edges alone, so that what rounding puts above 1 is in the last bin
    place = np.digitize(top, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0 / 0 in empty bins
        return Reliability(
            np.bincount(place, top, bins) / counts, np.bincount(place, right, bins) / counts, counts.astype(np.int64)
        )
