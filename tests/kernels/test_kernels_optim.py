"""All parameters in one pass are updated as each alone would be."""

import copy
import pickle

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratchnet.kernels.optim import CHUNK, SERIAL_TASKS, SLOTS, Table

DTYPES = [np.float32, np.float64]
SIZES = [[1], [0, 3], [5, CHUNK, 7], [CHUNK + 1], [3] * 50, [SERIAL_TASKS * CHUNK, 1], [70_001, 1, 2 * CHUNK - 2, 9]]


def clipped(gradient, scale, limit):
    return np.clip(gradient * scale, -limit, limit)


def sgd(w, g, slots, decay, rate):
    w[...] = w - w * decay - rate * g


def momentum_sgd(w, g, slots, decay, rate, momentum):
    slots[0][...] = momentum * slots[0] - rate * g
    w[...] = w - w * decay + slots[0]


def nesterov_sgd(w, g, slots, decay, rate, momentum):
    slots[0][...] = momentum * slots[0] - rate * g
    w[...] = w - w * decay + momentum * slots[0] - rate * g


def rmsprop(w, g, slots, decay, rate, rho, momentum, epsilon):
    velocities, averages, momentums = slots
    velocities[...] = rho * velocities + (1 - rho) * g * g
    variance = velocities
    if averages is not None:
        averages[...] = rho * averages + (1 - rho) * g
        variance = velocities - averages * averages
    update = rate * g / np.sqrt(variance + epsilon)
    if momentums is not None:
        momentums[...] = momentum * momentums + update
        update = momentums
    w[...] = w - w * decay - update


def adam(w, g, slots, decay, alpha, one_minus_beta_1, one_minus_beta_2, epsilon):
    momentums, velocities, *maxima = slots
    momentums[...] = momentums + (g - momentums) * one_minus_beta_1
    velocities[...] = velocities + (g * g - velocities) * one_minus_beta_2
    size = velocities
    if maxima and maxima[0] is not None:
        size = maxima[0][...] = np.maximum(maxima[0], velocities)
    w[...] = w - w * decay - alpha * momentums / (np.sqrt(size) + epsilon)


# name: (the rule in NumPy, its constants, which slots it has, the table's method)
RULES = {
    "sgd": (sgd, (0.1,), "", lambda table, c: table.sgd(*c)),
    "momentum": (momentum_sgd, (0.1, 0.9), "x", lambda table, c: table.momentum_sgd(*c, False)),
    "nesterov": (nesterov_sgd, (0.1, 0.9), "x", lambda table, c: table.momentum_sgd(*c, True)),
    "rmsprop": (rmsprop, (0.1, 0.75, 0.5, 0.1), "x--", lambda t, c: t.rmsprop(c[0], c[1], type(c[1])(0.25), *c[2:])),
    "rmsprop, all": (
        rmsprop, (0.1, 0.75, 0.5, 0.1), "xxx", lambda t, c: t.rmsprop(c[0], c[1], type(c[1])(0.25), *c[2:]),
    ),
    "adam": (adam, (0.1, 0.2, 0.3, 0.01), "xx-", lambda table, c: table.adam(*c, False)),
    "amsgrad": (adam, (0.1, 0.2, 0.3, 0.01), "xxx", lambda table, c: table.adam(*c, True)),
}  # fmt: skip


def draw(sizes, dtype, slots, seed=0):
    """Weights, gradients and slots that rules can have led to."""
    rng = np.random.default_rng(seed)
    weights, gradients = ([rng.standard_normal(size).astype(dtype) for size in sizes] for _ in range(2))
    memory = [[rng.random(size).astype(dtype) for size in sizes] if used == "x" else None for used in slots]
    if len(memory) == 3 and memory[1] is not None:  # velocity - average^2 is never negative
        memory[0] = [array + 1 for array in memory[0]]
    return weights, gradients, memory


def apply(method, constants, weights, gradients, slots, dtype, factors):
    table = Table(weights, slots)
    table.set_gradients(gradients)
    table.set_factors(*factors)
    method(table, [dtype(constant) for constant in constants])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_its_formula(rule, sizes, dtype):
    formula, constants, used, method = RULES[rule]
    weights, gradients, slots = draw(sizes, dtype, used)
    expected_weights, _, expected_slots = draw(sizes, np.float64 if dtype is np.float64 else np.float32, used)
    decays, scales, limit = np.linspace(0, 0.1, len(sizes)), np.linspace(1, 0.5, len(sizes)), dtype(0.8)
    apply(method, constants, weights, gradients, slots, dtype, (decays, scales, limit))
    tolerance = {"rtol": 30 * np.finfo(dtype).eps, "atol": 30 * np.finfo(dtype).eps}
    for p in range(len(sizes)):
        own = [slot and slot[p] for slot in expected_slots]
        g = clipped(gradients[p], dtype(scales[p]), limit)
        formula(expected_weights[p], g, own, dtype(decays[p]), *map(dtype, constants))
        np.testing.assert_allclose(weights[p], expected_weights[p], **tolerance)
        for slot, expected in zip(slots, own, strict=True):
            if slot is not None:
                np.testing.assert_allclose(slot[p], expected, **tolerance)


@pytest.mark.parametrize("rule", [name for name in RULES if name != "sgd"])
def test_what_is_remembered_of_gradients_that_have_ended_fades_to_zero_and_never_to_denormals(rule):
    _, constants, used, method = RULES[rule]
    weights, _, slots = draw([300], np.float32, used)
    table = Table(weights, slots)
    table.set_gradients([np.zeros(300, np.float32)])
    table.set_factors(0.0, 1.0, np.inf)
    for _ in range(2000):
        method(table, [np.float32(constant) for constant in constants])
    for slot in slots:
        if slot is not None:
            size = np.abs(slot[0])
            assert ((size == 0) | (size >= np.finfo(np.float32).tiny)).all()
    assert np.isfinite(weights[0]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("rule", RULES)
def test_a_gradient_that_is_no_number_is_seen_in_the_weights(rule, value):
    _, constants, used, method = RULES[rule]
    weights, gradients, slots = draw([40], np.float32, used)
    gradients[0][3] = value
    apply(method, constants, weights, gradients, slots, np.float32, (0.0, 1.0, np.inf))
    np.testing.assert_array_equal(np.isfinite(weights[0]), np.arange(40) != 3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", RULES)
def test_the_bits_depend_neither_on_the_threads_nor_on_the_other_parameters(rule, dtype):
    _, constants, used, method = RULES[rule]
    sizes = [CHUNK, 3 * CHUNK]
    results, before = [], numba.get_num_threads()
    try:
        for threads in (1, numba.config.NUMBA_NUM_THREADS):
            numba.set_num_threads(threads)
            weights, gradients, slots = draw(sizes, dtype, used)
            apply(method, constants, weights, gradients, slots, dtype, (0.01, 1.0, np.inf))
            results.append(weights)
    finally:
        numba.set_num_threads(before)
    weights, gradients, slots = draw(sizes, dtype, used)
    for p in range(2):
        own = [slot and [slot[p]] for slot in slots]
        apply(method, constants, [weights[p]], [gradients[p]], own, dtype, (0.01, 1.0, np.inf))
    results.append(weights)
    for result in results[1:]:
        assert [array.tobytes() for array in result] == [array.tobytes() for array in results[0]]


@pytest.mark.parametrize("rule", RULES)
def test_nothing_beside_the_arrays_is_written(rule):
    _, constants, used, method = RULES[rule]
    sizes = [5, CHUNK + 3, 1]
    weights, gradients, slots = draw(sizes, np.float32, used)
    wholes = []

    def surrounded(array):
        whole = np.full(array.size + 128, np.float32(1.25e30))
        wholes.append(whole)
        whole[64:-64] = array
        return whole[64:-64]

    weights = [surrounded(array) for array in weights]
    gradients = [surrounded(array) for array in gradients]
    slots = [slot and [surrounded(array) for array in slot] for slot in slots]
    apply(method, constants, weights, gradients, slots, np.float32, (0.0, 1.0, np.inf))
    for whole in wholes:
        assert (whole[:64] == np.float32(1.25e30)).all()
        assert (whole[-64:] == np.float32(1.25e30)).all()
        assert (whole[64:-64] != np.float32(1.25e30)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@given(sizes=st.lists(st.integers(0, 3 * CHUNK), min_size=1, max_size=6))
def test_square_sums_are_those_of_each_gradient(sizes, dtype):
    weights, gradients, _ = draw(sizes, dtype, "")
    table = Table(weights, [])
    table.set_gradients(gradients)
    expected = [float(np.square(gradient, dtype=np.float64).sum()) for gradient in gradients]
    np.testing.assert_allclose(table.square_sums(), expected, rtol=1e-12)


def test_square_sums_do_not_overflow_where_the_dtype_would():
    table = Table([np.zeros(2, np.float32)], [])
    table.set_gradients([np.array([3e30, 4e30], np.float32)])
    np.testing.assert_allclose(table.square_sums(), [25e60], rtol=1e-6)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda table: pickle.loads(pickle.dumps(table))])
def test_a_copy_updates_its_own_weights(duplicate):
    weights = [np.ones(3, np.float32)]
    table = Table(weights, [])
    copied = duplicate(table)
    copied.set_gradients([np.ones(3, np.float32)])
    copied.set_factors(0.0, 1.0, np.inf)
    copied.sgd(np.float32(1))
    np.testing.assert_array_equal(weights[0], 1)


def test_a_rule_remembers_at_most_what_a_table_has_room_for():
    assert max(len(used) for _, _, used, _ in RULES.values()) == SLOTS
