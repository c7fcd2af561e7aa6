"""Each change of an image is the one its definition gives, and depends on seed, epoch and image alone."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.data.augmentation import _COLUMN, _NUMBERS, Augmentation, draw

SEEDS = st.integers(0, 2**32)
EVERYTHING = Augmentation(
    rotation=15, zoom=0.1, shear=0.2, shift=0.1, crop=0.2, horizontal_flip=True, vertical_flip=True,
    brightness=(0.7, 1.3), contrast=(0.7, 1.3), erasing=0.5,
)  # fmt: skip


def draws(count: int = 1, **chosen: float) -> np.ndarray:
    """Middle values for everything that is not chosen: no rotation, no zoom, no flip and so on."""
    result = np.full((count, len(_NUMBERS)), 0.5)
    result[:, _COLUMN["crop"]] = 0
    for name, value in chosen.items():
        result[:, _COLUMN[name]] = value
    return result


def pictures(count: int = 1, height: int = 5, width: int = 5, channels: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, channels)).astype(np.uint8)


def reflected(index: int, length: int) -> int:
    """`dcba|abcd|dcba`."""
    index %= 2 * length
    return index if index < length else 2 * length - 1 - index


def sampled(image: np.ndarray, x: float, y: float) -> float:
    left, top = math.floor(x), math.floor(y)
    total = 0.0
    for row, column in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
        weight = (1 - abs(x - column)) * (1 - abs(y - row))
        total += weight * image[reflected(row, image.shape[0]), reflected(column, image.shape[1])]
    return total


def warped_by_loops(image: np.ndarray, change: Augmentation, row: np.ndarray) -> np.ndarray:
    """The definition, pixel by pixel: undo shear, zoom and rotation about the middle, then crop and shift."""
    numbers = dict(zip(_NUMBERS, row, strict=True))
    either_way = {name: 2 * value - 1 for name, value in numbers.items()}
    height, width = image.shape
    angle = math.radians(change.rotation * either_way["rotation"])
    window = 1 - change.crop * numbers["crop"]
    result = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            u, v = x - (width - 1) / 2, y - (height - 1) / 2
            u += change.shear * either_way["shear"] * v
            u, v = (n * window / (1 + change.zoom * either_way["zoom"]) for n in (u, v))
            u, v = u * math.cos(angle) - v * math.sin(angle), u * math.sin(angle) + v * math.cos(angle)
            u += (1 - window) * (numbers["crop_x"] - 0.5) * width - change.shift * either_way["shift_x"] * width
            v += (1 - window) * (numbers["crop_y"] - 0.5) * height - change.shift * either_way["shift_y"] * height
            result[y, x] = sampled(image, u + (width - 1) / 2, v + (height - 1) / 2)
    return result


@given(seed=SEEDS, height=st.integers(3, 12), width=st.integers(3, 12))
def test_the_warp_is_that_of_the_plain_loops(seed: int, height: int, width: int) -> None:
    change = Augmentation(rotation=40, zoom=0.3, shear=0.5, shift=0.3, crop=0.4)
    rng = np.random.default_rng(seed)
    ramp = rng.uniform(-9, 9) * np.arange(width) + rng.uniform(-9, 9) * np.arange(height)[:, None]
    image = np.rint(ramp - ramp.min()).astype(np.uint8)  # steps of at most 18, as OpenCV rounds places to 1/32 pixel
    row = draw(1, seed, 0)
    result = change(image[None, :, :, None], row)[0, :, :, 0]
    np.testing.assert_allclose(result, warped_by_loops(image.astype(float), change, row[0]), atol=2)


@given(seed=SEEDS, channels=st.sampled_from([1, 3]), count=st.integers(0, 5))
def test_nothing_switched_on_gives_the_identical_bits(seed: int, channels: int, count: int) -> None:
    images = pictures(count, 6, 7, channels, seed)
    plain = Augmentation()
    assert plain.changes_nothing
    assert not EVERYTHING.changes_nothing
    np.testing.assert_array_equal(plain(images, draw(count, seed, 0)), images)


@pytest.mark.parametrize("channels", [1, 3])
def test_magnitudes_that_are_drawn_as_nothing_give_the_identical_bits(channels: int) -> None:
    images = pictures(3, 8, 7, channels)
    np.testing.assert_array_equal(EVERYTHING(images, draws(3)), images)


def test_a_quarter_turn_is_exact_and_a_negative_angle_goes_clockwise() -> None:
    image = pictures()
    clockwise = Augmentation(rotation=90)(image, draws(rotation=0))
    np.testing.assert_array_equal(clockwise[0], np.rot90(image[0], -1))
    np.testing.assert_array_equal(Augmentation(rotation=90)(image, draws(rotation=1))[0], np.rot90(image[0]))


def test_a_shift_moves_whole_pixels_and_is_filled_by_reflection() -> None:
    image = np.arange(10, dtype=np.uint8).reshape(1, 1, 10, 1).repeat(5, axis=1)
    right = Augmentation(shift=0.3)(image, draws(shift_x=1))
    assert right[0, 0, :, 0].tolist() == [2, 1, 0, 0, 1, 2, 3, 4, 5, 6]
    rows = np.arange(10, dtype=np.uint8).reshape(1, 10, 1, 1).repeat(4, axis=2)
    up = Augmentation(shift=0.2)(rows, draws(shift_y=0))
    assert up[0, :, 0, 0].tolist() == [2, 3, 4, 5, 6, 7, 8, 9, 9, 8]


def test_a_zoom_of_two_shows_the_middle_half() -> None:
    image = np.arange(0, 90, 10, dtype=np.uint8).reshape(1, 1, 9, 1).repeat(9, axis=1)
    # the factor is 1 + 0.5; pixel 8 is 4 from the middle, and comes from 4 / 1.5 from the middle
    result = Augmentation(zoom=0.5)(image, draws(zoom=1))[0, 4, :, 0]
    np.testing.assert_allclose(result, 40 + np.arange(-4, 5) * 10 / 1.5, atol=0.7)


def test_a_shear_moves_each_row_by_its_distance_from_the_middle() -> None:
    image = np.arange(5, dtype=np.uint8).reshape(1, 1, 5, 1).repeat(3, axis=1)
    result = Augmentation(shear=1)(image, draws(shear=1))[0, :, :, 0]
    assert result.tolist() == [[0, 0, 1, 2, 3], [0, 1, 2, 3, 4], [1, 2, 3, 4, 4]]


def test_a_crop_of_half_in_the_first_corner_shows_the_first_quarter() -> None:
    image = np.arange(0, 160, 20, dtype=np.uint8).reshape(1, 1, 8, 1).repeat(8, axis=1)
    result = Augmentation(crop=0.5)(image, draws(crop=1, crop_x=0))[0, 0, :, 0]
    # output pixel k looks at the middle of its half pixel: (k + 1/2) / 2 - 1/2
    np.testing.assert_allclose(result, np.clip(20 * ((np.arange(8) + 0.5) / 2 - 0.5), 0, 140), atol=0.7)


@pytest.mark.parametrize(("name", "axis"), [("horizontal_flip", 2), ("vertical_flip", 1)])
def test_flips_mirror_exactly_when_the_number_is_below_one_half(name: str, axis: int) -> None:
    images = pictures(2, 4, 6, 3)
    chosen = draws(2)
    chosen[:, _COLUMN[name]] = 0.49999, 0.5
    result = Augmentation(**{name: True})(images, chosen)
    np.testing.assert_array_equal(result[0], np.flip(images[:1], axis)[0])
    np.testing.assert_array_equal(result[1], images[1])


def test_brightness_multiplies_and_contrast_stretches_about_the_mean() -> None:
    image = np.array([[[[10], [20]], [[100], [250]]]], np.uint8)  # the mean is 95
    bright = Augmentation(brightness=(0.5, 1.3))(image, draws(brightness=1))
    assert bright.ravel().tolist() == [13, 26, 130, 255]
    strong = Augmentation(contrast=(0, 2))(image, draws(contrast=1))
    assert strong.ravel().tolist() == [0, 0, 105, 255]
    flat = Augmentation(contrast=(0, 2))(image, draws(contrast=0))
    assert flat.ravel().tolist() == [95] * 4


def test_erasing_fills_one_rectangle_with_the_mean() -> None:
    image = np.zeros((1, 10, 10, 1), np.uint8)
    image[0, :, 5:] = 100
    change = Augmentation(erasing=0.5, erasing_area=(0.04, 0.16))
    result = change(image, draws(erase=0.4, erase_area=1, erase_shape=0.5, erase_x=0, erase_y=0.999))
    expected = image.copy()
    expected[0, 6:, :4] = 50
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(change(image, draws(erase=0.5)), image)


@given(seed=SEEDS)
def test_erased_rectangles_lie_inside_and_have_about_the_area(seed: int) -> None:
    images = np.zeros((20, 24, 24, 1), np.uint8)
    images[:, ::2] = 200  # no pixel has the mean, which is 100
    result = Augmentation(erasing=1, erasing_area=(0.1, 0.2))(images, draw(20, seed, 0))
    for erased in result[..., 0] == 100:
        rows, columns = np.flatnonzero(erased.any(1)), np.flatnonzero(erased.any(0))
        assert erased[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert 0.08 <= erased.mean() <= 0.23


@given(seed=SEEDS, epoch=st.integers(0, 1000), channels=st.sampled_from([1, 3]))
def test_an_image_is_varied_alike_in_any_order_and_batch(seed: int, epoch: int, channels: int) -> None:
    images, rows = pictures(9, 12, 11, channels, seed), draw(9, seed, epoch)
    before = images.copy()
    together = EVERYTHING(images, rows)
    order = np.random.default_rng(seed).permutation(9)
    np.testing.assert_array_equal(EVERYTHING(images[order], rows[order]), together[order])
    alone = [EVERYTHING(images[n : n + 1], rows[n : n + 1])[0] for n in range(9)]
    np.testing.assert_array_equal(np.stack(alone), together)
    np.testing.assert_array_equal(images, before)


def test_threads_do_not_change_the_result() -> None:
    images, rows = pictures(64, 20, 20), draw(64, 1, 1)
    parts = [slice(n, n + 8) for n in range(0, 64, 8)]
    with ThreadPoolExecutor(8) as pool:
        found = np.concatenate(list(pool.map(lambda part: EVERYTHING(images[part], rows[part]), parts)))
    np.testing.assert_array_equal(found, EVERYTHING(images, rows))


def test_numbers_repeat_by_seed_and_epoch_and_are_spread_over_the_unit_interval() -> None:
    first = draw(1000, 3, 4)
    np.testing.assert_array_equal(draw(1000, 3, 4), first)
    np.testing.assert_array_equal(draw(10, 3, 4), first[:10])
    assert not np.isin(draw(1000, 3, 5), first).any()
    assert not np.isin(draw(1000, 4, 4), first).any()
    assert first.min() >= 0
    assert first.max() < 1
    np.testing.assert_allclose(first.mean(axis=0), 0.5, atol=0.05)
    assert np.abs(np.corrcoef(first.T) - np.eye(len(_NUMBERS))).max() < 0.15


def test_one_change_does_not_alter_the_numbers_of_another() -> None:
    images, rows = pictures(20, 12, 12), draw(20, 0, 0)
    flip, turn = Augmentation(horizontal_flip=True), Augmentation(rotation=20)
    both = Augmentation(horizontal_flip=True, rotation=20)
    np.testing.assert_array_equal(both(images, rows), turn(flip(images, rows), rows))


@pytest.mark.parametrize(
    "wrong",
    [
        {"rotation": -1}, {"rotation": 181}, {"rotation": float("nan")}, {"zoom": 1}, {"shear": -0.1}, {"shift": 1.5},
        {"crop": 1}, {"brightness": (1.2, 0.8)}, {"brightness": (-0.1, 1)}, {"contrast": (1,)}, {"erasing": 1.1},
        {"erasing_area": (0, 2)}, {"rotate": 3},
    ],
)  # fmt: skip
def test_magnitudes_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Augmentation.model_validate(wrong)
