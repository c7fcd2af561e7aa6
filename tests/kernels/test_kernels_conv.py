import drawn
import loops
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchnet.kernels import conv, conv_direct, conv_gradients, gemm
from scratchnet.kernels.window import Window

TOLERANCE = {"float32": 3e-5, "float64": 1e-12}


def assert_same(ours, twin, dtype):
    assert ours.dtype == dtype
    assert ours.shape == twin.shape
    np.testing.assert_allclose(ours, twin, rtol=0, atol=TOLERANCE[dtype] * max(1, np.abs(twin).max(initial=0)))


def check_equal(seed, dtype, batch, size, window, out_size, groups, group_channels, group_filters):
    rng = np.random.default_rng(seed)
    channels, filters = groups * group_channels, groups * group_filters
    x = rng.standard_normal((batch, *size, channels)).astype(dtype)
    kernel = rng.standard_normal((window.height, window.width, group_channels, filters)).astype(dtype)
    bias = rng.standard_normal(filters).astype(dtype)
    dy = rng.standard_normal((batch, *out_size, filters)).astype(dtype)
    y = conv.conv2d_forward(x, kernel, bias, window, out_size, groups)
    assert_same(y, loops.conv2d_forward(x, kernel, bias, window, out_size, groups), dtype)
    by_kernel = conv.conv2d_kernel_gradient(x, dy, kernel.shape, window, groups)
    assert_same(by_kernel, loops.conv2d_kernel_gradient(x, dy, kernel.shape, window, groups), dtype)
    by_x = conv.conv2d_input_gradient(dy, kernel, x.shape, window, groups)
    assert_same(by_x, loops.conv2d_input_gradient(dy, kernel, x.shape, window, groups), dtype)


@settings(max_examples=60)
@given(
    drawn.seeds, drawn.dtypes, st.integers(1, 3), drawn.raw_windows(), st.integers(1, 3), st.integers(1, 3),
    st.integers(1, 5),
)  # fmt: skip
def test_values_and_gradients_equal_the_loops(seed, dtype, batch, geometry, groups, group_channels, group_filters):
    size, window, out_size = geometry
    check_equal(seed, dtype, batch, size, window, out_size, groups, group_channels, group_filters)


@settings(max_examples=12)
@given(drawn.seeds, drawn.dtypes, drawn.filter_counts, st.sampled_from([1, 2, 3]))
def test_any_number_of_filters_equals_the_loops(seed, dtype, filters, channels):
    check_equal(seed, dtype, 1, (4, 5), Window(3, 2, 1, 1, 1, 1, 1, 0), (4, 4), 1, channels, filters)


def test_a_depth_of_several_blocks_equals_the_loops():
    channels = gemm.DEPTH_BLOCK // 4 + 3  # four of them are more than one block
    for dtype in TOLERANCE:
        check_equal(1, dtype, 1, (3, 3), Window(2, 2, 1, 1, 1, 1, 0, 0), (2, 2), 1, channels, 5)


def test_images_of_several_blocks_equal_the_loops(monkeypatch):
    for module, name in ((conv_direct, "BAND_BYTES"), (conv_gradients, "PANEL_BYTES"), (conv_gradients, "PATCH_BYTES")):
        monkeypatch.setattr(module, name, 1)  # the smallest blocks: one row of pixels, one tile of rows
    for dtype in TOLERANCE:
        check_equal(2, dtype, 2, (6, 7), Window(3, 3, 1, 1, 1, 1, 1, 1), (6, 7), 2, 2, 3)


def test_no_bias_is_a_bias_of_zeros():
    rng = np.random.default_rng(0)
    x, kernel = rng.standard_normal((1, 4, 4, 2)), rng.standard_normal((2, 2, 2, 3))
    window = Window(2, 2, 1, 1, 1, 1, 0, 0)
    y = conv.conv2d_forward(x, kernel, None, window, (3, 3), 1)
    np.testing.assert_array_equal(y, conv.conv2d_forward(x, kernel, np.zeros(3), window, (3, 3), 1))


def test_a_convolution_by_hand():
    x = np.arange(1.0, 10).reshape(1, 3, 3, 1)  # 1 2 3 / 4 5 6 / 7 8 9
    kernel = np.array([1.0, 10, 100, 1000]).reshape(2, 2, 1, 1)
    y = conv.conv2d_forward(x, kernel, None, Window(2, 2, 1, 1, 1, 1, 0, 0), (2, 2), 1)
    np.testing.assert_array_equal(y[0, :, :, 0], [[5421, 6532], [8754, 9865]])
