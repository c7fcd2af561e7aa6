import drawn
import loops
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scratchnet.kernels import gemm

TOLERANCE = {"float32": 2e-5, "float64": 1e-12}


def check_equal(seed, dtype, rows, depth, columns, transpose_a, transpose_b):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((rows, depth)).astype(dtype), rng.standard_normal((depth, columns)).astype(dtype)
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    expected = wide_a @ wide_b  # loops would take too long for the large ones
    if rows * depth * columns < 500:
        np.testing.assert_allclose(loops.matmul(wide_a, wide_b), expected, rtol=0, atol=1e-12)
    given_a, given_b = a.T.copy() if transpose_a else a, b.T.copy() if transpose_b else b
    c = gemm.matmul(given_a, given_b, transpose_a, transpose_b)
    assert c.dtype == dtype
    assert c.shape == (rows, columns)
    np.testing.assert_allclose(c, expected, rtol=0, atol=TOLERANCE[dtype] * max(1, np.abs(expected).max(initial=0)))


sizes = st.integers(1, 80)


@settings(max_examples=80)
@example(0, "float32", 7, gemm.DEPTH_BLOCK + 1, 65, False, False)
@example(0, "float64", gemm.ROW_BLOCK + 1, 2 * gemm.DEPTH_BLOCK + 5, 3, True, True)
@example(0, "float32", 4, 3, 1030, False, False)  # few rows over more than two streamed blocks
@given(drawn.seeds, drawn.dtypes, sizes, sizes, sizes, st.booleans(), st.booleans())
def test_products_equal_numpy(seed, dtype, rows, depth, columns, transpose_a, transpose_b):
    check_equal(seed, dtype, rows, depth, columns, transpose_a, transpose_b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 6, 7])
def test_few_rows_equal_numpy(dtype, rows):
    for depth, columns in [(1, 1), (3, 7), (16, 16), (33, 129), (301, 515)]:
        for transpose_a in (False, True):
            for transpose_b in (False, True):
                check_equal(rows, dtype, rows, depth, columns, transpose_a, transpose_b)


def test_a_product_over_no_depth_is_zero():
    np.testing.assert_array_equal(gemm.matmul(np.ones((3, 0)), np.ones((0, 2))), np.zeros((3, 2)))


def test_empty_results_have_their_shape():
    assert gemm.matmul(np.ones((0, 4)), np.ones((4, 2))).shape == (0, 2)
    assert gemm.matmul(np.ones((3, 4)), np.ones((4, 0))).shape == (3, 0)


def test_mixed_precision_is_computed_in_the_wider_one():
    c = gemm.matmul(np.full((1, 1), 1 / 3, np.float32), np.full((1, 1), 3.0))
    assert c.dtype == np.float64
    assert c[0, 0] == float(np.float32(1 / 3)) * 3


def test_packing_a_matrix_pads_the_last_panel_with_zeros():
    b = np.arange(1.0, 7).reshape(2, 3)
    packed = np.full(gemm.packed_size(2, 3, 8), np.nan)
    gemm.pack(b.reshape(-1), 0, 3, 1, 2, 3, packed)
    rows = packed.reshape(2, -1)
    np.testing.assert_array_equal(rows[:, :3], b)
    np.testing.assert_array_equal(rows[:, 3:], 0)
