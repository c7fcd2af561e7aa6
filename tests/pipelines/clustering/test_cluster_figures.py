"""The drawings of clusters: nothing is cut off, names are drawn as they are, and colours say which class is meant."""

from pathlib import Path

import numpy as np
import pytest
from figures_checked import assert_nothing_is_cut_off, words_of
from matplotlib.colors import to_rgba

from pipelines.clustering.drawing import filters_figure, nearest_to_centres
from pipelines.clustering.embedding import DRAWN, drawn_rows, has_umap, principal_components, tsne, umap
from pipelines.data.drawn import DrawnFaces
from pipelines.data.preprocessing import Preprocessing
from pipelines.features.filter_vectors import FilterMaker
from pipelines.features.vectors import extract
from pipelines.figures.cluster_numbers import draw_cluster_numbers
from pipelines.figures.cluster_table import draw_cluster_table
from pipelines.figures.colours import class_colours
from pipelines.figures.embedding import NOISE_COLOUR, Embedding, cluster_colours, draw_embeddings
from scratchnet.features import filter_bank

NAMES = ("angry", "$5 or $6^", "a class with a long name that goes on and on")


def words(figure: object) -> set[str]:
    return {text.get_text() for text in words_of(figure)}  # type: ignore[arg-type]


@pytest.mark.parametrize("clusters", [3, 40])
def test_points_are_drawn_by_class_and_by_cluster_and_nothing_is_cut_off(clusters: int) -> None:
    rng = np.random.default_rng(0)
    labels, found = rng.integers(0, 3, 90), np.arange(90) % (clusters + 1) - 1
    plane, space = rng.random((90, 2)), rng.random((90, 3))
    drawn = [Embedding("PCA", plane, ("one", "two")), Embedding("in space", space, ("one", "two", "three"))]
    figure = draw_embeddings(drawn, labels, found, NAMES, {0: 2, 1: 0, 2: 1}, "title $x$")
    assert_nothing_is_cut_off(figure)
    shown = words(figure)
    assert {
        "PCA, by class",
        "PCA, by cluster",
        "in space, by cluster",
        r"title \$x\$",
        "1  angry",
        r"\$5 or \$6^",
    } <= shown
    if clusters == 3:
        assert "noise" in shown
    else:
        assert "and 28 more" in shown
    left, right = figure.axes[:2]
    np.testing.assert_allclose(np.asarray(left.collections[0].get_offsets()), plane)
    colours = np.asarray(right.collections[0].get_facecolors())[:, :3]
    of_class = class_colours(3)
    for row, number in enumerate(found):
        if number == -1:
            np.testing.assert_allclose(colours[row], NOISE_COLOUR[:3])
        elif number < 3:
            np.testing.assert_allclose(colours[row], of_class[{0: 2, 1: 0, 2: 1}[number]][:3])


def test_clusters_without_a_class_have_no_classs_colour() -> None:
    colours = cluster_colours(np.array([0, 1, 2, -1]), class_colours(2), {0: 1, 2: 0})
    assert list(colours) == [0, 1, 2, -1]
    assert colours[0] == class_colours(2)[1]
    assert colours[1] not in class_colours(2)


@pytest.mark.parametrize("clusters", [1, 3, 200])
def test_the_table_shows_counts_and_frames_the_matched_class(clusters: int) -> None:
    table = np.arange(clusters * 3).reshape(clusters, 3) + 1000
    figure = draw_cluster_table(table, np.array([0, 4, 0]), NAMES, {0: 1}, "K-Means on fixed filters")
    assert_nothing_is_cut_off(figure)
    shown = words(figure)
    assert {"1,000", "1,001", "noise  (4)", "0  (3,003)"} <= shown
    assert ("170 more" in {word.split("  ")[0] for word in shown}) is (clusters == 200)
    (frame,) = [patch for patch in figure.axes[0].patches if to_rgba(patch.get_facecolor())[3] == 0]
    centre = frame.get_bbox()  # type: ignore[attr-defined]
    assert (round((centre.x0 + centre.x1) / 2), round((centre.y0 + centre.y1) / 2)) == (1, 0)


def test_of_many_classes_the_last_ones_share_a_column() -> None:
    table = np.ones((2, 200), np.int64)
    figure = draw_cluster_table(table, np.zeros(200, np.int64), [f"class {n}" for n in range(200)], {0: 3, 1: 150}, "x")
    assert_nothing_is_cut_off(figure)
    assert figure.get_figwidth() < 30
    shown = words(figure)
    assert {"class 0", "class 29", "170 more", "170", "0  (200)"} <= shown
    assert "class 30" not in shown
    frames = [patch for patch in figure.axes[0].patches if to_rgba(patch.get_facecolor())[3] == 0]
    assert len(frames) == 1


def test_the_curves_show_what_each_rule_chooses() -> None:
    figure = draw_cluster_numbers([2, 3, 4], [9.0, 3.0, 2.0], [0.2, None, 0.1], 3, 2, 7, "K-Means on $x$")
    assert_nothing_is_cut_off(figure)
    assert {"elbow: 3", "largest: 2", "taken: 7", "chord"} <= words(figure)


@pytest.mark.parametrize("taken", [2, None])
def test_a_silhouette_that_is_not_known_or_of_a_sample_is_said(taken: int | None) -> None:
    figure = draw_cluster_numbers([2], [9.0], [None], 2, None, taken, "K-Means", 2000)
    assert_nothing_is_cut_off(figure)
    assert {"unknown", "mean silhouette (2,000 of the images)"} <= words(figure)


@pytest.mark.parametrize(("kind", "first"), [("fixed", None), ("random", "filter 1"), ("own", "filter 1")])
def test_the_first_filters_are_drawn_with_what_they_answer_to(tmp_path: Path, kind: str, first: str | None) -> None:
    own = tmp_path / "own.npy"
    np.save(own, np.random.default_rng(0).random((3, 3, 1, 40)).astype(np.float32))
    maker = FilterMaker(
        "fixed" if kind == "own" else kind, Preprocessing(16, 16, 1), filters=own if kind == "own" else None
    )
    names, kernels = maker.first_filters()
    convolution = next(layer for layer in maker.extractor.model_.layers if layer.weights)
    np.testing.assert_array_equal(kernels.reshape(-1), convolution.get_weights()[0].reshape(-1))
    assert names[0] == (first or filter_bank(1).names[0])
    source = DrawnFaces(14, size=16)
    vectors = extract(maker, source, source.samples)
    figure = filters_figure(maker, vectors, lambda sample: maker.preprocessing(source.read(sample)), 0)
    assert_nothing_is_cut_off(figure)
    assert (names[31] in words(figure)) if kind == "own" else (set(names) <= words(figure))


def test_the_nearest_images_are_those_nearest_to_the_mean_of_their_cluster() -> None:
    rng = np.random.default_rng(2)
    vectors, clusters = rng.random((50, 4)).astype(np.float32), rng.integers(-1, 3, 50)
    for number, rows in enumerate(nearest_to_centres(vectors, clusters, 4)):
        members = [row for row in range(50) if clusters[row] == number]
        centre = vectors[members].mean(axis=0)
        want = sorted(members, key=lambda row: float(((vectors[row] - centre) ** 2).sum()))[:4]
        assert rows.tolist() == want
    assert len(nearest_to_centres(vectors, clusters, 4, most=2)) == 2


def test_principal_components_keep_distances_and_fill_up_with_zeros() -> None:
    vectors = np.random.default_rng(0).random((30, 2)).astype(np.float32)
    points, shares = principal_components(vectors, 3)
    assert points.shape == (30, 3)
    assert (points[:, 2] == 0).all()
    assert sum(shares) == pytest.approx(1)
    assert shares[0] >= shares[1] > shares[2] == 0
    np.testing.assert_allclose(
        np.linalg.norm(points[0] - points[1:], axis=1), np.linalg.norm(vectors[0] - vectors[1:], axis=1), rtol=1e-5
    )


def test_t_sne_keeps_heaps_apart_and_is_the_same_for_a_seed() -> None:
    rng = np.random.default_rng(0)
    vectors = (np.repeat(np.eye(60)[:2] * 5, 20, axis=0) + 0.01 * rng.random((40, 60))).astype(np.float32)
    points = tsne(vectors, 3)
    assert points is not None
    own = max(np.linalg.norm(half - half.mean(axis=0), axis=1).mean() for half in (points[:20], points[20:]))
    assert np.linalg.norm(points[:20].mean(axis=0) - points[20:].mean(axis=0)) > 2 * own
    np.testing.assert_array_equal(points, tsne(vectors, 3))
    assert tsne(vectors[:4], 3) is None
    assert tsne(vectors[:5], 3) is not None


def test_t_sne_of_one_dimension_is_the_same_for_a_seed() -> None:
    vectors = np.random.default_rng(0).random((12, 1)).astype(np.float32)
    points = tsne(vectors, 3)
    assert points is not None
    assert points.shape == (12, 2)
    np.testing.assert_array_equal(points, tsne(vectors, 3))


@pytest.mark.skipif(not has_umap(), reason="umap-learn is not installed")
def test_umap_gives_a_plane() -> None:
    points = umap(np.random.default_rng(0).random((40, 60)).astype(np.float32), 3)
    assert points is not None
    assert points.shape == (40, 2)


def test_of_many_images_a_sample_is_drawn_in_an_order_by_lot() -> None:
    rows = drawn_rows(5000, 1)
    assert len(set(rows.tolist())) == len(rows) == DRAWN
    assert rows.tolist() != sorted(rows.tolist())
    assert sorted(drawn_rows(20, 1).tolist()) == list(range(20))
