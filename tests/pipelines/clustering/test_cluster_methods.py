"""Every method finds clusters that are plain to see, the same ones each time, and says clearly when it cannot."""

import numpy as np
import pytest
from sklearn.cluster import DBSCAN
from threadpoolctl import threadpool_limits

from pipelines.clustering.assessing import assess
from pipelines.clustering.choice import Choice, try_numbers
from pipelines.clustering.methods import _FITS, CORE, METHODS, by_size, cluster, core_distances
from pipelines.clustering.scores import NOISE, label_scores
from pipelines.data.sample import Sample
from pipelines.errors import UserError
from pipelines.features.vectors import Vectors


def blobs(count: int = 120, seed: int = 0, spread: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Three heaps in four dimensions, of half, a third and a sixth of the images."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 2], [count // 2, count // 3, count // 6])
    vectors = np.eye(4)[labels] + spread * rng.standard_normal((len(labels), 4))
    return vectors.astype(np.float32), labels.astype(np.int64)


def as_vectors(array: np.ndarray, labels: np.ndarray) -> Vectors:
    samples = tuple(Sample(str(number), int(label), "all") for number, label in enumerate(labels))
    return Vectors(array, labels, samples, ("a", "b", "c"), (), 0.0)


@pytest.mark.parametrize("method", METHODS)
def test_heaps_are_found_and_numbered_from_the_largest(method: str) -> None:
    vectors, labels = blobs()
    found = cluster(vectors, method, clusters=3)
    inside = found.clusters != NOISE
    assert inside.mean() > 0.85
    np.testing.assert_array_equal(found.clusters[inside], labels[inside])
    assert found.found == 3
    assert found.noise == (~inside).sum()
    assert found.random is METHODS[method].random


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_clusters_on_any_number_of_threads(method: str) -> None:
    vectors = np.random.default_rng(5).random((300, 20), np.float32)
    vectors[:100, 0] += 3
    options = {"clusters": 5, "seed": 4, "sample": 150}
    with threadpool_limits(1):
        first = cluster(vectors, method, **options)
    with threadpool_limits(2):
        again = cluster(vectors, method, **options)
    np.testing.assert_array_equal(first.clusters, again.clusters)
    assert first.settings == again.settings


@pytest.mark.parametrize("method", [name for name, kind in METHODS.items() if kind.quadratic])
def test_quadratic_methods_see_a_sample_and_the_others_go_to_their_nearest(method: str) -> None:
    vectors, labels = blobs(600)
    found = cluster(vectors, method, clusters=3, sample=100)
    inside = found.clusters != NOISE
    assert inside.mean() > 0.8
    np.testing.assert_array_equal(found.clusters[inside], labels[inside])
    assert found.random, "the sample is drawn by lot"
    assert any("computed on 100 images by lot" in note for note in found.notes)


def test_dbscan_is_scikit_learns_with_eps_at_the_knee_of_the_core_distances() -> None:
    vectors, _ = blobs(spread=0.2)
    found = cluster(vectors, "dbscan", clusters=3)
    distances = [np.sort(np.linalg.norm(vectors - each, axis=1))[CORE - 1] for each in vectors]
    np.testing.assert_allclose(core_distances(vectors), np.sort(distances), rtol=1e-5)
    assert np.isclose(found.settings["eps"], np.sort(distances), rtol=1e-5).any()
    want = by_size(DBSCAN(eps=found.settings["eps"], min_samples=CORE).fit_predict(vectors))
    np.testing.assert_array_equal(found.clusters, want)
    assert cluster(vectors, "dbscan", clusters=3, eps=10.0).found == 1


def test_copies_do_not_bring_the_radius_of_dbscan_to_0() -> None:
    vectors = np.repeat(np.float32([[0, 0], [0, 1], [5, 5]]), [20, 20, 1], axis=0)
    found = cluster(vectors, "dbscan", clusters=2)
    assert found.settings["eps"] > 0
    with pytest.raises(UserError, match="pass --eps"):
        cluster(np.repeat(np.float32([[0, 0], [0, 1]]), 20, axis=0), "dbscan", clusters=2)


def test_clusters_are_numbered_by_size_and_noise_stays() -> None:
    np.testing.assert_array_equal(by_size(np.array([7, -1, 3, 3, -1, 3, 7, 9])), [1, -1, 0, 0, -1, 0, 1, 2])


@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_be_clustered_is_refused(method: str) -> None:
    vectors, _ = blobs()
    broken = vectors.copy()
    broken[3, 1] = np.nan
    with pytest.raises(UserError, match="not finite"):
        cluster(broken, method, clusters=3)
    with pytest.raises(UserError, match="same vector"):
        cluster(np.ones((20, 3), np.float32), method, clusters=3)
    if METHODS[method].takes_number:
        with pytest.raises(UserError, match="no more than the 4 images, got 5"):
            cluster(vectors[:4], method, clusters=5)


@pytest.mark.parametrize("clusters", [6, 5])
def test_spectral_clustering_needs_more_images_than_clusters(clusters: int) -> None:
    with pytest.raises(UserError, match=rf"(needs more images than|no more than the 5 images, got {clusters})"):
        cluster(blobs()[0][:5], "spectral", clusters=clusters)


@pytest.mark.parametrize("kind", [ValueError, TypeError, np.linalg.LinAlgError])
def test_a_method_that_fails_on_the_vectors_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise kind("ill-defined covariance\nand more lines")

    monkeypatch.setitem(_FITS, "gaussian", fail)
    with pytest.raises(
        UserError, match=r"Gaussian mixture cannot .*\(ill-defined covariance\); choose another --method"
    ):
        cluster(blobs()[0], "gaussian", clusters=3)


def test_all_noise_is_refused_with_the_remedy() -> None:
    vectors, _ = blobs()
    with pytest.raises(UserError, match="DBSCAN calls all 120 images noise with eps 1e-06: pass a larger --eps"):
        cluster(vectors, "dbscan", clusters=3, eps=1e-6)
    with pytest.raises(UserError, match="noise with eps 1e-06"):
        cluster(vectors, "dbscan", clusters=3, eps=1e-6, sample=50)


def test_fewer_different_vectors_than_clusters_are_told() -> None:
    vectors = np.repeat(np.eye(2, dtype=np.float32), 10, axis=0)
    found = cluster(vectors, "kmeans", clusters=5)
    assert found.found == 2
    assert "only 2 of 5 clusters have images" in found.notes


def test_a_random_method_is_run_with_each_seed_and_another_one_once() -> None:
    vectors = as_vectors(*blobs(spread=0.6))
    several, once = assess(vectors, "minibatch", 3, seeds=4), assess(vectors, "agglomerative", 3, seeds=4)
    assert (several.runs, once.runs) == (4, 1)
    want = [
        label_scores(vectors.labels, cluster(vectors.array, "minibatch", clusters=3, seed=n).clusters) for n in range(4)
    ]
    for name in want[0]:
        score = several.scores[name]
        assert score is not None
        assert score.mean == pytest.approx(np.mean([each[name] for each in want]))
        assert score.deviation == pytest.approx(np.std([each[name] for each in want], ddof=1))
        alone = once.scores[name]
        assert alone is not None
        assert alone.deviation is None


def test_random_clusters_of_the_same_sizes_stand_beside_each_score() -> None:
    vectors = as_vectors(*blobs(600))
    outcome = assess(vectors, "kmeans", 3, seeds=3)
    assert outcome.scores["ari"] is not None
    assert outcome.scores["ari"].mean == pytest.approx(1)
    assert abs(outcome.scores["ari"].random) < 0.02
    assert outcome.scores["purity"] is not None
    assert outcome.scores["purity"].random == pytest.approx(0.5, abs=0.05), "the largest class has half of the images"
    assert outcome.scores["silhouette"] is not None
    assert outcome.scores["silhouette"].random < 0.05 < 0.5 < outcome.scores["silhouette"].mean
    np.testing.assert_array_equal(outcome.table, np.diag([300, 200, 100]))
    assert outcome.matching == {0: 0, 1: 1, 2: 2}


def test_both_rules_find_the_number_of_heaps() -> None:
    rng = np.random.default_rng(0)
    corners = np.array([[0, 0], [9, 0], [0, 9], [9, 9]])
    vectors = (np.repeat(corners, 30, axis=0) + rng.standard_normal((120, 2))).astype(np.float32)
    choice = try_numbers(vectors, classes=4)
    assert choice.numbers == tuple(range(2, 13))
    assert choice.by_silhouette == choice.best("silhouette") == 4
    assert choice.by_elbow == choice.best("elbow") == 4
    assert all(late < early for early, late in zip(choice.inertia, choice.inertia[1:], strict=False))
    assert try_numbers(vectors[:3], classes=4).numbers == (2,)


def test_where_no_silhouette_is_known_the_rule_chooses_nothing() -> None:
    choice = try_numbers(np.eye(2, dtype=np.float32), classes=2)
    assert choice.by_silhouette is None
    assert choice.best("elbow") == 2
    with pytest.raises(UserError, match="2 images are too few to know a silhouette"):
        choice.best("silhouette")


def test_of_many_classes_some_numbers_are_tried_up_to_twice_the_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.clustering.choice.STARTS", 1)
    numbers = try_numbers(np.random.default_rng(0).random((130, 2), np.float32), classes=60).numbers
    assert (numbers[0], numbers[-1]) == (2, 120)
    assert 10 <= len(numbers) <= 20
    assert sorted(set(numbers)) == list(numbers)
    gaps = np.diff(numbers)
    assert gaps[-1] > 10 > gaps[0]


def test_the_elbow_of_spaced_numbers_is_furthest_from_the_chord_between_them() -> None:
    numbers = (2, 4, 8, 16, 32)
    inertia = tuple(10 - 9 * (number - 2) / 30 - (1 if number == 8 else 0) for number in numbers)
    assert Choice(numbers, inertia, (None,) * 5, 99, 99).by_elbow == 8
    straight = tuple(float(-number) for number in numbers)
    assert Choice(numbers, straight, (None,) * 5, 99, 99).by_elbow == 2, "a straight line over the numbers"


def test_of_equal_silhouettes_the_smallest_number_is_chosen() -> None:
    choice = Choice((2, 3, 4, 5), (4.0, 3.0, 2.0, 1.0), (None, 0.25, 0.25, -0.5), 9, 9)
    assert choice.by_silhouette == 3
