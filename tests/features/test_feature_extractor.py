"""FeatureExtractor: equal to its network and to Keras's, the same bits everywhere, a good citizen of scikit-learn."""

import pickle
from typing import Any

import numpy as np
import pytest
from processes import run_python
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import scratchnet as sn
from pipelines.twin import to_keras
from scratchnet.features import FeatureExtractor
from scratchnet.features.projection import orthogonal_matrix


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


def check_close(mine: np.ndarray, other: np.ndarray, relative: float = 1e-4) -> None:
    """Each vector differs by no more than this part of its length."""
    assert mine.shape == other.shape
    assert (np.linalg.norm(mine - other, axis=1) <= relative * np.linalg.norm(other, axis=1)).all()


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((48, 48, 1), {}),
        ((48, 48, 1), {"filters": "random", "pool": "average", "normalize": True}),
        ((64, 90, 3), {"pool_size": [3, (2, 4), 1]}),
        ((70, 130, 3), {"filters": "random"}),
        ((128, 128, 3), {"pool": "average", "normalize": True}),
        ((9, 7, 2), {"projection": None}),
        ((1, 20, 1), {"dimension": 5}),
        ((512, 512, 3), {}),
    ],
    ids=str,
)
def test_features_equal_those_of_the_network_and_of_its_keras_twin(shape: Any, options: dict[str, Any]) -> None:
    images = draw(3, *shape)
    extractor = FeatureExtractor(shape, **options).fit()
    features = extractor.transform(images)
    assert features.dtype == np.float32
    assert len(extractor.get_feature_names_out()) == features.shape[1] == extractor.model_.output_shape[1]
    check_close(features, extractor.model_.predict(images), 1e-5)
    check_close(features, to_keras(extractor.model_).predict_on_batch(images))


def test_own_filters_are_taken() -> None:
    own = np.random.default_rng(1).standard_normal((3, 3, 3, 7)).astype(np.float32)
    model = FeatureExtractor((64, 64, 3), filters=own).fit().model_
    np.testing.assert_array_equal(model.get_layer("stage_1_filters").get_weights()[0], own)
    other = FeatureExtractor((64, 64, 3), filters=[own, own[..., :2], own[..., :4]]).fit().model_
    assert [other.get_layer(f"stage_{n}_filters").filters for n in (1, 2, 3)] == [7, 2, 4]


def test_bytes_flat_rows_and_streams_give_the_same_features() -> None:
    for shape in [(20, 16, 3), (64, 64, 3)]:
        images = np.random.default_rng(2).integers(0, 256, (10, *shape), np.uint8)
        floats = images.astype(np.float32) / 255
        extractor = FeatureExtractor(batch_size=4).fit(floats)
        features = extractor.transform(floats)
        check_close(extractor.transform(images), features, 1e-5)
        np.testing.assert_array_equal(
            FeatureExtractor(shape, batch_size=4).fit().transform(floats.reshape(10, -1)), features
        )
        stream = extractor.transform_batches(floats[i : i + 4] for i in range(0, 12, 4))
        np.testing.assert_array_equal(np.concatenate(list(stream)), features)
        assert [len(part) for part in extractor.transform_batches([floats[:0]])] == [0]


BITS = """
import sys, zlib
import numpy as np
from scratchnet.features import FeatureExtractor
x = np.random.default_rng(0).random((7, 96, 96, 3), np.float32)
small = np.random.default_rng(0).random((60, 24, 24, 1), np.float32)
for images, options in [(x, {}), (x, {"filters": "random", "normalize": True}), (small, {}),
                        (small, {"projection": "pca", "dimension": 10})]:
    print(zlib.crc32(FeatureExtractor(seed=3, **options).fit_transform(images).tobytes()))
"""


def test_the_same_seed_gives_the_same_bits_for_any_number_of_threads() -> None:
    outputs = []
    for threads in ("1", "2"):
        status, output, errors = run_python(
            BITS, NUMBA_NUM_THREADS=threads, OPENBLAS_NUM_THREADS=threads, OMP_NUM_THREADS=threads
        )
        assert status == 0, errors
        outputs.append(output)
    assert outputs[0] == outputs[1]
    assert len(set(outputs[0].split())) == 4


def test_another_seed_is_another_projection() -> None:
    images = draw(2, 24, 24, 1)
    first, second = (FeatureExtractor(seed=seed).fit_transform(images) for seed in (0, 1))
    assert np.abs(first - second).max() > 0.01


@pytest.mark.parametrize(("rows", "columns"), [(1000, 128), (128, 128), (20, 128), (1, 1)])
def test_a_projection_is_orthogonal_along_its_shorter_side(rows: int, columns: int) -> None:
    matrix = orthogonal_matrix(rows, columns, np.random.default_rng(0)).astype(np.float64)
    product = matrix.T @ matrix if rows >= columns else matrix @ matrix.T
    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-6)


def test_a_projection_equals_that_of_lapack() -> None:
    gaussian = np.random.default_rng(5).standard_normal((300, 40))
    q, r = np.linalg.qr(gaussian)
    expected = q * np.sign(np.diag(r))
    np.testing.assert_allclose(orthogonal_matrix(300, 40, np.random.default_rng(5)), expected, atol=1e-6)


def test_principal_components_are_those_of_the_flattened_maps() -> None:
    images = draw(19, 16, 16, 1)  # one chunk, for which the incremental way is exact
    maps = FeatureExtractor(projection=None).fit_transform(images).astype(np.float64)
    features = FeatureExtractor(projection="pca", dimension=4, batch_size=8).fit_transform(images)
    np.testing.assert_allclose(np.abs(features), np.abs(PCA(4).fit_transform(maps)), atol=1e-5)


def test_components_do_not_depend_on_the_batches_that_images_come_in() -> None:
    images = draw(90, 16, 16, 1)
    options: dict[str, Any] = {"projection": "pca", "dimension": 4, "batch_size": 10}
    at_once = FeatureExtractor(**options).fit(images).transform(images)
    streamed = FeatureExtractor(**options).fit_batches(images[i : i + 10] for i in range(0, 90, 10))
    np.testing.assert_array_equal(streamed.transform(images), at_once)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pool": "median"}, "pool must be max or average, got 'median'"),
        ({"projection": "lda"}, "projection must be"),
        ({"dimension": 0}, "dimension must be an int of at least 1, got 0"),
        ({"seed": -1}, "seed must be an int of at least 0, got -1"),
        ({"batch_size": 2.5}, "batch_size must be an int"),
        ({"input_shape": (8, 8)}, r"input_shape must be \(height, width, channels\)"),
        ({"input_shape": (8, 8, 3)}, r"images must have the shape \(n, 8, 8, 3\), got \(4, 8, 8, 1\)"),
        ({"pool_size": (2, 2)}, "pool_size must hold 3 windows"),
        ({"pool_size": [(2, 2, 2), (2,), 2]}, "pool_size must hold 3 windows, each a positive int or two of them"),
        ({"pool": ["max"]}, r"pool must be max or average, got \['max'\]"),
        ({"projection": np.zeros(2)}, "projection must be"),
        ({"pool_size": (4, 4, 2)}, "leaves nothing of images of height 8"),
        ({"projection": "pca"}, "at most 16 numbers for these images, got dimension=128"),
        ({"projection": "pca", "dimension": 10}, "needs as many images, got n_samples = 4"),
    ],
    ids=str,
)
def test_a_wrong_parameter_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FeatureExtractor(**options).fit(draw(4, 8, 8, 1))


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(NotFittedError):
        FeatureExtractor((8, 8, 1)).transform(draw(1, 8, 8, 1))
    with pytest.raises(ValueError, match="fit needs images"):
        FeatureExtractor().fit()
    with pytest.raises(ValueError, match="at least one batch"):
        FeatureExtractor().fit_batches([])
    fitted = FeatureExtractor().fit(draw(2, 8, 8, 1))
    with pytest.raises(ValueError, match=r"shape \(n, 8, 8, 1\), got \(1, 8, 9, 1\)"):
        fitted.transform(draw(1, 8, 9, 1))
    with pytest.raises(ValueError, match=r"shape \(n, 8, 8, 1\), got \(1, 3\)"):
        next(fitted.transform_batches([draw(1, 3)]))
    with pytest.raises(ValueError, match="NaN"):
        fitted.transform(np.full((1, 8, 8, 1), np.nan))


def test_it_is_copied_kept_and_cloned() -> None:
    images = draw(5, 64, 64, 3)
    own = np.random.default_rng(1).standard_normal((3, 3, 3, 4))
    extractor = FeatureExtractor(filters=own, dimension=6).fit(images)
    copied = pickle.loads(pickle.dumps(extractor))
    np.testing.assert_array_equal(copied.transform(images), extractor.transform(images))
    fresh = clone(extractor)
    assert not hasattr(fresh, "model_")
    np.testing.assert_array_equal(fresh.fit(images).transform(images), extractor.transform(images))


def test_it_works_in_pipelines_searches_and_cross_validation() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(["lying", "upright"], 20)
    images = rng.random((40, 12, 12, 1)) * 0.3
    images[:20, ::3] += 0.7
    images[20:, :, ::3] += 0.7
    pipeline = make_pipeline(FeatureExtractor(dimension=8), LogisticRegression(C=100))
    assert cross_val_score(pipeline, images, labels, cv=3).mean() > 0.9
    search = GridSearchCV(pipeline, {"featureextractor__filters": ["fixed", "random"]}, cv=2).fit(images, labels)
    assert search.score(images, labels) > 0.9


@parametrize_with_checks([FeatureExtractor(), FeatureExtractor(projection="pca", dimension=2, normalize=True)])
def test_scikit_learn_finds_nothing_wrong(estimator: Any, check: Any) -> None:
    check(estimator)


def test_features_are_there_without_having_been_imported() -> None:
    status, output, errors = run_python("import scratchnet as sn; print(sn.features.FeatureExtractor().dimension)")
    assert (status, output.strip()) == (0, "128"), errors
    with pytest.raises(AttributeError, match="no attribute 'feature'"):
        _ = sn.feature


def test_without_scikit_learn_a_sentence_says_how_to_get_it() -> None:
    lines = ["import sys", "sys.modules['sklearn'] = None", "import scratchnet as sn", "try: sn.features",
             "except ImportError as error: print(error)"]  # fmt: skip
    status, output, errors = run_python("\n".join(lines))
    assert status == 0, errors
    assert 'pip install -e ".[pipelines]"' in output
