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

    Args:
        training: standardised.
        choosing: standardised likewise; decides on how many neighbours are asked.
        evaluated: standardised likewise; measured once.
        neighbours: how many may be asked, rising; more than there are training vectors are left out.
    """
    possible = [count for count in neighbours if count <= len(training.labels)]
    search = NearestNeighbors(n_neighbors=possible[-1], algorithm="brute").fit(training.vectors)
    classes = int(training.labels.max()) + 1

    def nearest(part: Part) -> NDArray[np.float32]:
        # (n, neighbours, classes) of 0 and 1, the nearest first
        found = search.kneighbors(part.vectors, return_distance=False)
        votes: NDArray[np.float32] = np.eye(classes, dtype=np.float32)[training.labels[found]]
        return votes

    votes = nearest(choosing).cumsum(axis=1)
    scores = [_share(votes[:, count - 1], choosing.labels) for count in possible]
    best = int(np.argmax(scores))
    accuracy = _share(nearest(evaluated)[:, : possible[best]].sum(axis=1), evaluated.labels)
    return Probed(accuracy, possible[best], scores[best])


def _share(votes: NDArray[np.float32], labels: Labels) -> float:
    return float((votes.argmax(axis=1) == labels).mean())
