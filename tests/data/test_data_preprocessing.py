"""Images of any size and colour come out in the network's size, colour and range."""

import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.data.errors import DataError
from pipelines.data.preprocessing import Preprocessing

SIDES = st.integers(1, 40)


@given(
    height=SIDES, width=SIDES, new_height=SIDES, new_width=SIDES, channels=st.sampled_from([1, 3]),
    colour=st.booleans(), level=st.integers(0, 255),
)  # fmt: skip
def test_any_size_and_colour_becomes_the_one_asked_for_and_an_even_image_stays_even(
    height: int, width: int, new_height: int, new_width: int, channels: int, colour: bool, level: int
) -> None:
    image = np.full((height, width, 3) if colour else (height, width), level, np.uint8)
    result = Preprocessing(new_height, new_width, channels)(image)
    assert (result.dtype, result.shape) == (np.uint8, (new_height, new_width, channels))
    assert result.flags.c_contiguous
    assert (result == level).all()


def test_an_image_of_the_right_size_is_unchanged() -> None:
    image = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    np.testing.assert_array_equal(Preprocessing(7, 9, 3)(image), image)


def test_shrinking_averages_and_enlarging_interpolates_each_way_on_its_own() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    blocks = image.reshape(4, 2, 4, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(Preprocessing(4, 4, 1)(image)[..., 0], blocks, atol=0.5)
    larger = cv2.resize(image, (16, 16), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(Preprocessing(16, 16, 1)(image)[..., 0], larger)
    stripes = np.tile(np.array([[0], [200]], np.uint8), (4, 8))  # rows that alternate
    assert (Preprocessing(4, 16, 1)(stripes) == 100).all()


def test_grey_weighs_the_colours_as_the_eye_does_and_takes_them_for_rgb() -> None:
    image = np.zeros((1, 3, 3), np.uint8)
    image[0, range(3), range(3)] = 255
    np.testing.assert_allclose(Preprocessing(1, 3, 1)(image).ravel(), [76, 150, 29], atol=1)


def test_scaling_is_linear_in_float32() -> None:
    images = np.array([0, 128, 255], np.uint8).reshape(3, 1, 1, 1)
    scaled = Preprocessing(1, 1, 1, scale=1 / 127.5, offset=-1.0).scaled(images)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.ravel(), [-1, 128 / 127.5 - 1, 1], atol=1e-6)
    assert Preprocessing(1, 1, 1).scaled(images).max() == 1


@given(
    height=SIDES, width=SIDES, channels=st.sampled_from([1, 3]), scale=st.floats(1e-6, 10), offset=st.floats(-10, 10)
)
def test_the_config_survives_json(height: int, width: int, channels: int, scale: float, offset: float) -> None:
    original = Preprocessing(height, width, channels, scale, offset)
    assert Preprocessing.from_config(json.loads(json.dumps(original.to_config()))) == original


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"height": 0}, "height must be a positive whole number, got 0"),
        ({"width": 4.5}, "width must be a positive whole number, got 4.5"),
        ({"width": True}, "width must be a positive whole number, got True"),
        ({"channels": 2}, "channels must be 1 .* got 2"),
        ({"scale": 0}, "scale must not be 0"),
        ({"scale": "1"}, "scale must be a finite number, got '1'"),
        ({"offset": float("nan")}, "offset must be a finite number, got nan"),
        ({"mean": 3}, "unknown entry 'mean'"),
    ],
)
def test_a_config_out_of_range_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Preprocessing.from_config({"height": 4, "width": 4, "channels": 1} | change)


def test_an_incomplete_config_and_one_of_another_type_are_refused() -> None:
    with pytest.raises(DataError, match="lacks the entry 'width'"):
        Preprocessing.from_config({"height": 4, "channels": 1})
    with pytest.raises(DataError, match="must be a mapping, got list"):
        Preprocessing.from_config([4, 4, 1])


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4)), np.zeros((4, 4, 4), np.uint8), np.zeros(4, np.uint8), np.zeros((0, 4), np.uint8)],
)
def test_what_is_no_uint8_image_is_refused(image: np.ndarray) -> None:
    with pytest.raises(DataError, match="image must be uint8 of shape"):
        Preprocessing(4, 4, 1)(image)
    with pytest.raises(DataError, match="images must be uint8 of shape"):
        Preprocessing(4, 4, 1).scaled(image)
