"""The figure of an extractor's first filters."""

import numpy as np
import pytest
from figures_checked import assert_nothing_is_cut_off

from pipelines.figures.filter_bank import _answers, draw_filter_bank
from scratchnet.features import filter_bank
from scratchnet.features.network import maps_network


@pytest.mark.parametrize("channels", [1, 3])
def test_each_filter_is_drawn_with_its_name_and_an_answer_per_image(channels: int) -> None:
    bank = filter_bank(channels)
    images = np.random.default_rng(0).integers(0, 256, (8, 20, 30, channels), np.uint8)
    figure = draw_filter_bank(bank.names, bank.kernels, images)
    names = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert names == list(bank.names)
    assert len(figure.axes) == 2 * 6 + 16 * (1 + 6)  # six images above each half; a filter and its answers
    assert_nothing_is_cut_off(figure)


def test_answers_are_those_of_the_filters() -> None:
    images = np.zeros((1, 5, 6, 1), np.uint8)
    images[:, :, 3:] = 255
    bank = filter_bank(1)
    slopes = _answers(images, bank.kernels)[0, :, :, bank.names.index("edge 0")]
    third = 1 / 3  # the zeros around take a third of the weights away in the first and last rows
    np.testing.assert_allclose(slopes[1:-1], [[0, 0, 0.5, 0.5, 0, -0.5]] * 3, atol=1e-6)
    np.testing.assert_allclose(slopes[::4], [[0, 0, third, third, 0, -third]] * 2, atol=1e-6)


def test_answers_to_colours_are_those_of_the_network() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 9, 7, 3), np.uint8)
    kernels = np.random.default_rng(1).standard_normal((3, 3, 3, 4)).astype(np.float32)
    network = maps_network((9, 7, 3), [kernels], "max", [(1, 1)])
    answers = np.maximum(_answers(images, kernels), 0)
    np.testing.assert_allclose(answers.reshape(2, -1), network.predict(images / np.float32(255)), atol=1e-5)


def test_the_title_says_that_weights_are_means_over_colours() -> None:
    for channels, title in ((1, "My filters"), (3, "My filters (weights: the mean over 3 channels)")):
        bank = filter_bank(channels)
        figure = draw_filter_bank(bank.names, bank.kernels, np.zeros((1, 4, 4, channels), np.uint8), "My filters")
        assert figure.get_suptitle() == title


def test_too_few_names_other_channels_or_no_images_are_refused() -> None:
    bank = filter_bank(1)
    with pytest.raises(ValueError, match="got 1 names for 16 filters, and 2 images"):
        draw_filter_bank(bank.names[:1], bank.kernels, np.zeros((2, 4, 4, 1), np.uint8))
    with pytest.raises(ValueError, match="0 images"):
        draw_filter_bank(bank.names, bank.kernels, np.zeros((0, 4, 4, 1), np.uint8))
    with pytest.raises(ValueError, match="channels of filters and images differ: 1 and 3"):
        draw_filter_bank(bank.names, bank.kernels, np.zeros((2, 4, 4, 3), np.uint8))
