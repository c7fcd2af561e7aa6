"""Parameters of one model are updated in one pass, whatever they are: no mixture may change what each one gets."""

from types import SimpleNamespace

import numpy as np
import pytest

from scratchnet.optimizers import SGD, Adam, AdamW, RMSprop

RULES = [
    SGD,
    lambda **options: SGD(momentum=0.9, **options),
    lambda **options: RMSprop(centered=True, momentum=0.5, **options),
    Adam,
    lambda **options: Adam(amsgrad=True, **options),
    lambda **options: AdamW(weight_decay=0.01, **options),
]


def parameter(data, name="weight"):
    return SimpleNamespace(data=data, grad=None, name=name, trainable=True)


def draw(dtypes, seed=0):
    rng = np.random.default_rng(seed)
    sizes = [3, 40_000, 1, 700]
    return [parameter(rng.standard_normal(sizes[i % 4]).astype(dtype)) for i, dtype in enumerate(dtypes)]


def give_gradients(parameters, step):
    for number, p in enumerate(parameters):
        p.grad = np.random.default_rng([step, number]).standard_normal(p.data.shape).astype(p.data.dtype)


@pytest.mark.parametrize("options", [{}, {"clipnorm": 0.5}, {"clipvalue": 0.3}])
@pytest.mark.parametrize("rule", RULES)
def test_together_is_bit_for_bit_what_each_alone_would_be(rule, options):
    dtypes = ["float32", "float64", "float32", "float64", "float32", "float32"]
    together, alone = draw(dtypes), draw(dtypes)
    optimizer, optimizers = rule(**options), [rule(**options) for _ in alone]
    for step in range(4):
        give_gradients(together, step)
        give_gradients(alone, step)
        optimizer.apply(together)
        for own, p in zip(optimizers, alone, strict=True):
            own.apply([p])
    for one, other in zip(together, alone, strict=True):
        assert one.data.tobytes() == other.data.tobytes()


def test_the_global_norm_is_that_of_all_dtypes():
    single, double = parameter(np.zeros(1, np.float32)), parameter(np.zeros(1, np.float64))
    single.grad, double.grad = np.array([3], np.float32), np.array([4.0])
    SGD(1.0, global_clipnorm=1.0).apply([single, double])
    np.testing.assert_allclose([single.data[0], double.data[0]], [-0.6, -0.8], rtol=1e-6)


def test_a_new_array_takes_the_place_of_the_old_one():
    p = parameter(np.zeros(5, np.float32))
    optimizer = SGD(1.0)
    p.grad = np.ones(5, np.float32)
    optimizer.apply([p])
    old, p.data = p.data, np.full(5, 10, np.float32)
    optimizer.apply([p])
    np.testing.assert_array_equal(old, -1)
    np.testing.assert_array_equal(p.data, 9)


@pytest.mark.parametrize(
    "data", [np.zeros(5), np.zeros(6, np.float32), np.zeros(10, np.float32)[::2], np.broadcast_to(np.float32(1), 5)]
)
def test_an_array_that_cannot_take_its_place_is_refused(data):
    p = parameter(np.zeros(5, np.float32))
    optimizer = Adam()
    optimizer.build([p])
    p.data, p.grad = data, np.ones(data.shape, data.dtype)
    with pytest.raises(ValueError, match="must stay a writeable C-contiguous array of float32"):
        optimizer.apply([p])


def test_who_is_updated_may_change_from_step_to_step():
    first, second = draw(["float32", "float32"])
    before = [first.data.copy(), second.data.copy()]
    optimizer = SGD(1.0)
    optimizer.build([first, second])
    for chosen in ([first], [second], [second, first], [first]):
        give_gradients([first, second], 0)
        optimizer.apply(chosen)
    np.testing.assert_allclose(first.data, before[0] - 3 * first.grad, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(second.data, before[1] - 2 * second.grad, rtol=1e-5, atol=1e-5)


def test_updates_of_parameters_that_share_memory_all_count():
    whole = np.zeros(100_000, np.float32)
    one, other = parameter(whole), parameter(whole[50_000:])
    one.grad, other.grad = np.ones(100_000, np.float32), np.ones(50_000, np.float32)
    SGD(1.0).apply([one, other])
    np.testing.assert_array_equal(whole, np.repeat(np.float32([-1, -2]), 50_000))


def test_gradients_of_any_layout_and_precision_are_taken():
    p = parameter(np.zeros((200, 300), np.float32))
    p.grad = np.arange(60_000, dtype=np.float64).reshape(300, 200).T
    SGD(1.0).apply([p])
    np.testing.assert_array_equal(p.data, -p.grad.astype(np.float32))
