"""A convolution with ReLU, max pool and affine maps behind it equals the same one after the other."""

import drawn
import numpy as np
import pytest
import tapwise
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchnet.kernels import conv, conv_direct
from scratchnet.kernels.patches import Affine
from scratchnet.kernels.window import Window

TOLERANCE = {"float32": 3e-5, "float64": 1e-12}
SAME_3X3 = Window(3, 3, 1, 1, 1, 1, 1, 1)

relus = st.booleans()
windows = st.sampled_from([(h, w) for h in (1, 2, 3) for w in (1, 2, 3)])


class Case:
    """Arrays of a convolution and what is behind it; `whole` numbers make every sum exact."""

    def __init__(self, seed, dtype, batch, size, window, out_size, groups, channels, filters, fused, whole=False):
        rng = np.random.default_rng(seed)

        def numbers(*shape):
            values = rng.integers(-2, 3, shape) if whole else rng.standard_normal(shape)
            return values.astype(dtype)

        self.dtype, self.window, self.groups, self.fused = dtype, window, groups, fused
        pool = fused.pool
        # the result has a row and a column for the pool at least
        self.out_size = max(out_size[0], pool[0]), max(out_size[1], pool[1])
        self.x = numbers(batch, *size, channels)
        self.kernel, self.bias = numbers(*window[:2], channels // groups, filters), numbers(filters)
        self.geometry = window, self.out_size, groups
        pooled = (self.out_size[0] // pool[0], self.out_size[1] // pool[1]) if pool[0] else self.out_size
        self.dy = numbers(batch, *pooled, filters)

    def convolve(self, winograd, affine=conv.NO_AFFINE, with_winner=False):
        prepared = conv.prepare(self.kernel, self.bias, *self.geometry, self.fused.pool, winograd, affine)
        return conv.convolve(self.x, prepared, *self.geometry, self.fused, with_winner)

    def gradients(self, winograd, y, winner):
        behind, by_bias = conv.Behind(self.fused, y, winner, self.out_size), np.empty_like(self.bias)
        with tapwise.algorithm(winograd):
            by_kernel = conv.conv2d_kernel_gradient(
                self.x, self.dy, self.kernel.shape, self.window, self.groups, behind, by_bias
            )
            by_x = conv.conv2d_input_gradient(self.dy, self.kernel, self.x.shape, self.window, self.groups, behind)
        return by_x, by_kernel, by_bias

    def sums(self):
        sums = tapwise.forward(self.x, self.kernel, self.bias, *self.geometry)
        return np.maximum(sums, 0) if self.fused.relu else sums

    def expected_gradients(self, y, winner):
        dz = np.where(y > 0, self.dy, 0) if self.fused.relu else self.dy
        if self.fused.pool[0]:
            dz = tapwise.max_pool_gradient(dz, winner, self.out_size, self.fused.pool)
        return (
            tapwise.input_gradient(dz, self.kernel, self.x.shape, self.window, self.groups),
            tapwise.kernel_gradient(self.x, dz, self.kernel.shape, self.window, self.groups),
            dz.sum(axis=(0, 1, 2)),
        )

    def close(self, ours, expected, largest=1.0):
        assert ours.dtype == self.dtype
        assert ours.shape == expected.shape
        atol = TOLERANCE[self.dtype] * max(1, largest, np.abs(expected).max(initial=0))
        np.testing.assert_allclose(ours, expected, rtol=0, atol=atol)

    def check(self, winograd):
        """Values, winners and gradients."""
        pool, sums = self.fused.pool, self.sums()
        y, winner = self.convolve(winograd, with_winner=pool[0] > 0)
        bare, nothing = self.convolve(winograd)
        assert nothing.size == 0
        assert y.tobytes() == bare.tobytes()  # keeping the winners changes no value
        largest = np.abs(sums).max(initial=0)
        self.close(y, tapwise.max_pool(sums, pool)[0] if pool[0] else sums, largest)
        if pool[0]:
            assert winner.shape == y.shape
            image, i, j, c = np.indices(y.shape)
            won = sums[image, i * pool[0] + winner // pool[1], j * pool[1] + winner % pool[1], c]
            self.close(y, won, largest)  # of two that rounding cannot tell apart, either may win
        for ours, expected in zip(self.gradients(winograd, y, winner), self.expected_gradients(y, winner), strict=True):
            self.close(ours, expected)


@settings(max_examples=100)
@given(
    drawn.seeds, drawn.dtypes, st.integers(1, 3), drawn.raw_windows(), st.integers(1, 3), st.integers(1, 3),
    drawn.filter_counts, relus, st.one_of(st.just((0, 0)), windows),
)  # fmt: skip
def test_by_the_definition_it_equals_one_after_the_other(
    seed, dtype, batch, geometry, groups, group_channels, group_filters, relu, pool
):
    size, window, out_size = geometry
    channels, filters = groups * group_channels, groups * group_filters
    fused = conv.Fused(relu, pool)
    Case(seed, dtype, batch, size, window, out_size, groups, channels, filters, fused).check(winograd=False)


@settings(max_examples=40)
@given(
    drawn.seeds, st.integers(1, 3), st.integers(1, 13), st.integers(1, 13), st.sampled_from([16, 48]),
    st.sampled_from([16, 32, 80]), relus, st.sampled_from([(0, 0), (1, 1), (2, 2), (4, 4), (1, 2), (4, 1), (2, 4)]),
)  # fmt: skip
def test_by_winograd_it_equals_one_after_the_other(seed, batch, height, width, channels, filters, relu, pool):
    size = height, width
    fused = conv.Fused(relu, pool)
    Case(seed, "float32", batch, size, SAME_3X3, size, 1, channels, filters, fused).check(winograd=True)


@pytest.mark.parametrize("band", [1, 5000])
def test_images_in_several_bands_equal_one_after_the_other(band, monkeypatch):
    monkeypatch.setattr(conv_direct, "BAND_BYTES", band)
    for dtype in TOLERANCE:
        for pool in ((0, 0), (2, 2), (3, 2)):
            fused = conv.Fused(True, pool)
            Case(0, dtype, 2, (11, 7), SAME_3X3, (11, 7), 1, 3, 20, fused).check(winograd=False)


@settings(max_examples=40)
@given(drawn.seeds, drawn.dtypes, drawn.raw_windows(), st.integers(1, 2), relus, windows)
def test_the_first_of_equal_pixels_wins(seed, dtype, geometry, groups, relu, pool):
    size, window, out_size = geometry
    case = Case(seed, dtype, 2, size, window, out_size, groups, groups, 5 * groups, conv.Fused(relu, pool), whole=True)
    y, winner = case.convolve(winograd=False, with_winner=True)
    expected, first = tapwise.max_pool(case.sums(), pool)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(winner, first)
    for ours, other in zip(case.gradients(False, y, winner), case.expected_gradients(y, winner), strict=True):
        np.testing.assert_array_equal(ours, other)


@pytest.mark.parametrize("winograd", [False, True])
def test_of_equal_pixels_everywhere_the_first_wins_in_every_window(winograd):
    fused = conv.Fused(True, (2, 2))
    case = Case(0, "float32", 1, (8, 8), SAME_3X3, (8, 8), 1, 16, 16, fused)
    case.kernel[:] = 0
    y, winner = case.convolve(winograd, with_winner=True)
    assert y.tobytes() == np.broadcast_to(np.maximum(case.bias, 0), y.shape).tobytes()
    assert not winner.any()
    by_x, by_kernel, by_bias = case.gradients(winograd, y, winner)
    assert not by_x.any()
    case.close(by_kernel, case.expected_gradients(y, winner)[1])
    np.testing.assert_allclose(by_bias, np.where(case.bias > 0, case.dy.sum(axis=(0, 1, 2)), 0), atol=1e-4)


@pytest.mark.parametrize("pool", [(0, 0), (1, 1), (2, 2)])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(("winograd", "dtype"), [(False, "float32"), (False, "float64"), (True, "float32")])
def test_nan_is_seen_behind_relu_and_pool(winograd, dtype, relu, pool):
    case = Case(0, dtype, 1, (8, 8), SAME_3X3, (8, 8), 1, 16, 16, conv.Fused(relu, pool))
    case.x[0, 2, 3, 5] = np.nan
    y, winner = case.convolve(winograd, with_winner=pool[0] > 0)
    step = max(1, pool[0])
    seen = np.zeros(y.shape[1:3], bool)
    seen[1 // step : 3 // step + 1, 2 // step : 4 // step + 1] = True
    assert np.isnan(y[0][seen]).all()
    if not winograd:
        assert np.isfinite(y[0][~seen]).all()
    bare, _ = case.convolve(winograd)
    np.testing.assert_array_equal(y, bare)
    case.dy[0, 0, 0, 7] = np.nan
    case.x[0, 2, 3, 5] = 0
    y, winner = case.convolve(winograd, with_winner=pool[0] > 0)
    y[0, 0, 0, 7] = 1  # the ReLU lets it pass
    by_x, by_kernel, by_bias = case.gradients(winograd, y, winner)
    assert np.isnan(by_x[0, :1, :1]).all()
    assert np.isnan(by_bias[7])
    assert np.isnan(by_kernel[1, 1, :, 7]).all()
    assert np.isfinite(np.delete(by_kernel, 7, axis=3)).all()


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinite_sum_wins_its_window_or_is_cut_to_zero(value):
    case = Case(0, "float64", 1, (4, 4), Window(1, 1, 1, 1, 1, 1, 0, 0), (4, 4), 1, 1, 17, conv.Fused(True, (2, 2)))
    case.kernel[:], case.x[0, :2, :2] = 1, value
    y, _ = case.convolve(False)
    np.testing.assert_array_equal(y[0, 0, 0], np.full(17, max(value, 0)))
    assert np.isfinite(y[0, 1:]).all()


def affine_of(case, seed, scaled, pooled):
    rng = np.random.default_rng(seed)
    filters = len(case.bias)
    scale, shift = rng.standard_normal((2, filters)).astype(case.dtype)  # of either sign
    behind = rng.standard_normal((2, filters)).astype(case.dtype) if pooled else None
    return Affine(scale, shift, behind) if scaled else Affine(pooled=behind)


def check_affine(case, seed, winograd, scaled, pooled):
    affine, pool, expected = affine_of(case, seed, scaled, pooled), case.fused.pool, case.sums()
    largest = np.abs(expected).max(initial=0) * 3
    if scaled:
        expected = expected * affine.scale + affine.shift
    if pool[0]:
        expected = tapwise.max_pool(expected, pool)[0]
        if pooled:
            expected = expected * affine.pooled[0] + affine.pooled[1]
    case.close(case.convolve(winograd, affine)[0], expected, largest * 3)


@settings(max_examples=60)
@given(
    drawn.seeds, drawn.dtypes, drawn.raw_windows(), st.integers(1, 3), st.integers(1, 3), drawn.filter_counts, relus,
    st.one_of(st.just((0, 0)), windows), st.booleans(), st.booleans(),
)  # fmt: skip
def test_affine_maps_before_and_behind_the_pool_equal_one_after_the_other(
    seed, dtype, geometry, groups, group_channels, group_filters, relu, pool, scaled, pooled
):
    size, window, out_size = geometry
    channels, filters = groups * group_channels, groups * group_filters
    case = Case(seed, dtype, 2, size, window, out_size, groups, channels, filters, conv.Fused(relu, pool))
    check_affine(case, seed, False, scaled, pooled and pool[0] > 0)


@settings(max_examples=25)
@given(
    drawn.seeds, st.integers(1, 9), st.integers(1, 9), st.sampled_from([16, 48, 64]), relus,
    st.sampled_from([(0, 0), (2, 2), (4, 1)]), st.booleans(), st.booleans(),
)  # fmt: skip
def test_affine_maps_around_winograd_equal_one_after_the_other(
    seed, height, width, filters, relu, pool, scaled, pooled
):
    fused = conv.Fused(relu, pool)
    case = Case(seed, "float32", 2, (height, width), SAME_3X3, (height, width), 1, 16, filters, fused)
    check_affine(case, seed, True, scaled, pooled and pool[0] > 0)


def test_an_image_does_not_depend_on_those_beside_it_in_the_batch():
    fused = conv.Fused(True, (2, 2))
    for winograd in (False, True):
        together = Case(3, "float32", 5, (9, 14), SAME_3X3, (9, 14), 1, 16, 48, fused)
        y, winner = together.convolve(winograd, with_winner=True)
        for image in range(5):
            alone = Case(3, "float32", 1, (9, 14), SAME_3X3, (9, 14), 1, 16, 48, fused)
            alone.x, alone.kernel, alone.bias = together.x[image : image + 1], together.kernel, together.bias
            y_alone, winner_alone = alone.convolve(winograd, with_winner=True)
            assert y_alone.tobytes() == y[image].tobytes()
            assert winner_alone.tobytes() == winner[image].tobytes()


def test_no_images_give_no_pixels_and_gradients_of_zero():
    case = Case(0, "float32", 0, (6, 6), SAME_3X3, (6, 6), 1, 3, 5, conv.Fused(True, (2, 2)))
    y, winner = case.convolve(False, with_winner=True)
    assert y.shape == winner.shape == (0, 3, 3, 5)
    by_x, by_kernel, by_bias = case.gradients(False, y, winner)
    assert by_x.shape == case.x.shape
    assert not by_kernel.any()
    assert not by_bias.any()
