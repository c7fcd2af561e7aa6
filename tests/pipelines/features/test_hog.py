"""HOG: a length for every size of image, the right directions, and nothing for a blank image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.data.preprocessing import Preprocessing
from pipelines.features.hog import BLOCK, CELL, DIRECTIONS, LARGEST, HogMaker
from pipelines.features.vectors import open_maker

PER_BLOCK = BLOCK * BLOCK * DIRECTIONS


def vectors_of(*images: np.ndarray, normalize: bool = False) -> np.ndarray:
    height, width = images[0].shape[:2]
    maker = HogMaker(Preprocessing(height, width, 1), normalize)
    made = maker.preprocessing
    return maker(made.scaled(np.stack([made(image) for image in images])))


def stripes(size: int, period: int) -> np.ndarray:
    """Vertical ones: grey levels change along rows alone."""
    wave = 127 + 120 * np.sin(2 * np.pi * np.arange(size) / period)
    return np.repeat(wave[None].astype(np.uint8), size, axis=0)


@given(st.integers(1, 200), st.integers(1, 200), st.sampled_from([1, 3]))
def test_every_size_has_a_window_of_whole_cells_and_a_vector_of_its_dimension(
    height: int, width: int, channels: int
) -> None:
    maker = HogMaker(Preprocessing(height, width, channels))
    made = maker.preprocessing
    assert made.height % CELL == made.width % CELL == 0
    assert max(made.height, made.width) <= LARGEST
    blocks = (made.height // CELL - 1) * (made.width // CELL - 1)
    assert maker.dimension == blocks * PER_BLOCK
    pixels = np.random.default_rng(height).integers(0, 256, (height, width, channels), np.uint8)
    vectors = maker(made.scaled(made(pixels)[None]))
    assert vectors.shape == (1, maker.dimension)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()


def test_a_face_of_fer_2013_gives_900_numbers_and_no_faces_give_none() -> None:
    maker = HogMaker(Preprocessing(48, 48, 1))
    assert maker.dimension == 900
    assert maker(np.zeros((0, 48, 48, 1), np.float32)).shape == (0, 900)


@pytest.mark.parametrize("turned", [False, True])
def test_stripes_fall_into_the_histograms_direction_of_their_gradient(turned: bool) -> None:
    image = stripes(48, 8)
    histograms = vectors_of(image.T if turned else image).reshape(-1, DIRECTIONS).sum(axis=0)
    # gradients at 0 degrees lie between the first and the last of 9 directions, those at 90 in the fifth
    expected = {4} if turned else {0, 8}
    assert set(np.flatnonzero(histograms > 0.1 * histograms.max()).tolist()) == expected


def test_each_block_has_length_one_and_a_blank_image_none() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)
    lengths = np.linalg.norm(vectors_of(noise, np.full((48, 48), 90, np.uint8)).reshape(2, -1, PER_BLOCK), axis=2)
    np.testing.assert_allclose(lengths[0], 1, atol=0.01)
    np.testing.assert_allclose(lengths[1], 0, atol=1e-6)


def test_vectors_are_divided_by_their_length_on_request() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 40), np.uint8)
    plain, unit = vectors_of(noise), vectors_of(noise, normalize=True)
    np.testing.assert_allclose(unit, plain / np.linalg.norm(plain), rtol=1e-5)


def test_it_is_opened_by_its_name() -> None:
    maker = open_maker("hog", size=(96, 64, 3))
    assert isinstance(maker, HogMaker)
    made = maker.preprocessing
    assert (made.height, made.width, made.channels, made.scale, made.offset) == (64, 40, 3, 1.0, 0.0)
