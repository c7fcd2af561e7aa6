import math
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from scratchnet import initializers, random
from scratchnet.initializers import (
    Constant,
    GlorotUniform,
    HeNormal,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    compute_fans,
)

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # TensorFlow's own imports warn
    keras = pytest.importorskip("keras")

SCALED = ["GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunUniform", "LecunNormal"]
RANDOM = [*SCALED, "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "Orthogonal"]
SHAPE = (3, 3, 40, 50)


@pytest.mark.parametrize("name", SCALED)
def test_scaled_initializers_have_the_spread_of_keras(name):
    ours = getattr(initializers, name)(seed=1)(SHAPE)
    theirs = np.asarray(getattr(keras.initializers, name)(seed=1)(SHAPE))
    assert ours.shape == SHAPE
    assert abs(ours.mean()) < 4 * ours.std() / math.sqrt(ours.size)
    assert ours.std() == pytest.approx(theirs.std(), rel=0.02)
    assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.01)


@pytest.mark.parametrize("distribution", ["uniform", "truncated_normal", "untruncated_normal"])
@pytest.mark.parametrize(("mode", "n"), [("fan_in", 360), ("fan_out", 450), ("fan_avg", 405)])
def test_variance_scaling_has_the_stated_variance(mode, n, distribution):
    values = VarianceScaling(3.0, mode, distribution, seed=2)(SHAPE)
    assert values.var() == pytest.approx(3 / n, rel=0.03)


def test_bounds_are_exact():
    uniform = GlorotUniform(seed=0)((500, 700))
    limit = np.float32(math.sqrt(6 / 1200))
    assert limit * 0.999 < uniform.max() <= limit
    assert -limit <= uniform.min() < -limit * 0.999
    uniform = RandomUniform(0.1, 0.7, seed=0)((1000, 1000))
    assert uniform.min() >= np.float32(0.1)
    assert uniform.max() <= np.float32(0.7)
    truncated = TruncatedNormal(1.0, 0.5, seed=0)((1000, 1000))
    assert 1.99 * 0.5 < np.abs(truncated - 1).max() <= 2 * 0.5
    assert truncated.std() == pytest.approx(0.5 * 0.87962566, rel=0.01)


def test_normal_has_its_mean_and_deviation():
    values = RandomNormal(2.0, 0.5, seed=0)((1000, 1000))
    assert values.mean() == pytest.approx(2, abs=0.002)
    assert values.std() == pytest.approx(0.5, rel=0.005)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(8, 5), (5, 8), (3, 3, 4, 6), (2, 2, 3, 20)])
def test_orthogonal_matrices_are_orthogonal(shape, dtype):
    values = Orthogonal(gain=2.0, seed=3)(shape, dtype)
    assert values.dtype == dtype
    matrix = values.reshape(-1, shape[-1]) / 2
    gram = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(gram, np.eye(min(matrix.shape)), atol=1e-6)


def test_orthogonal_needs_a_matrix():
    with pytest.raises(ValueError, match=r"at least two axes .* got \(5,\)"):
        Orthogonal()((5,))


@pytest.mark.parametrize("shape", [(), (7,), (4, 5), (3, 3, 4, 5), (2, 3, 3, 4, 5)])
def test_fans_are_those_of_keras(shape):
    from keras.src.initializers.random_initializers import compute_fans as keras_fans

    assert compute_fans(shape) == keras_fans(shape)


def test_constants():
    np.testing.assert_array_equal(initializers.get("zeros")((2, 3)), np.zeros((2, 3), "float32"))
    np.testing.assert_array_equal(initializers.get("Ones")((4,), "float64"), np.ones(4))
    assert Constant(0.3)((2,)).tolist() == [np.float32(0.3)] * 2
    assert initializers.get("ones")(()).shape == ()


@pytest.mark.parametrize("name", RANDOM)
def test_one_instance_repeats_and_instances_differ(name):
    cls = getattr(initializers, name)
    seeded, unseeded = cls(seed=5), cls()
    np.testing.assert_array_equal(seeded((6, 4)), seeded((6, 4)))
    np.testing.assert_array_equal(seeded((6, 4)), cls(seed=5)((6, 4)))
    np.testing.assert_array_equal(unseeded((6, 4)), unseeded((6, 4)))
    assert not np.array_equal(unseeded((6, 4)), cls()((6, 4)))


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_is_kept(name, dtype):
    assert getattr(initializers, name)(seed=0)((6, 4), dtype).dtype == dtype


def test_the_global_seed_makes_unseeded_initializers_repeat():
    random.set_random_seed(3)
    first = HeNormal()((5, 5)), HeNormal()((5, 5))
    random.set_random_seed(3)
    second = HeNormal()((5, 5)), HeNormal()((5, 5))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first[0], first[1])


def test_the_global_state_can_be_saved():
    state = random.get_random_state()
    drawn = [random.next_seed() for _ in range(3)]
    random.set_random_state(state)
    assert drawn == [random.next_seed() for _ in range(3)]
    assert all(0 <= seed < 2**63 for seed in drawn)
    with pytest.raises(ValueError, match="must come from get_random_state"):
        random.set_random_state({"bit_generator": "MT19937"})
    with pytest.raises(ValueError, match="seed must be a non-negative int, got -1"):
        random.set_random_seed(-1)


def test_a_scope_repeats_and_nothing_in_it_is_seen_outside():
    def drawn(seed):
        with random.random_scope(seed):
            return [random.next_seed(), HeNormal()((2,)).tolist(), random.next_seed()]

    random.set_random_seed(3)
    state = random.get_random_state()
    assert drawn(5) == drawn(5) != drawn(6)
    with random.random_scope(5), random.random_scope(6):
        random.set_random_seed(7)
        random.set_random_state(random.get_random_state())
        random.next_seed()
    with pytest.raises(ValueError, match="seed must be a non-negative int, got -1"), random.random_scope(-1):
        pass
    assert random.get_random_state() == state
    with random.random_scope():
        first = random.next_seed()
    assert first == random.next_seed()


def test_threads_do_not_see_each_others_scopes():
    together = Barrier(2)

    def drawn(seed):
        with random.random_scope(seed):
            together.wait(10)  # each has seeded before either draws
            return [random.next_seed() for _ in range(3)]

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(drawn, [1, 2])
    for seed, seen in ((1, first), (2, second)):
        with random.random_scope(seed):
            assert seen == [random.next_seed() for _ in range(3)]


@pytest.mark.parametrize("name", ["Zeros", "Ones", "Constant", *RANDOM])
def test_config_round_trip_with_keras(name):
    theirs = getattr(keras.initializers, name)()
    ours = initializers.get(keras.initializers.serialize(theirs))
    assert type(ours).__name__ == name
    config = initializers.serialize(ours)["config"]
    for key, value in theirs.get_config().items():
        assert config.get(key) == value, key
    assert getattr(keras.initializers, name).from_config(config).get_config() == theirs.get_config()


@pytest.mark.parametrize("spelling", ["he_normal", "HeNormal", "henormal"])
def test_spellings(spelling):
    assert isinstance(initializers.get(spelling), HeNormal)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VarianceScaling(scale=0), "scale must be positive, got 0"),
        (lambda: VarianceScaling(mode="fan"), "mode must be .* got 'fan'"),
        (lambda: VarianceScaling(distribution="cauchy"), "distribution must be .* got 'cauchy'"),
        (lambda: RandomUniform(1.0, 0.0), "minval must not exceed maxval"),
        (lambda: RandomNormal(stddev=-1.0), "stddev must not be negative, got -1.0"),
        (lambda: HeNormal(seed="x"), "seed must be a non-negative int or None, got 'x'"),
        (lambda: HeNormal()((2, 2), "int32"), "dtype must be float32 or float64, got int32"),
        (lambda: initializers.get("xavier"), "initializer must be one of constant, glorot_normal"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
