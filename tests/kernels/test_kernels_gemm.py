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


rows_of_any_path = st.one_of(st.integers(1, 12), st.integers(1, 130), st.sampled_from([gemm.THIN_ROWS, 65, 130]))


def present(rng, wanted, columns, dtype):
    return rng.standard_normal(columns).astype(dtype) if wanted else None


@settings(max_examples=100)
@example(0, "float32", 3, 0, 5, False, False, True, True, True, True)
@example(0, "float64", 70, 0, 5, True, True, True, True, True, True)
@example(0, "float32", 70, gemm.DEPTH_BLOCK + 9, 5, False, True, True, True, True, True)
@given(
    drawn.seeds, drawn.dtypes, rows_of_any_path, st.integers(0, 200), st.integers(1, 150), st.booleans(),
    st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.booleans(),
)  # fmt: skip
def test_bias_relu_scale_and_shift_behind_a_product_equal_numpy(
    seed, dtype, rows, depth, columns, transpose_a, transpose_b, relu, with_bias, with_scale, with_shift
):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((depth, rows) if transpose_a else (rows, depth)).astype(dtype)
    b = rng.standard_normal((columns, depth) if transpose_b else (depth, columns)).astype(dtype)
    bias, scale, shift = (present(rng, wanted, columns, dtype) for wanted in (with_bias, with_scale, with_shift))
    after = gemm.finishing(columns, a.dtype, bias, scale, shift)
    c = gemm.matmul(a, b, transpose_a, transpose_b, after, relu)
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    sums = (wide_a.T if transpose_a else wide_a) @ (wide_b.T if transpose_b else wide_b)
    expected = sums + (0 if bias is None else bias)
    expected = np.maximum(expected, 0) if relu else expected
    expected = expected * (1 if scale is None else scale) + (0 if shift is None else shift)
    assert c.dtype == dtype
    assert c.shape == (rows, columns)
    largest = max(1, np.abs(sums).max(initial=0)) * (1 if scale is None else max(1, np.abs(scale).max()))
    np.testing.assert_allclose(c, expected, rtol=0, atol=TOLERANCE[dtype] * largest)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 4, 5, 64, 65, 130])
@pytest.mark.parametrize(("transpose_a", "transpose_b"), [(False, False), (False, True), (True, False), (True, True)])
def test_relu_behind_a_product_needs_no_bias_and_keeps_nan(dtype, rows, transpose_a, transpose_b):
    rng = np.random.default_rng(rows)
    a, b = rng.standard_normal((rows, 20)).astype(dtype), rng.standard_normal((20, 33)).astype(dtype)
    a[rows // 2, 7] = np.nan
    c = gemm.matmul(a.T if transpose_a else a, b.T if transpose_b else b, transpose_a, transpose_b, relu=True)
    expected = np.maximum(a.astype(np.float64) @ b, 0)
    assert np.isnan(expected[rows // 2]).all()
    np.testing.assert_allclose(c, expected, rtol=0, atol=TOLERANCE[dtype] * 20)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_thin_streamed_and_packed_products_of_the_same_rows_agree(dtype, monkeypatch):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((64, 301)).astype(dtype), rng.standard_normal((301, 77)).astype(dtype)
    for rows in (1, 2, 4, 5, 6, 13, 64):
        thin = gemm.matmul(a[:rows], b), gemm.matmul(a[:rows], b.T.copy(), transpose_b=True)
        monkeypatch.setattr(gemm, "THIN_ROWS", 0)
        packed = gemm.matmul(a[:rows], b), gemm.matmul(a[:rows], b.T.copy(), transpose_b=True)
        monkeypatch.undo()
        for one, other in zip(thin, packed, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=TOLERANCE[dtype] * 60)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("depth", [3, 130, 700, 1100])  # one chunk, two, and so many that the last differ in size
@pytest.mark.parametrize("transpose_b", [False, True])
def test_a_row_does_not_depend_on_the_rows_beside_it(dtype, depth, transpose_b):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((131, depth)).astype(dtype), rng.standard_normal((depth, 70)).astype(dtype)
    bias, scale, shift = rng.standard_normal((3, 70)).astype(dtype)
    after = None if transpose_b else gemm.finishing(70, a.dtype, bias, scale, shift)
    given = b.T.copy() if transpose_b else b
    whole = gemm.matmul(a, given, transpose_b=transpose_b, after=after)
    for first, count in [(0, 1), (1, 2), (3, 4), (9, 5), (50, 63), (0, 64), (0, 65), (3, 128)]:
        part = gemm.matmul(a[first : first + count], given, transpose_b=transpose_b, after=after)
        assert part.tobytes() == whole[first : first + count].tobytes()


def test_arrays_of_any_layout_are_taken():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((9, 40))[:, ::2], rng.standard_normal((7, 20)).T
    np.testing.assert_allclose(gemm.matmul(a, b), a @ b, rtol=1e-12)


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
