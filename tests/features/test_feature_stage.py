"""One pass over an image equals convolution, ReLU and pooling in plain loops."""

import copy

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchnet.features import FeatureExtractor
from scratchnet.features.filters import filter_bank, over_maps
from scratchnet.features.network import maps_network
from scratchnet.features.stage import Stage
from scratchnet.kernels.filter_rows import KINDS


def plainly(x: np.ndarray, kernel: np.ndarray, pool: tuple[int, int], average: bool) -> np.ndarray:
    n, height, width, _ = x.shape
    padded = np.pad(x.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    maps = np.zeros((n, height, width, kernel.shape[3]))
    for i in range(height):
        for j in range(width):
            maps[:, i, j] = np.einsum("nijc,ijcf->nf", padded[:, i : i + 3, j : j + 3], kernel.astype(np.float64))
    maps = np.maximum(maps, 0)
    rows, columns = height // pool[0], width // pool[1]
    y = np.zeros((n, rows, columns, kernel.shape[3]))
    for i in range(rows):
        for j in range(columns):
            window = maps[:, i * pool[0] : (i + 1) * pool[0], j * pool[1] : (j + 1) * pool[1]]
            y[:, i, j] = window.mean(axis=(1, 2)) if average else window.max(axis=(1, 2))
    return y


def few_parts(mask: np.ndarray) -> np.ndarray:
    """The same weight for the four neighbours, none for the corners."""
    return np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]) * mask[0, 0] + np.diag([0, 1, 0]) * mask[1, 1]


MASKS = {
    "alike": lambda mask: mask,
    "some": lambda mask: mask,
    "even": lambda mask: mask + mask[::-1, ::-1],
    "odd": lambda mask: mask - mask[::-1, ::-1],
    "even both ways": lambda mask: mask + mask[::-1] + mask[:, ::-1] + mask[::-1, ::-1],
    "slope": lambda mask: mask + mask[::-1] - mask[:, ::-1] - mask[::-1, ::-1],
    "slope down": lambda mask: mask - mask[::-1] + mask[:, ::-1] - mask[::-1, ::-1],
    "few": few_parts,
    "zero": lambda mask: mask * 0,
}


@st.composite
def kernels(draw: st.DrawFn, maps: int, kinds: tuple[str, ...] = ("dense", *MASKS)) -> np.ndarray:
    """Filters of every kind: dense, the same over maps, over some maps only, even, odd, mirrored, nothing but zeros."""
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    columns = []
    for kind, mirrored in draw(st.lists(st.tuples(st.sampled_from(kinds), st.booleans()), min_size=1, max_size=6)):
        mask = MASKS.get(kind, MASKS["alike"])(rng.standard_normal((3, 3)))
        column = np.repeat(mask[:, :, None], maps, axis=2)
        if kind == "dense":
            column = rng.standard_normal((3, 3, maps))
        elif kind == "some":
            column = column * rng.integers(0, 3, maps)
        columns += [column, column[:, ::-1]] if mirrored else [column]
    return np.stack([columns[n] for n in rng.permutation(len(columns))], axis=-1).astype(np.float32)


@given(st.data(), st.integers(1, 4), st.integers(1, 4), st.integers(1, 6), st.booleans())
@settings(max_examples=80)
def test_a_stage_is_what_plain_loops_compute(
    data: st.DataObject, maps: int, pool_h: int, pool_w: int, average: bool
) -> None:
    n, height, width = data.draw(st.tuples(st.integers(1, 2), st.integers(pool_h, 20), st.integers(pool_w, 40)))
    kernel = data.draw(kernels(maps))
    x = np.random.default_rng(1).standard_normal((n, height, width, maps)).astype(np.float32)
    stage, expected = Stage(kernel, (pool_h, pool_w), average), plainly(x, kernel, (pool_h, pool_w), average)
    planes = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    for result in (
        stage(x, planar=False, result_planar=False),
        stage(x, planar=False, result_planar=True).transpose(0, 2, 3, 1),
        stage(planes, planar=True, result_planar=False),
        stage(planes, planar=True, result_planar=True).transpose(0, 2, 3, 1),
    ):
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


@given(
    st.data(), st.sampled_from([(2, 2), (4, 3), (8, 8)]),
    kernels(1, ("even", "odd", "even both ways", "slope", "slope down", "few", "zero")),
    st.sampled_from([1e-9, 1, 1e9]),
)  # fmt: skip
@settings(max_examples=40)
def test_ordinary_numbers_take_a_shorter_way_to_the_same_result(
    data: st.DataObject, pool: tuple[int, int], kernel: np.ndarray, scale: float
) -> None:
    height, width = data.draw(st.tuples(st.integers(pool[0], 40), st.integers(pool[1], 150)))
    x = np.random.default_rng(7).standard_normal((1, height, width, 1)).astype(np.float32)
    kernel = np.concatenate([kernel, kernel], axis=3)  # the same filter twice is not its own mirror image
    stage = Stage(kernel * np.float32(scale), pool, False)
    shorter, longer = (way(x, False, False) / np.float32(scale) for way in (stage, the_longer_way(stage)))
    assert not the_shorter_way(stage)(x, False, False).any()
    np.testing.assert_allclose(shorter, longer, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(shorter, plainly(x, kernel, pool, False), rtol=1e-4, atol=1e-4)


def the_longer_way(stage: Stage) -> Stage:
    other = copy.copy(stage)
    other._work = stage._work._replace(bound=np.float32(0))
    return other


def the_shorter_way(stage: Stage) -> Stage:
    """A stage without filters on the shorter way: it leaves zeros where that is taken."""
    other = copy.copy(stage)
    other._work = stage._work._replace(kinds=np.zeros_like(stage._work.kinds))
    return other


def test_the_fixed_filters_take_the_shorter_way_and_mirror_images_share_their_parts() -> None:
    work = Stage(filter_bank(3).kernels, (2, 2), False)._work
    assert work.bound > 1e30
    counts = dict(zip(KINDS, np.diff(work.kinds[0]), strict=True))
    assert {kind: count for kind, count in counts.items() if kind[1]} == {
        (("cc", "ce", "ec", "ee"), ("dd",)): 4,  # Gabor 30 and 150, 60 and 120
        (("dc", "de"), ("cd", "ed")): 2,  # edge 45 and 135
    }


@pytest.mark.parametrize("row", [0, 1, 30, 31, 32, 33, 63, 64, 71])
@pytest.mark.parametrize("column", [0, 127, 128, 300])
def test_windows_that_see_a_special_row_take_the_longer_way_and_no_others(row: int, column: int) -> None:
    stage = Stage(filter_bank(1).kernels, (4, 4), False)
    x = np.random.default_rng(8).random((1, 72, 301, 1), np.float32)
    x[0, row, column] = np.nan
    result, left_out = stage(x, False, False), the_shorter_way(stage)(x, False, False)
    seen = [window for window in range(18) if window * 4 - 1 <= row <= window * 4 + 4]
    assert np.isnan(result[:, min(row // 4, 17), min(column // 4, 74)]).all()
    np.testing.assert_array_equal(left_out[0, seen], result[0, seen])
    assert not np.delete(left_out[0], seen, axis=0).any()
    np.testing.assert_allclose(result, the_longer_way(stage)(x, False, False), rtol=1e-5, atol=1e-5)


def test_infinite_sums_of_opposite_sign_are_nan_in_ordinary_windows_too() -> None:
    kernel = np.array([[0, -1, 0], [1, 0, 1], [0, -1, 0]], np.float32)[:, :, None, None].repeat(2, axis=3)
    x = np.zeros((1, 72, 70, 1), np.float32)
    x[0, [30, 30, 29, 31], [39, 41, 40, 40]] = 3e38
    stage = Stage(kernel, (4, 4), False)
    assert stage._work.bound > 0
    with np.errstate(over="ignore"):
        result, longer = stage(x, False, False), the_longer_way(stage)(x, False, False)
    assert np.isnan(result).any()
    np.testing.assert_array_equal(result, longer)


def test_filters_that_add_over_planes_are_whole_over_many_tiles() -> None:
    rng = np.random.default_rng(9)
    kernel = rng.standard_normal((3, 3, 3, 5)).astype(np.float32)
    x = rng.random((1, 41, 301, 3), np.float32)
    for pool in ((2, 2), (3, 2)):
        result = Stage(kernel, pool, False)(x, False, False)
        np.testing.assert_allclose(result, plainly(x, kernel, pool, False), rtol=1e-4, atol=1e-4)


def test_filters_that_differ_by_little_keep_their_own_weights() -> None:
    mask = np.array([[1, 2, 1], [2, -12, 2], [1, 2, 1]], np.float64)
    corner = np.array([[2e-6, 0, -2e-6], [0, 0, 0], [-2e-6, 0, 2e-6]])
    kernel = np.stack([mask + corner, mask + corner, mask], axis=-1)[:, :, None].astype(np.float32)
    x = np.random.default_rng(10).random((1, 16, 64, 1), np.float32)
    result = Stage(kernel, (2, 2), False)(x, False, False)
    np.testing.assert_array_equal(result[..., 0], result[..., 1])


@pytest.mark.parametrize("average", [False, True])
def test_rows_of_many_tiles_and_bands_are_whole(average: bool) -> None:
    kernel = over_maps(filter_bank(3).kernels, 3)
    x = np.random.default_rng(2).random((1, 75, 301, 3), np.float32)
    result = Stage(kernel, (4, 2), average)(x, planar=False, result_planar=False)
    np.testing.assert_allclose(result, plainly(x, kernel, (4, 2), average), atol=1e-6)


def test_bytes_count_from_zero_to_one() -> None:
    stage = Stage(filter_bank(3).kernels, (2, 2), False)
    images = np.random.default_rng(3).integers(0, 256, (2, 9, 70, 3), np.uint8)
    floats = images.astype(np.float32) / 255
    np.testing.assert_allclose(stage(images, False, False), stage(floats, False, False), atol=1e-6)


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize("pool", [(1, 1), (1, 2), (3, 1), (2, 2), (4, 4), (3, 5), (2, 12)])
def test_nan_in_any_place_of_a_window_is_seen_as_by_the_network(pool: tuple[int, int], kind: str) -> None:
    kernel, rows, columns = filter_bank(3).kernels, min(pool[0] + 1, 4), pool[1] + 1
    network, stage = maps_network((12, 40, 3), [kernel], kind, [pool]), Stage(kernel, pool, kind == "average")
    top, left = 12 // pool[0] // 2 * pool[0], 40 // pool[1] // 2 * pool[1]
    places = [(0, 0), (top, left), *((top + i, left + j) for i in range(-1, rows) for j in range(-1, columns))]
    x = np.random.default_rng(5).random((len(places), 12, 40, 3), np.float32)
    for image, (i, j) in zip(x, places, strict=True):
        image[i, j, 1] = np.nan if (i + j) % 2 else -np.nan
    result = stage(x, False, False).reshape(len(x), -1)
    assert np.isnan(result).any(axis=1).all()
    np.testing.assert_allclose(result, network.predict(x), atol=1e-6)


def test_nan_reaches_the_vectors_of_wide_images() -> None:
    images = np.random.default_rng(6).random((3, 100, 128, 1), np.float32)
    images[1, 49, 65] = np.nan  # the second row and column of a window of four
    extractor = FeatureExtractor(input_shape=images.shape[1:], dimension=8).fit()
    vectors = next(extractor.transform_batches([images]))
    np.testing.assert_allclose(vectors, extractor.model_.predict(images), atol=1e-5)
    assert np.isnan(vectors[1]).all()


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="Numba has one thread here: there is nothing to compare")
def test_neither_threads_nor_the_batch_change_a_bit() -> None:
    stage = Stage(filter_bank(3).kernels, (4, 4), False)
    x = np.random.default_rng(4).random((3, 80, 90, 3), np.float32)
    everything = stage(x, False, False)
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        np.testing.assert_array_equal(stage(x[1:2], False, False), everything[1:2])
    finally:
        numba.set_num_threads(before)
