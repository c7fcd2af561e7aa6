"""What vectors are worth: how well the simplest classifiers tell the classes by them."""

import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

# inverse strengths of the L2 penalty, the strongest first
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
# of L-BFGS for each of them; each begins where the one before it has ended
ITERATIONS = 100
NEIGHBOURS = (1, 3, 5, 10, 20, 50)
VOTERS = 256  # images whose neighbours' votes are counted at once


@dataclass(frozen=True)
class Part:
    """Vectors whose classes are known.

    Attributes:
        vectors: float32 (n, dimension).
        labels: int64 (n,).
    """

    vectors: Floats
    labels: Labels


@dataclass(frozen=True)
class Probed:
    """How well a classifier did.

    Attributes:
        accuracy: on the evaluated part, which is asked once.
        chosen: the setting that did best on the choosing part.
        choosing_accuracy: there.
    """

    accuracy: float
    chosen: float
    choosing_accuracy: float


def standardised(training: Part, choosing: Part, evaluated: Part) -> tuple[Part, Part, Part]:
    """The parts with mean 0 and standard deviation 1 in each dimension of the training part."""
    scaler = StandardScaler().fit(training.vectors)

    def scaled(part: Part) -> Part:
        return Part(np.asarray(scaler.transform(part.vectors), np.float32), part.labels)

    return scaled(training), scaled(choosing), scaled(evaluated)


def linear_probe(training: Part, choosing: Part, evaluated: Part, strengths: Sequence[float] = STRENGTHS) -> Probed:
    """Logistic regression with an L2 penalty, fitted by L-BFGS (Alain & Bengio, 2017, https://arxiv.org/abs/1610.01644).

    Every penalty is tried: of classes that are not alike in size, several strong ones give the most frequent class
    alone, and so the same accuracy. All is computed on one thread: the result does not depend on their number then, and
    L-BFGS's own sums are too short to be shared out.

    Args:
        training: standardised, of two classes at least.
        choosing: standardised likewise; decides on the penalty.
        evaluated: standardised likewise; measured once.
        strengths: inverses of the penalty, scikit-learn's C, rising; of equals, the first counts.
    """
    model = LogisticRegression(max_iter=ITERATIONS, tol=1e-3, warm_start=True)
    best, chosen, highest = model, strengths[0], -1.0
    for strength in strengths:
        model.set_params(C=strength)
        with warnings.catch_warnings(), threadpool_limits(1):
            # a fit that ends early is a slightly stronger penalty, and the choosing part judges what it is worth
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(training.vectors, training.labels)
        accuracy = float(model.score(choosing.vectors, choosing.labels))
        if accuracy > highest:
            best, chosen, highest = deepcopy(model), strength, accuracy
    return Probed(float(best.score(evaluated.vectors, evaluated.labels)), chosen, highest)


def neighbour_probe(training: Part, choosing: Part, evaluated: Part, neighbours: Sequence[int] = NEIGHBOURS) -> Probed:
    """The most frequent class among the nearest training vectors by Euclidean distance, the first class of equals.

    All is computed on one thread: of vectors that are equally far, which ones count does not depend on their number
    then.

    Args:
        training: standardised.
        choosing: standardised likewise; decides on how many neighbours are asked.
        evaluated: standardised likewise; measured once.
        neighbours: how many may be asked, rising; more than there are training vectors are left out.
    """
    possible = [count for count in neighbours if count <= len(training.labels)]
    search = NearestNeighbors(n_neighbors=possible[-1], algorithm="brute").fit(training.vectors)

    def nearest(part: Part) -> Labels:
        # (n, neighbours), the classes of the nearest first
        with threadpool_limits(1):
            found: Labels = training.labels[search.kneighbors(part.vectors, return_distance=False)]
        return found

    scores = _shares(nearest(choosing), possible, choosing.labels)
    best = int(np.argmax(scores))
    (accuracy,) = _shares(nearest(evaluated), possible[best : best + 1], evaluated.labels)
    return Probed(accuracy, possible[best], scores[best])


def _shares(nearest: Labels, counts: Sequence[int], labels: Labels) -> list[float]:
    """The share of images whose class most of the nearest have, for each count of them."""
    classes, right = np.eye(int(nearest.max()) + 1, dtype=np.int32), np.zeros(len(counts), np.int64)
    for start in range(0, len(labels), VOTERS):  # the votes of all images at once can take gigabytes
        rows = slice(start, start + VOTERS)
        votes = classes[nearest[rows, : counts[-1]]].cumsum(axis=1)
        right += [int((votes[:, count - 1].argmax(axis=1) == labels[rows]).sum()) for count in counts]
    return [float(share) for share in right / len(labels)]
