"""Winograd's algorithm gives what the definition gives, up to rounding, wherever the rule or `prepare` chooses it."""

import loops
import numpy as np
import pytest
import tapwise
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchnet.kernels import conv, winograd_gradient
from scratchnet.kernels.simd import VECTOR_BYTES
from scratchnet.kernels.window import Window

OF_THE_LARGEST = 5e-6  # of the largest sum there can be
LANES = VECTOR_BYTES // 4

many_channels = st.sampled_from([16, 32, 48, 64, 80])
sides, paddings = st.integers(1, 20), st.integers(0, 2)


class Case:
    """A convolution 3x3 with its images, weights and gradient; the result has any size, as nobody checks it here."""

    def __init__(self, batch, size, channels, filters, top=1, left=1, below=1, right=1, seed=0):
        rng = np.random.default_rng(seed)
        self.window = Window(3, 3, 1, 1, 1, 1, top, left)
        self.out_size = max(1, size[0] + top + below - 2), max(1, size[1] + left + right - 2)
        self.x = rng.standard_normal((batch, *size, channels)).astype(np.float32)
        self.kernel = rng.standard_normal((3, 3, channels, filters)).astype(np.float32)
        self.bias = rng.standard_normal(filters).astype(np.float32)
        self.dy = rng.standard_normal((batch, *self.out_size, filters)).astype(np.float32)

    def forward(self):
        return conv.conv2d_forward(self.x, self.kernel, self.bias, self.window, self.out_size, 1)

    def gradients(self):
        by_bias = np.empty_like(self.bias)
        by_kernel = conv.conv2d_kernel_gradient(self.x, self.dy, self.kernel.shape, self.window, 1, None, by_bias)
        by_x = conv.conv2d_input_gradient(self.dy, self.kernel, self.x.shape, self.window, 1)
        return by_x, by_kernel, by_bias

    def results(self):
        return self.forward(), *self.gradients()

    def expected(self):
        return (
            tapwise.forward(self.x, self.kernel, self.bias, self.window, self.out_size),
            tapwise.input_gradient(self.dy, self.kernel, self.x.shape, self.window),
            tapwise.kernel_gradient(self.x, self.dy, self.kernel.shape, self.window),
            self.dy.sum(axis=(0, 1, 2), dtype=np.float64),
        )


def assert_close(results, expected):
    for ours, other in zip(results, expected, strict=True):
        assert ours.dtype == np.float32
        assert ours.shape == other.shape
        np.testing.assert_allclose(ours, other, rtol=0, atol=OF_THE_LARGEST * max(1, np.abs(other).max(initial=0)))


@settings(max_examples=60)
@given(
    st.integers(1, 5), sides, sides, many_channels, many_channels, paddings, paddings, paddings, paddings,
    st.integers(0, 2**16),
)  # fmt: skip
def test_values_and_gradients_equal_the_definition(
    batch, height, width, channels, filters, top, left, below, right, seed
):
    case = Case(batch, (height, width), channels, filters, top, left, below, right, seed)
    with tapwise.algorithm(winograd=True):
        assert_close(case.results(), case.expected())


def test_values_and_gradients_equal_the_loops():
    case = Case(1, (5, 3), 16, 16, top=2, left=0)
    geometry = case.window, case.out_size, 1
    with tapwise.algorithm(winograd=True):
        ours = case.forward(), *case.gradients()[:2]
    assert_close(
        ours,
        (
            loops.conv2d_forward(case.x, case.kernel, case.bias, *geometry),
            loops.conv2d_input_gradient(case.dy, case.kernel, case.x.shape, case.window, 1),
            loops.conv2d_kernel_gradient(case.x, case.dy, case.kernel.shape, case.window, 1),
        ),
    )


def test_tapwise_convolutions_equal_the_loops():
    rng = np.random.default_rng(0)
    for groups, window, out_size in [
        (1, Window(3, 3, 1, 1, 1, 1, 1, 1), (4, 5)),
        (2, Window(2, 3, 2, 1, 1, 2, 0, 3), (2, 6)),
        (1, Window(3, 1, 3, 2, 2, 1, 4, 0), (3, 2)),
    ]:
        x, kernel = rng.standard_normal((2, 4, 5, 4)), rng.standard_normal((*window[:2], 4 // groups, 6))
        bias, dy = rng.standard_normal(6), rng.standard_normal((2, *out_size, 6))
        for tapwise_one, loop in (
            ("forward", "conv2d_forward"),
            ("kernel_gradient", "conv2d_kernel_gradient"),
            ("input_gradient", "conv2d_input_gradient"),
        ):
            arguments = {
                "forward": (x, kernel, bias, window, out_size, groups),
                "kernel_gradient": (x, dy, kernel.shape, window, groups),
                "input_gradient": (dy, kernel, x.shape, window, groups),
            }[tapwise_one]
            ours, other = getattr(tapwise, tapwise_one)(*arguments), getattr(loops, loop)(*arguments)
            np.testing.assert_allclose(ours, other, rtol=0, atol=1e-12)


def test_a_kernel_gradient_in_several_stages_equals_the_definition(monkeypatch):
    case = Case(3, (9, 10), 32, 16)
    monkeypatch.setattr(winograd_gradient, "STAGE_BYTES", 1)  # the smallest stage: one row of tiles
    with tapwise.algorithm(winograd=True):
        assert_close(case.results(), case.expected())


def test_inputs_far_from_zero_keep_the_precision_of_their_sums():
    case = Case(2, (12, 12), 32, 32)
    case.x += 100
    with tapwise.algorithm(winograd=True):
        assert_close(case.results(), case.expected())


@pytest.fixture
def exact():
    conv.set_exact(True)
    yield
    conv.set_exact(False)


def one_by_one(case, size):
    for image in range(len(case.x)):
        alone = Case(1, size, *case.kernel.shape[2:])
        alone.x, alone.dy = case.x[image : image + 1], case.dy[image : image + 1]
        alone.kernel, alone.bias = case.kernel, case.bias
        yield alone


def assert_images_are_independent(size):
    case = Case(7, size, 32, 48)
    together, by_x = case.forward(), case.gradients()[0]
    for image, alone in enumerate(one_by_one(case, size)):
        assert alone.forward().tobytes() == together[image : image + 1].tobytes()
        assert alone.gradients()[0].tobytes() == by_x[image : image + 1].tobytes()


@pytest.mark.parametrize("size", [(13, 9), (4, 4), (7, 7), (8, 12)])
def test_an_image_does_not_depend_on_those_beside_it_in_the_batch(size):
    assert_images_are_independent(size)


@pytest.mark.parametrize("winograd", [True, False])
def test_nor_does_it_where_either_algorithm_takes_all_shapes(winograd):
    with tapwise.algorithm(winograd):
        assert_images_are_independent((13, 9))


def test_an_outlier_disturbs_the_sums_around_it_by_little_of_those_that_see_it_and_none_of_the_definition(exact):
    case = Case(1, (16, 16), 64, 64)
    case.x[0, 6, 6, 3] = 1e5
    expected = case.expected()[0][0]
    unseeing = np.ones((16, 16), bool)
    unseeing[5:8, 5:8] = False
    definition = case.forward()[0]
    conv.set_exact(False)
    with tapwise.algorithm(winograd=True):
        transformed = case.forward()[0]
    error = np.abs(transformed - expected)
    assert error[unseeing].max() < OF_THE_LARGEST * np.abs(expected).max()
    assert error[unseeing].max() > 1e-2
    assert error[:4].max() < 1e-3  # other tiles
    np.testing.assert_allclose(definition[unseeing], expected[unseeing], rtol=0, atol=1e-3)


def test_pixels_that_see_no_nan_are_finite_four_pixels_away():
    case = Case(1, (16, 16), 16, 16)
    case.x[0, 8, 8, 3] = np.nan
    with tapwise.algorithm(winograd=True):
        y, by_x, by_kernel, _ = case.results()
    assert np.isnan(y[0, 7:10, 7:10]).all()
    seen = np.zeros((16, 16), bool)
    seen[4:12, 4:12] = True  # the tiles that hold a pixel that sees it
    assert np.isfinite(y[0][~seen]).all()
    assert np.isfinite(by_x).all()
    assert np.isnan(by_kernel[:, :, 3]).all()
    assert np.isfinite(np.delete(by_kernel, 3, axis=2)).all()


def test_an_infinity_shows_in_every_pixel_that_sees_it():
    case = Case(1, (8, 8), 16, 16)
    case.x[0, 4, 4, 0] = np.inf
    with tapwise.algorithm(winograd=True):
        y, _, by_kernel, _ = case.results()
    assert not np.isfinite(y[0, 3:6, 3:6]).any()
    assert not np.isfinite(by_kernel[:, :, 0]).any()


def test_exact_convolutions_are_those_of_the_definition(exact):
    case = Case(4, (12, 12), 32, 32)
    assert conv.is_exact()
    results = case.results()
    with tapwise.algorithm(winograd=False):
        definition = case.results()
    with tapwise.algorithm(winograd=True):
        transformed = case.results()
    for ours, same, other in zip(results[:3], definition, transformed, strict=False):
        assert ours.tobytes() == same.tobytes()
        assert ours.tobytes() != other.tobytes()


def test_without_exact_many_channels_use_winograd():
    assert not conv.is_exact()
    case = Case(4, (12, 12), 32, 32)
    results = case.results()
    with tapwise.algorithm(winograd=True):
        transformed = case.results()
    for ours, same in zip(results, transformed, strict=True):
        assert ours.tobytes() == same.tobytes()


def rule(
    kernel_size=(3, 3), strides=(1, 1), dilation=(1, 1), channels=64, filters=64, out_size=(12, 12), groups=1, images=1,
    dtype=np.float32, pool=(0, 0),
):  # fmt: skip
    window = Window(*kernel_size, *strides, *dilation, 1, 1)
    shape = (*kernel_size, channels // groups, filters)
    return conv.uses_winograd(shape, window, out_size, groups, np.dtype(dtype), pool, images)


@pytest.mark.parametrize(
    ("case", "chosen"),
    [
        ({}, True),
        ({"dtype": np.float64}, False),
        ({"kernel_size": (5, 5)}, False),
        ({"kernel_size": (3, 1)}, False),
        ({"kernel_size": (1, 3)}, False),
        ({"strides": (2, 1)}, False),
        ({"strides": (1, 2)}, False),
        ({"dilation": (2, 1)}, False),
        ({"dilation": (1, 2)}, False),
        ({"groups": 2}, False),
        ({"channels": 3}, False),
        ({"channels": 8 * LANES + 1}, False),
        ({"filters": 4 * LANES - 1}, False),
        ({"channels": LANES, "filters": 5 * LANES}, True),
        ({"pool": (2, 2)}, True),
        ({"pool": (1, 4)}, True),
        ({"pool": (4, 1)}, True),
        ({"pool": (3, 3)}, False),
        ({"pool": (2, 3)}, False),
        ({"pool": (8, 8)}, False),
        ({"out_size": (5, 5), "images": 9}, False),  # a fifth of four tiles' pixels and a bit
        ({"out_size": (1, 100)}, False),  # one row of four
        ({"out_size": (3, 100)}, True),
        ({"out_size": (7, 7)}, True),  # the least number of tiles
        ({"out_size": (4, 12)}, False),
        ({"out_size": (4, 12), "images": 2}, True),
    ],
)
def test_the_rule_chooses_winograd(case, chosen):
    assert rule(**case) is chosen


def test_exact_overrules_the_rule(exact):
    assert not rule()
