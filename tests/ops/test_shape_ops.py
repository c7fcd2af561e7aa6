import drawn
import gradients
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import assert_close, check_equal, draw, tf

from scratchnet import ops
from scratchnet.tensor import Tensor


@pytest.mark.parametrize("shape", [(24,), (6, 4), (2, -1), (-1,), (4, 3, 2), (1, 24, 1), [8, -1]], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_reshape_equals_tensorflow(shape, dtype):
    check_equal(lambda x: ops.reshape(x, shape), lambda x: tf.reshape(x, shape), draw(1, dtype, (2, 3, 4)))


@pytest.mark.parametrize("axes", [None, (0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_transpose_equals_tensorflow(axes, dtype):
    check_equal(lambda x: ops.transpose(x, axes), lambda x: tf.transpose(x, axes), draw(2, dtype, (2, 3, 4)))


def test_negative_axes_of_a_transpose_count_from_the_end():
    check_equal(
        lambda x: ops.transpose(x, (0, -1, 1)), lambda x: tf.transpose(x, (0, 2, 1)), draw(2, "float64", (2, 3, 4))
    )


INDICES = {
    "a row": np.s_[1],
    "from the end": np.s_[-1, 2],
    "a slice": np.s_[:, 1:3],
    "steps": np.s_[::2, ::-1],
    "the rest": np.s_[..., 0],
    "a new axis": np.s_[:, None, 1],
    "one element": np.s_[1, 2, 3],
}


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_getitem_equals_tensorflow(index, dtype):
    check_equal(lambda x: x[index], lambda x: x[index], draw(3, dtype, (3, 4, 5)))


def test_getitem_with_a_list_adds_the_gradients_of_repeated_rows():
    rows = [2, 0, 2, 2]
    check_equal(lambda x: x[rows], lambda x: tf.gather(x, rows), draw(4, "float64", (3, 4)))


def test_getitem_with_a_mask_equals_tensorflow():
    mask = np.array([[True, False, True], [False, False, True]])
    check_equal(lambda x: x[mask], lambda x: tf.boolean_mask(x, mask), draw(5, "float64", (2, 3)))


@settings(max_examples=30)
@given(drawn.seeds, drawn.dtypes, st.integers(-3, 2), st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_concatenate_equals_tensorflow(seed, dtype, axis, sizes):
    shapes = [tuple(size if i == axis % 3 else i + 2 for i in range(3)) for size in sizes]
    check_equal(
        lambda *xs: ops.concatenate(xs, axis), lambda *xs: tf.concat(xs, axis), draw(seed, dtype, *shapes), seed
    )


def test_concatenate_of_one_tensor_with_itself_adds_its_gradients():
    check_equal(lambda x: ops.concatenate([x, x], 0), lambda x: tf.concat([x, x], 0), draw(6, "float64", (2, 3)))


@settings(max_examples=20)
@given(drawn.seeds, drawn.dtypes, st.lists(st.tuples(*[st.integers(0, 3)] * 2), min_size=3, max_size=3))
def test_pad_equals_tensorflow(seed, dtype, widths):
    check_equal(
        lambda x: ops.pad(x, widths, 1.5),
        lambda x: tf.pad(x, widths, constant_values=1.5),
        draw(seed, dtype, (2, 3, 1)),
        seed,
    )


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ops.reshape(x, (4, -1)),
        lambda x: ops.transpose(x, (1, 2, 0)),
        lambda x: x[:, [0, 0, 1], 1:],
        lambda x: ops.concatenate([x, x * 2], 1),
        lambda x: ops.pad(x, [(0, 1), (2, 0), (1, 1)]),
    ],
)
def test_gradients_equal_finite_differences(function):
    gradients.check_gradients(function, draw(7, "float64", (2, 3, 4)))


def test_moving_elements_changes_none_of_them():
    (x,) = draw(8, "float32", (2, 3, 4))
    assert_close(ops.transpose(ops.transpose(x, (1, 2, 0)), (2, 0, 1)).data, x)
    assert_close(ops.reshape(ops.reshape(x, (-1,)), x.shape).data, x)


def test_errors_name_the_argument_the_rule_and_the_value():
    x = Tensor(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"6 elements of shape \(2, 3\) cannot be reshaped to \(4, -1\)"):
        ops.reshape(x, (4, -1))
    with pytest.raises(ValueError, match=r"shapes \[\(2, 3\), \(3, 3\)\] cannot be concatenated along axis 1"):
        ops.concatenate([x, np.ones((3, 3))], 1)
    with pytest.raises(ValueError, match=r"shapes \[\] cannot be concatenated"):
        ops.concatenate([])
    for axes in ((0,), (0, 0), (0, 2), (1, 5), (0, -2)):
        with pytest.raises(ValueError, match=r"axes must name each of the 2 axes of shape \(2, 3\) once, got \("):
            ops.transpose(x, axes)
    for widths in ([(1, 1)], [(1, 1), (0, -1)], [(1,), (1,)]):
        with pytest.raises(ValueError, match=r"pad_width must hold a pair of numbers >= 0 for each of 2 axes, got \["):
            ops.pad(x, widths)
