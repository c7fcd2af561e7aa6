"""ScratchClassifier: a good citizen of scikit-learn that learns."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import scratchnet as sn
from scratchnet import layers
from scratchnet.features import FeatureExtractor, ScratchClassifier
from scratchnet.random import get_random_state


def stripes(count: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Images with lying and with upright stripes."""
    rng = np.random.default_rng(0)
    labels = np.array(["upright", "lying"] * (count // 2))
    images = rng.random((count, 12, 12, 1)) * 0.3
    images[labels == "lying", ::3] += 0.7
    images[labels == "upright", :, ::3] += 0.7
    return images, labels


def small(input_shape: tuple[int, ...], classes: int) -> sn.Model:
    return sn.Sequential(
        [layers.Input(input_shape), layers.Flatten(), layers.Dense(classes, activation="softmax", name="own")]
    )


QUICK: dict[str, Any] = {"epochs": 15, "learning_rate": 0.01, "random_state": 0}


def test_it_learns_labels_of_any_kind() -> None:
    images, labels = stripes()
    for y in (labels, labels == "lying", np.where(labels == "lying", 7, -2)):
        classifier = ScratchClassifier(**QUICK).fit(images, y)
        assert classifier.score(images, y) > 0.95
        assert list(classifier.classes_) == sorted(set(y.tolist()))
        probabilities = classifier.predict_proba(images)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_array_equal(classifier.classes_[probabilities.argmax(axis=1)], classifier.predict(images))


def test_one_seed_gives_one_network_and_another_seed_another() -> None:
    images, labels = stripes()
    first, second, third = (
        ScratchClassifier(epochs=2, random_state=seed).fit(images, labels).predict_proba(images) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third)


def test_fits_in_threads_at_once_are_those_of_each_alone() -> None:
    images, labels = stripes()
    together = Barrier(1)

    def build(input_shape: tuple[int, ...], classes: int) -> sn.Model:
        together.wait(60)  # all have seeded before any draws
        first = [layers.Input(input_shape), layers.Flatten(), layers.Dropout(0.5)]
        return sn.Sequential([*first, layers.Dense(8), layers.Dense(classes, activation="softmax")])

    def fit(seed: int) -> np.ndarray:
        return ScratchClassifier(build, epochs=2, random_state=seed).fit(images, labels).predict_proba(images)

    alone = [fit(seed) for seed in (3, 4)]
    together = Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        np.testing.assert_array_equal(list(pool.map(fit, (3, 4))), alone)


def test_random_numbers_of_the_caller_go_on_as_if_nothing_was_fitted() -> None:
    images, labels = stripes()
    before = get_random_state()
    ScratchClassifier(small, epochs=1, random_state=1).fit(images, labels)
    FeatureExtractor(dimension=4).fit(images)
    assert get_random_state() == before


def test_flat_rows_are_images_where_their_shape_is_given() -> None:
    images, labels = stripes()
    flat = ScratchClassifier(image_shape=(12, 12, 1), **QUICK).fit(images.reshape(48, -1), labels)
    whole = ScratchClassifier(**QUICK).fit(images, labels)
    np.testing.assert_array_equal(flat.predict_proba(images.reshape(48, -1)), whole.predict_proba(images))
    assert ScratchClassifier(**QUICK).fit(images.reshape(48, -1), labels).model_.input_shape == (None, 144)


def test_an_own_network_and_optimiser_are_taken_and_left_as_they_are() -> None:
    images, labels = stripes()
    optimizer = sn.optimizers.SGD(0.5, momentum=0.9)
    classifier = ScratchClassifier(small, optimizer=optimizer, epochs=3, random_state=0).fit(images, labels)
    assert classifier.model_.get_layer("own") is not None
    assert classifier.model_.optimizer is not optimizer
    assert classifier.model_.optimizer.get_config() == optimizer.get_config()
    assert not optimizer.built


def test_held_back_images_end_the_training_and_choose_the_weights() -> None:
    images, labels = stripes()
    noise = np.random.default_rng(1).permutation(labels)  # nothing can be learned about the held back
    classifier = ScratchClassifier(epochs=60, validation_fraction=0.25, patience=2, random_state=0).fit(images, noise)
    losses = classifier.history_["val_loss"]
    assert classifier.n_iter_ == len(losses) < 60
    assert min(losses) == losses[-3]


def test_class_weights_move_the_answers() -> None:
    images, labels = stripes()
    plain, weighted = (
        ScratchClassifier(epochs=2, random_state=0, class_weight=weight).fit(images, labels).predict_proba(images)
        for weight in (None, {"lying": 100.0, "upright": 1.0})
    )
    assert (weighted[:, 0] > plain[:, 0]).all()


def test_it_is_copied_kept_and_cloned() -> None:
    images, labels = stripes()
    classifier = ScratchClassifier(small, epochs=2, random_state=0).fit(images, labels)
    stored = pickle.dumps(classifier)
    assert b"scratchnet model" in stored  # the network as its own file, not as objects
    np.testing.assert_array_equal(pickle.loads(stored).predict_proba(images), classifier.predict_proba(images))
    assert isinstance(classifier.model_, sn.Model)
    fresh = clone(classifier)
    assert not hasattr(fresh, "model_")
    assert not hasattr(pickle.loads(pickle.dumps(fresh)), "model_")


def test_it_works_in_pipelines_searches_and_cross_validation() -> None:
    images, labels = stripes()
    assert cross_val_score(ScratchClassifier(**QUICK), images, labels, cv=3).mean() > 0.9
    search = GridSearchCV(ScratchClassifier(random_state=0), {"epochs": [1, 15], "learning_rate": [0.01]}, cv=2)
    assert search.fit(images, labels).best_params_["epochs"] == 15
    pipeline = make_pipeline(StandardScaler(), ScratchClassifier(**QUICK))
    assert pipeline.fit(images.reshape(48, -1), labels).score(images.reshape(48, -1), labels) > 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be a positive int, got 0"),
        ({"validation_fraction": 1.0}, "validation_fraction must be at least 0 and below 1, got 1.0"),
        ({"validation_fraction": "x"}, "validation_fraction must be at least 0 and below 1, got 'x'"),
        ({"validation_fraction": None}, "validation_fraction must be at least 0 and below 1, got None"),
        ({"patience": 3}, "patience needs a validation_fraction"),
        ({"image_shape": (5, 5, 1)}, r"shape \(n, 5, 5, 1\), got \(48, 12, 12, 1\)"),
        ({"build": 3}, "build must be a function"),
        ({"build": lambda shape, classes: small(shape, 5)}, r"the output \(None, 2\)"),
    ],
    # a function's own text has its address, which differs between the processes that run tests
    ids=lambda value: " ".join(value) if isinstance(value, dict) else value,
)
def test_a_wrong_parameter_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ScratchClassifier(**options).fit(*stripes())


def test_it_must_be_fitted_and_needs_two_classes() -> None:
    images, labels = stripes()
    with pytest.raises(NotFittedError):
        ScratchClassifier().predict(images)
    with pytest.raises(ValueError, match="at least two classes, got one class: 'one'"):
        ScratchClassifier().fit(images, np.full(len(labels), "one"))


@parametrize_with_checks([ScratchClassifier(random_state=0)])
def test_scikit_learn_finds_nothing_wrong(estimator: Any, check: Any) -> None:
    check(estimator)
