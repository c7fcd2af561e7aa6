"""Probes: right on what is easy, as scikit-learn's own classifiers are, and blind to what they are measured on."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits

from pipelines.features.probes import STRENGTHS, Part, linear_probe, neighbour_probe, standardised


def part(count: int, seed: int, apart: float = 3.0, dimension: int = 6, classes: int = 3) -> Part:
    """Clouds, as far apart as said, around fixed centres."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    centres = np.random.default_rng(99).normal(0, apart, (classes, dimension))
    return Part((centres[labels] + rng.normal(0, 1, (count, dimension))).astype(np.float32), labels.astype(np.int64))


def parts(apart: float = 3.0) -> tuple[Part, Part, Part]:
    return standardised(part(90, 1, apart), part(60, 2, apart), part(60, 3, apart))


def test_all_parts_are_scaled_by_the_training_part_alone() -> None:
    training, other = part(50, 1), Part(np.full((2, 6), 7, np.float32), np.zeros(2, np.int64))
    scaled, _, same = standardised(training, training, other)
    np.testing.assert_allclose(scaled.vectors.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.vectors.std(axis=0), 1, atol=1e-5)
    expected = (7 - training.vectors.mean(axis=0)) / training.vectors.std(axis=0)
    np.testing.assert_allclose(same.vectors, [expected, expected], rtol=1e-4)


def test_a_number_that_never_changes_does_no_harm() -> None:
    constant = Part(np.ones((4, 2), np.float32), np.array([0, 1, 0, 1]))
    assert np.isfinite(standardised(constant, constant, constant)[0].vectors).all()


def test_clouds_that_are_far_apart_are_told_apart() -> None:
    for probe in (linear_probe, neighbour_probe):
        assert probe(*parts(apart=20)).accuracy == 1


def test_the_linear_probe_is_logistic_regression_with_the_penalty_that_chooses_best() -> None:
    training, choosing, evaluated = parts(apart=0.7)
    strengths = (1e-3, 1e-1)
    found = linear_probe(training, choosing, evaluated, strengths)
    judges = [
        LogisticRegression(C=strength, max_iter=1000).fit(training.vectors, training.labels) for strength in strengths
    ]
    scores = [judge.score(choosing.vectors, choosing.labels) for judge in judges]
    best = int(np.argmax(scores))
    assert found.chosen == strengths[best]
    assert abs(found.choosing_accuracy - scores[best]) <= 1 / 60
    assert abs(found.accuracy - judges[best].score(evaluated.vectors, evaluated.labels)) <= 1 / 60


def test_penalties_that_give_the_most_frequent_class_alone_do_not_hide_a_better_one() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(156) % 13 // 12
    vectors = (3.0 * labels[:, None] + rng.normal(0, 1, (156, 4))).astype(np.float32)
    three = standardised(*(Part(vectors[start::3], labels[start::3]) for start in (0, 1, 2)))
    scores = [
        LogisticRegression(C=strength, max_iter=1000).fit(*vars(three[0]).values()).score(*vars(three[1]).values())
        for strength in STRENGTHS
    ]
    assert scores[0] == scores[1] == scores[2] < max(scores), "a case of that kind"
    assert linear_probe(*three).choosing_accuracy == max(scores)


def test_the_neighbour_probe_is_scikit_learns_with_the_count_that_chooses_best() -> None:
    training, choosing, evaluated = parts(apart=0.7)
    counts = (1, 4, 15)
    found = neighbour_probe(training, choosing, evaluated, counts)
    judges = [KNeighborsClassifier(count).fit(training.vectors, training.labels) for count in counts]
    scores = [judge.score(choosing.vectors, choosing.labels) for judge in judges]
    best = int(np.argmax(scores))
    assert found.chosen == counts[best]
    assert found.choosing_accuracy == scores[best]
    assert found.accuracy == judges[best].score(evaluated.vectors, evaluated.labels)


def test_probes_do_not_depend_on_the_number_of_threads() -> None:
    rng = np.random.default_rng(3)

    def tied(count: int) -> Part:
        # many vectors are equally far from each other
        return Part(rng.integers(0, 3, (count, 3)).astype(np.float32), rng.integers(0, 5, count))

    three = tied(3000), tied(600), tied(600)
    found = []
    for threads in (1, 2, 3):
        with threadpool_limits(threads):
            found.append((neighbour_probe(*three), linear_probe(*three, strengths=[1e-3])))
    assert found[0] == found[1] == found[2]


def test_votes_are_counted_the_same_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = neighbour_probe(*parts(apart=0.7))
    monkeypatch.setattr("pipelines.features.probes.VOTERS", 7)
    assert neighbour_probe(*parts(apart=0.7)) == whole


def test_what_is_evaluated_decides_on_nothing() -> None:
    training, choosing, evaluated = parts(apart=0.7)
    wrong = Part(evaluated.vectors, (evaluated.labels + 1) % 3)
    for probe in (linear_probe, neighbour_probe):
        right, other = probe(training, choosing, evaluated), probe(training, choosing, wrong)
        assert (right.chosen, right.choosing_accuracy) == (other.chosen, other.choosing_accuracy)
        assert right.accuracy != other.accuracy


def test_more_neighbours_than_images_are_not_asked_and_classes_without_training_images_are_never_right() -> None:
    training, choosing, _ = parts()
    few = Part(training.vectors[:4], training.labels[:4])
    unknown = Part(training.vectors, np.full(90, 5, np.int64))
    found = neighbour_probe(few, choosing, unknown)
    assert found.chosen <= 4
    assert found.accuracy == 0
