"""Scores of clusters: by hand, by brute force, by scikit-learn, and near chance for random clusters."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from pipelines.clustering.knee import knee
from pipelines.clustering.scores import TITLES, Silhouette, cluster_table, label_scores, match_clusters, sample_rows


def of(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_scores_of_a_small_case_are_those_computed_by_hand() -> None:
    # cluster 0 holds three of class 0; cluster 1 one of class 0 and two of class 1
    scores = label_scores(of(0, 0, 0, 0, 1, 1), of(0, 0, 0, 1, 1, 1))
    # pairs: 15 in all, 4 together in both, 7 in a class, 6 in a cluster
    expected = 7 * 6 / 15
    assert scores["ari"] == pytest.approx((4 - expected) / ((7 + 6) / 2 - expected))
    classes = -(4 / 6 * math.log(4 / 6) + 2 / 6 * math.log(2 / 6))
    clusters = math.log(2)
    both = -(3 / 6 * math.log(3 / 6) + 1 / 6 * math.log(1 / 6) + 2 / 6 * math.log(2 / 6))
    shared = classes + clusters - both
    assert scores["homogeneity"] == pytest.approx(shared / classes)
    assert scores["completeness"] == pytest.approx(shared / clusters)
    assert scores["nmi"] == pytest.approx(shared / ((classes + clusters) / 2))
    assert scores["v_measure"] == pytest.approx(scores["nmi"])
    assert scores["matched_purity"] == pytest.approx(5 / 6)
    assert scores["purity"] == pytest.approx(5 / 6)


def test_the_classes_themselves_score_1_under_any_numbering() -> None:
    scores = label_scores(of(0, 0, 1, 1, 2), of(2, 2, 0, 0, 1))
    assert all(score == pytest.approx(1) for score in scores.values())


def test_a_cluster_per_image_is_pure_but_badly_matched() -> None:
    scores = label_scores(of(0, 0, 0, 1, 1, 1), np.arange(6))
    assert scores["purity"] == 1
    assert scores["matched_purity"] == pytest.approx(2 / 6)
    assert scores["ari"] == pytest.approx(0)


def test_noise_is_a_cluster_of_its_own_but_wrong_in_both_purities() -> None:
    labels, clusters = of(0, 0, 0, 1, 1, 1), of(0, 0, -1, 1, 1, -1)
    scores = label_scores(labels, clusters)
    assert scores["ari"] == pytest.approx(metrics.adjusted_rand_score(labels, of(0, 0, 2, 1, 1, 2)))
    assert scores["matched_purity"] == scores["purity"] == pytest.approx(4 / 6)


@st.composite
def labellings(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    count = draw(st.integers(2, 30))
    rows = st.lists(st.integers(0, 4), min_size=count, max_size=count)
    clusters = np.unique(draw(rows), return_inverse=True)[1]
    return np.array(draw(rows), np.int64), clusters.astype(np.int64)


@given(labellings())
def test_scores_are_scikit_learns(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    labels, clusters = drawn
    scores = label_scores(labels, clusters)
    assert list(scores) == [name for name in TITLES if name != "silhouette"]
    judges = {
        "ari": metrics.adjusted_rand_score, "nmi": metrics.normalized_mutual_info_score,
        "homogeneity": metrics.homogeneity_score, "completeness": metrics.completeness_score,
        "v_measure": metrics.v_measure_score,
    }  # fmt: skip
    for name, judge in judges.items():
        assert scores[name] == pytest.approx(judge(labels, clusters), abs=1e-12)
    # as scikit-learn's documentation has it: it has no function for purity
    contingency = metrics.cluster.contingency_matrix(labels, clusters)
    assert scores["purity"] == pytest.approx(contingency.max(axis=0).sum() / len(labels))


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**16))
def test_the_matching_is_the_best_of_all(clusters: int, classes: int, seed: int) -> None:
    table = np.random.default_rng(seed).integers(0, 6, (clusters, classes))
    matching = match_clusters(table)
    assert len(set(matching.values())) == len(matching)
    assert all(table[pair] > 0 for pair in matching.items())
    wide = table if clusters <= classes else table.T
    best = max(
        sum(wide[row, column] for row, column in enumerate(columns))
        for columns in permutations(range(wide.shape[1]), wide.shape[0])
    )
    assert sum(table[pair] for pair in matching.items()) == best


def test_the_table_counts_images_by_cluster_and_class_without_noise() -> None:
    table = cluster_table(of(0, 1, 1, 0, 2), of(1, 1, 0, -1, 1), classes=4)
    np.testing.assert_array_equal(table, [[0, 1, 0, 0], [1, 1, 1, 0]])


def test_random_clusters_have_an_ari_near_0() -> None:
    rng = np.random.default_rng(0)
    found = [label_scores(rng.integers(0, 7, 2000), rng.integers(0, 7, 2000))["ari"] for _ in range(5)]
    assert abs(np.mean(found)) < 0.003
    assert max(map(abs, found)) < 0.01


def test_the_silhouette_is_scikit_learns_without_noise() -> None:
    rng = np.random.default_rng(1)
    vectors, clusters = rng.random((60, 5), np.float32), rng.integers(-1, 3, 60)
    inside = clusters >= 0
    want = metrics.silhouette_score(vectors[inside].astype(np.float64), clusters[inside])
    assert Silhouette(vectors, seed=0)(clusters) == pytest.approx(want)


def test_the_silhouette_of_many_images_is_that_of_a_sample_by_seed() -> None:
    rng = np.random.default_rng(1)
    vectors, clusters = rng.random((200, 5), np.float32), rng.integers(0, 3, 200)
    chosen = sample_rows(200, 50, seed=3)
    assert len(set(chosen.tolist())) == 50
    assert chosen.tolist() == sorted(chosen.tolist())
    want = metrics.silhouette_score(vectors[chosen].astype(np.float64), clusters[chosen])
    assert Silhouette(vectors, seed=3, most=50)(clusters) == pytest.approx(want)
    assert Silhouette(vectors, seed=4, most=50)(clusters) != pytest.approx(want)


def test_there_is_no_silhouette_of_one_cluster_or_of_single_images() -> None:
    vectors = np.random.default_rng(1).random((6, 5), np.float32)
    assert Silhouette(vectors, 0)(np.zeros(6, np.int64)) is None
    assert Silhouette(vectors, 0)(np.arange(6)) is None
    assert Silhouette(vectors, 0)(of(0, 0, 0, -1, -1, -1)) is None


def test_the_knee_is_where_the_curve_is_furthest_from_its_chord() -> None:
    assert knee([10, 4, 3, 2, 1]) == 1
    assert knee([0, 0.1, 0.2, 0.3, 5]) == 3
    assert knee(1 / np.arange(1, 11)) == 2  # the distance 1 - 0.1 (k - 1) - 1 / k is largest at k = sqrt(10)
    assert knee([3, 2, 1]) == knee([1, 1, 1]) == knee([5]) == knee([2, 1]) == 0
    assert knee([0.1, 0.2, 0.3]) == 0, "a straight line, but for rounding"
