"""Samples show the surest mistakes first, right ones of all classes, and say in colour and words which is which."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from pipelines.data.augmentation import USUAL, Augmentation, draw
from pipelines.data.dataset import Dataset
from pipelines.data.drawn import DrawnFaces
from pipelines.data.preprocessing import Preprocessing
from pipelines.figures.augmented import Original, draw_augmented
from pipelines.figures.classes import draw_class_bars
from pipelines.figures.of_run import one_of_each_class, save_prediction_samples, save_training_figures
from pipelines.figures.samples import RIGHT, WRONG, choose_mistakes, choose_right, draw_prediction_samples

LABELS = np.array([0, 1, 2, 0, 1, 2])
PROBABILITIES = np.array(
    [[0.9, 0.1, 0.0], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5], [0.1, 0.9, 0.0], [0.8, 0.1, 0.1]]
)


def test_mistakes_come_surest_first_and_equal_ones_in_their_order() -> None:
    assert choose_mistakes(LABELS, PROBABILITIES, 10).tolist() == [2, 5, 1, 3]
    assert choose_mistakes(LABELS, PROBABILITIES, 2).tolist() == [2, 5]
    assert choose_mistakes(LABELS, PROBABILITIES, 0).tolist() == []
    assert choose_mistakes(LABELS, np.eye(3)[LABELS], 10).tolist() == []


@given(st.integers(1, 60), st.integers(2, 5), st.integers(0, 30), st.integers(0, 2**16))
def test_mistakes_are_those_that_a_loop_finds(images: int, classes: int, count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, images)
    probabilities = random.dirichlet(np.ones(classes), images)
    wrong = []
    for position in range(images):
        said = max(range(classes), key=lambda label: probabilities[position, label])  # called at once
        if said != labels[position]:
            wrong.append((-probabilities[position, said], position))
    assert choose_mistakes(labels, probabilities, count).tolist() == [position for _, position in sorted(wrong)][:count]


@given(st.integers(1, 60), st.integers(2, 5), st.integers(0, 30), st.integers(0, 2**16))
def test_right_ones_are_right_distinct_and_of_all_classes_in_turn(
    images: int, classes: int, count: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, images)
    probabilities = random.dirichlet(np.ones(classes), images)
    chosen = choose_right(labels, probabilities, count, seed)
    right = np.flatnonzero(probabilities.argmax(axis=1) == labels)
    assert len(chosen) == min(count, len(right))
    assert len(set(chosen.tolist())) == len(chosen)
    assert set(chosen) <= set(right)
    there, shown = (np.bincount(labels[some], minlength=classes) for some in (right, chosen))
    for one in range(classes):  # no class is shown more often than another that has as many left
        assert shown[one] >= min(there[one], shown.max() - 1)


def test_right_is_green_wrong_is_red_and_words_say_what_is_true() -> None:
    images = [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 1), np.uint8), np.zeros((300, 200, 3), np.uint8)]
    figure = draw_prediction_samples(images, [0, 1, 1], [0, 0, 1], [0.91, 0.625, 1.0], ("calm", "glad $x$"), "t")
    verdicts = [(to_rgb(axes.spines["top"].get_edgecolor()), axes.get_xlabel()) for axes in figure.axes]
    green, red = to_rgb(RIGHT), to_rgb(WRONG)
    assert verdicts == [(green, "calm 91%"), (red, "calm 62%\ntrue: glad \\$x\\$"), (green, "glad \\$x\\$ 100%")]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    source = DrawnFaces(60, size=12)
    return Dataset(source, source.samples[:40], Preprocessing(12, 12, 1), augmentation=USUAL, seed=3, batch_size=40)


def test_the_copies_that_are_shown_are_those_that_training_sees(dataset: Dataset) -> None:
    originals = one_of_each_class(dataset, 3)
    assert [original.name for original in originals] == list(dataset.class_names)
    for label, original in enumerate(originals):
        assert dataset.labels[original.row] == label
        np.testing.assert_array_equal(original.image, dataset.image(original.row))
    figure = draw_augmented(originals, USUAL, 3, copy="epoch")
    shown = np.array([axes.images[0].get_array() for axes in figure.axes]).reshape(7, 8, 12, 12)
    for epoch in range(7):
        dataset.set_epoch(epoch)
        ((batch, _),) = iter(dataset)
        for number, original in enumerate(originals):
            np.testing.assert_array_equal(shown[number, 0], original.image[..., 0])
            np.testing.assert_allclose(shown[number, epoch + 1], batch[original.row, :, :, 0] * 255, atol=1e-3)
    assert [axes.get_title() for axes in figure.axes[:3]] == ["original", "epoch 1", "epoch 2"]


def test_large_images_are_varied_as_they_are_and_shown_smaller() -> None:
    image = np.random.default_rng(0).integers(0, 256, (320, 240, 3)).astype(np.uint8)
    figure = draw_augmented([Original("a", image, 2)], Augmentation(horizontal_flip=True), 1)
    flipped = draw(3, 1, 0)[2, 0] < 0.5
    first = figure.axes[1].images[0].get_array()
    expected = cv2.resize(image[:, ::-1] if flipped else image, (120, 160), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(first, expected)


def test_a_run_gets_its_figures_and_loses_those_that_no_longer_hold(dataset: Dataset, tmp_path: Path) -> None:
    parts = {"train": dataset.samples, "validation": [], "test": dataset.samples[:5]}
    written = save_training_figures(tmp_path, dataset, USUAL, parts, 3)
    assert [path.name for path in written] == ["class_distribution.png", "augmented.png"]
    assert all(cv2.imread(str(path)).std() > 5 for path in written)
    assert save_training_figures(tmp_path, dataset, Augmentation(), parts) == written[:1]
    assert not written[1].exists()


@pytest.mark.parametrize("right", [0, 20, 40])
def test_predictions_of_a_part_are_drawn_whether_some_all_or_none_are_right(
    dataset: Dataset, tmp_path: Path, right: int
) -> None:
    said = np.array([label if n < right else (label + 1) % 7 for n, label in enumerate(dataset.labels)])
    path = save_prediction_samples(tmp_path, "test", dataset, np.eye(7)[said] * 0.8 + 0.2 / 7)
    assert path == tmp_path / "predictions_test.png"
    drawn = cv2.imread(str(path)).reshape(-1, 3)[:, ::-1]
    for colour, expected in ((RIGHT, right > 0), (WRONG, right < 40)):
        rgb = np.round(np.array(to_rgb(colour)) * 255)
        assert (np.abs(drawn - rgb).max(axis=1) <= 1).sum() > 500 or not expected
        assert ((np.abs(drawn - rgb).max(axis=1) <= 1).sum() == 0) == (not expected)


def test_bars_have_a_panel_for_each_part_and_a_bar_for_each_class() -> None:
    figure = draw_class_bars(("a", "b"), {"train": np.array([3, 1]), "all": np.array([0, 0])})
    assert [axes.get_title() for axes in figure.axes] == ["train: 4 images", "not divided: 0 images"]
    assert [[bar.get_width() for bar in axes.patches] for axes in figure.axes] == [[3, 1], [0, 0]]
    assert {text.get_text() for text in figure.findobj(Text)} >= {"3  75%", "1  25%", "a", "b", "0  0%"}
