import copy
import os
import pickle
import subprocess
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from scratchnet import optimizers, schedules
from scratchnet.optimizers import SGD, Adam, AdamW, RMSprop

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # TensorFlow's own imports warn
    keras = pytest.importorskip("keras")

SHAPES = ((3, 3, 2, 5), (7,), (11, 13))
NAMES = ("conv/kernel", "conv/bias", "dense/kernel")

RULES = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.8}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", {"centered": True, "momentum": 0.8, "rho": 0.7, "epsilon": 1e-5}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True}),
    ("Adam", {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-4}),
    ("AdamW", {}),
    ("AdamW", {"weight_decay": 0.1, "amsgrad": True}),
]
OPTIONS = [
    {},
    {"weight_decay": 0.05},
    {"clipnorm": 0.7},
    {"clipvalue": 0.3},
    {"global_clipnorm": 1.3},
    {"global_clipnorm": 1e6},
]


def parameter(data, name="weight"):
    return SimpleNamespace(data=data, grad=None, name=name, trainable=True)


def draw_parameters(dtype, seed=0):
    generator = np.random.default_rng(seed)
    return [
        parameter(generator.normal(size=shape).astype(dtype), name) for shape, name in zip(SHAPES, NAMES, strict=True)
    ]


def draw_gradients(dtype, steps, seed=1):
    generator = np.random.default_rng(seed)
    return [
        [(generator.normal(size=shape) * 10.0 ** generator.integers(-3, 1)).astype(dtype) for shape in SHAPES]
        for _ in range(steps)
    ]


def run_keras(optimizer, dtype, gradients):
    variables = [keras.Variable(p.data, dtype=dtype, name=p.name.replace("/", "_")) for p in draw_parameters(dtype)]
    history = []
    for step in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in step], variables)
        history.append([variable.numpy().copy() for variable in variables])
    return history


def run_ours(optimizer, dtype, gradients, parameters=None):
    parameters = draw_parameters(dtype) if parameters is None else parameters
    history = []
    for step in gradients:
        for p, gradient in zip(parameters, step, strict=True):
            p.grad = gradient
        optimizer.apply(parameters)
        history.append([p.data.copy() for p in parameters])
    return history


def assert_same_path(ours, theirs, dtype):
    # Keras keeps the learning rate and Adam's constants in float32, also where the weights are float64.
    tolerance = {"rtol": 3e-6, "atol": 3e-6}
    for our_step, their_step in zip(ours, theirs, strict=True):
        for our_weights, their_weights in zip(our_step, their_step, strict=True):
            assert our_weights.dtype == dtype
            np.testing.assert_allclose(our_weights, their_weights, **tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "arguments"), RULES)
def test_each_rule_follows_keras(name, arguments, dtype):
    gradients = draw_gradients(dtype, 25)
    ours = run_ours(getattr(optimizers, name)(learning_rate=0.01, **arguments), dtype, gradients)
    theirs = run_keras(getattr(keras.optimizers, name)(learning_rate=0.01, **arguments), dtype, gradients)
    assert_same_path(ours, theirs, dtype)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(("name", "arguments"), [RULES[0], RULES[2], RULES[6], RULES[8]])
def test_clipping_and_decay_follow_keras(name, arguments, options):
    gradients = draw_gradients("float32", 20)
    ours = run_ours(getattr(optimizers, name)(learning_rate=0.01, **arguments, **options), "float32", gradients)
    theirs = run_keras(
        getattr(keras.optimizers, name)(learning_rate=0.01, **arguments, **options), "float32", gradients
    )
    assert_same_path(ours, theirs, "float32")


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_a_schedule_is_read_at_each_step_as_in_keras(name):
    arguments = {"initial_learning_rate": 0.05, "decay_steps": 12, "warmup_target": 0.1, "warmup_steps": 5}
    gradients = draw_gradients("float32", 20)
    ours = run_ours(getattr(optimizers, name)(schedules.CosineDecay(**arguments)), "float32", gradients)
    schedule = keras.optimizers.schedules.CosineDecay(**arguments)
    theirs = run_keras(getattr(keras.optimizers, name)(schedule), "float32", gradients)
    assert_same_path(ours, theirs, "float32")


@pytest.mark.parametrize("name", ["SGD", "RMSprop", "Adam", "AdamW"])
def test_defaults_are_those_of_keras(name):
    ours = getattr(optimizers, name)().get_config()
    theirs = getattr(keras.optimizers, name)().get_config()
    for key, value in ours.items():
        if key != "name":
            assert value == pytest.approx(theirs[key]), key


@pytest.mark.parametrize(("name", "arguments"), RULES)
def test_a_keras_config_builds_the_same_optimizer(name, arguments):
    theirs = getattr(keras.optimizers, name)(learning_rate=0.25, clipnorm=2.0, **arguments)
    ours = optimizers.get(keras.optimizers.serialize(theirs))
    assert type(ours).__name__ == name
    assert ours.learning_rate == 0.25
    assert ours.clipnorm == 2.0
    for key, value in arguments.items():
        assert getattr(ours, key) == value


def test_a_keras_feature_that_is_missing_is_named():
    config = keras.optimizers.serialize(keras.optimizers.Adam(use_ema=True))
    with pytest.raises(ValueError, match="use_ema is not supported, got True"):
        optimizers.get(config)


@pytest.mark.parametrize(("name", "arguments"), RULES)
def test_config_round_trip(name, arguments):
    schedule = schedules.ExponentialDecay(0.1, 10, 0.5)
    original = getattr(optimizers, name)(schedule, **arguments)
    copy = optimizers.get(optimizers.serialize(original))
    assert type(copy) is type(original)
    assert copy.get_config() == original.get_config()
    assert copy.learning_rate == 0.1


def test_adam_by_hand():
    weight = parameter(np.array([1.0]))
    optimizer = Adam(0.1)
    weight.grad = np.array([2.0])
    optimizer.apply([weight])
    # m = .2, v = .004, alpha = .1 sqrt(.001) / .1; the first step has the length of the learning rate
    assert weight.data[0] == pytest.approx(1 - 0.1 * 0.2 * 0.001**0.5 / 0.1 / (0.004**0.5 + 1e-7), rel=1e-12)
    assert weight.data[0] == pytest.approx(0.9, abs=1e-5)


def test_updates_are_in_place():
    weight = parameter(np.ones((4, 3), np.float32))
    data, gradient = weight.data, np.ones((4, 3), np.float32)
    weight.grad = gradient
    SGD(0.5, clipvalue=0.1).apply([weight])
    assert weight.data is data
    np.testing.assert_allclose(data, 0.95)
    np.testing.assert_array_equal(gradient, 1)


def test_a_parameter_without_gradient_or_frozen_keeps_weights_and_state():
    moving, idle, frozen = draw_parameters("float32")
    before = idle.data.copy(), frozen.data.copy()
    optimizer = Adam()
    moving.grad, frozen.grad, frozen.trainable = np.ones_like(moving.data), np.ones_like(frozen.data), False
    optimizer.apply([moving, idle, frozen])
    np.testing.assert_array_equal(idle.data, before[0])
    np.testing.assert_array_equal(frozen.data, before[1])
    assert optimizer.iterations == 1
    assert not optimizer.variables()["adam/momentum/1"].any()
    # the state stays with its parameter, whatever else is updated
    idle.grad, moving.grad = np.ones_like(idle.data), None
    optimizer.apply([idle])
    np.testing.assert_allclose(optimizer.variables()["adam/momentum/1"], 0.1, rtol=1e-6)
    np.testing.assert_allclose(optimizer.variables()["adam/momentum/0"], 0.1, rtol=1e-6)


def test_excluded_parameters_do_not_decay_as_in_keras():
    gradients = [[np.zeros(shape, "float32") for shape in SHAPES]] * 3
    parameters = draw_parameters("float32")
    start = [p.data.copy() for p in parameters]
    optimizer = SGD(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[parameters[2]], var_names=["bias"])
    end = run_ours(optimizer, "float32", gradients, parameters)[-1]
    np.testing.assert_allclose(end[0], start[0] * 0.95**3, rtol=1e-6)
    np.testing.assert_array_equal(end[1], start[1])
    np.testing.assert_array_equal(end[2], start[2])
    with pytest.raises(ValueError, match="before the optimizer is built"):
        optimizer.exclude_from_weight_decay(var_names=["bias"])


def test_learning_rate_can_be_set_unless_scheduled():
    optimizer = SGD(1)
    optimizer.learning_rate = 0.25
    assert optimizer.learning_rate == 0.25
    optimizer.learning_rate = schedules.PiecewiseConstantDecay([0], [1.0, 0.5])
    assert optimizer.learning_rate == 1.0
    optimizer.iterations = 1
    assert optimizer.learning_rate == 0.5
    with pytest.raises(TypeError, match="PiecewiseConstantDecay decides it"):
        optimizer.learning_rate = 0.1


@pytest.mark.parametrize(("name", "arguments"), RULES)
def test_a_resumed_run_ends_bit_for_bit_like_an_uninterrupted_one(name, arguments):
    gradients = draw_gradients("float32", 10)
    whole = run_ours(getattr(optimizers, name)(**arguments), "float32", gradients)[-1]

    parameters = draw_parameters("float32")
    first = getattr(optimizers, name)(**arguments)
    run_ours(first, "float32", gradients[:4], parameters)
    saved = {key: value.copy() for key, value in first.variables().items()}
    second = getattr(optimizers, name)(learning_rate=7.0, **arguments)
    second.build(parameters)
    second.load_variables(saved)
    resumed = run_ours(second, "float32", gradients[4:], parameters)[-1]
    for left, right in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(left, right)


def test_variables_are_named_by_slot_and_position():
    optimizer = RMSprop(centered=True, momentum=0.5)
    optimizer.build(draw_parameters("float64")[:1])
    assert set(optimizer.variables()) == {
        "rmsprop/iterations",
        "rmsprop/learning_rate",
        "rmsprop/velocity/0",
        "rmsprop/average_gradient/0",
        "rmsprop/momentum/0",
    }
    assert optimizer.variables()["rmsprop/velocity/0"].dtype == np.float64
    assert "sgd/learning_rate" not in SGD(schedules.CosineDecay(0.1, 10)).variables()


def test_load_variables_names_what_does_not_fit_and_changes_nothing():
    optimizer = Adam()
    with pytest.raises(ValueError, match="must be built"):
        optimizer.load_variables({})
    optimizer.build(draw_parameters("float32"))
    good = {key: np.ones_like(value) for key, value in optimizer.variables().items()}
    missing = {key: value for key, value in good.items() if key != "adam/velocity/2"}
    with pytest.raises(ValueError, match="lack: adam/velocity/2"):
        optimizer.load_variables(missing)
    with pytest.raises(ValueError, match="do not belong: adam/velocity/3"):
        optimizer.load_variables({**good, "adam/velocity/3": np.ones(1)})
    with pytest.raises(ValueError, match=r"'adam/velocity/1' must have shape \(7,\), got \(8,\)"):
        optimizer.load_variables({**good, "adam/velocity/1": np.ones(8)})
    assert optimizer.iterations == 0
    assert not any(optimizer.variables()[f"adam/momentum/{i}"].any() for i in range(3))


def test_bad_use_is_refused_with_the_value():
    weight = parameter(np.ones((2, 3), np.float32))
    with pytest.raises(ValueError, match="no parameter has a gradient"):
        SGD().apply([weight])
    weight.grad = np.ones((3, 2), np.float32)
    with pytest.raises(ValueError, match=r"must have shape \(2, 3\), got \(3, 2\)"):
        SGD().apply([weight])
    with pytest.raises(ValueError, match="C-contiguous"):
        SGD().build([parameter(np.ones((2, 3), np.float32).T)])
    with pytest.raises(ValueError, match="got int64"):
        SGD().build([parameter(np.ones(3, np.int64))])
    with pytest.raises(ValueError, match="twice"):
        SGD().build([weight, weight])
    optimizer = SGD()
    optimizer.build([weight])
    with pytest.raises(ValueError, match="'other' is unknown"):
        optimizer.apply([SimpleNamespace(data=weight.data, grad=weight.grad, name="other")])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(-1.0), "learning_rate must be a finite number"),
        (lambda: SGD("fast"), "learning_rate must be a finite number"),
        (lambda: SGD(momentum=1.5), "momentum must be between 0 and 1, got 1.5"),
        (lambda: Adam(beta_2=-0.1), "beta_2 must be between 0 and 1, got -0.1"),
        (lambda: Adam(clipnorm=1.0, clipvalue=1.0), "only one of clipnorm, clipvalue and global_clipnorm"),
        (lambda: Adam(clipnorm=-1.0), "clipnorm must not be negative, got -1.0"),
        (lambda: AdamW(weight_decay=None), "weight_decay must be a number, got None"),
        (lambda: optimizers.get("adamax"), "optimizer must be one of adam, adamw, rmsprop, sgd, got 'adamax'"),
        (lambda: optimizers.get({"class_name": "SGD", "config": {"rho": 1}}), "does not fit its arguments"),
        (lambda: optimizers.get(3), "optimizer must be a name"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_strings_and_instances():
    assert optimizers.get(None) is None
    assert isinstance(optimizers.get("RMSprop"), RMSprop)
    assert isinstance(optimizers.get("adamw"), AdamW)
    optimizer = SGD()
    assert optimizers.get(optimizer) is optimizer


@pytest.mark.parametrize("options", [{}, {"clipnorm": 1.0}, {"clipvalue": 1.0}, {"global_clipnorm": 1.0}])
@pytest.mark.parametrize("rule", [SGD, RMSprop, Adam, lambda **kw: Adam(amsgrad=True, **kw)])
def test_nan_stays_visible(rule, options):
    weight = parameter(np.ones(3, np.float32))
    optimizer = rule(**options)
    weight.grad = np.array([1, np.nan, 1], np.float32)
    optimizer.apply([weight])
    weight.grad = np.ones(3, np.float32)
    optimizer.apply([weight])
    assert np.isnan(weight.data[1])


def test_a_huge_gradient_is_clipped_and_an_infinite_one_is_seen():
    weight = parameter(np.zeros(2, np.float32))
    weight.grad = np.array([3e30, 4e30], np.float32)  # their squares overflow float32
    SGD(1.0, clipnorm=1.0).apply([weight])
    np.testing.assert_allclose(weight.data, [-0.6, -0.8], rtol=1e-6)
    weight.grad = np.array([np.inf, 0], np.float32)
    SGD(1.0, global_clipnorm=1.0).apply([weight])
    assert np.isnan(weight.data).all()


def test_results_do_not_depend_on_the_number_of_threads():
    script = """
import hashlib, numpy as np
from types import SimpleNamespace
from scratchnet.optimizers import Adam
rng = np.random.default_rng(0)
weight = SimpleNamespace(data=rng.normal(size=70_001).astype("f4"), grad=None, name="w")
optimizer = Adam(amsgrad=True, weight_decay=.1)
for _ in range(3):
    weight.grad = rng.normal(size=70_001).astype("f4")
    optimizer.apply([weight])
print(hashlib.sha256(weight.data.tobytes()).hexdigest())
"""
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "NUMBA_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(digests) == 1


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))])
def test_a_copy_goes_on_alone_from_where_the_first_one_is(duplicate):
    parameters, optimizer = draw_parameters("float32"), Adam(0.01, amsgrad=True)
    first, second = draw_gradients("float32", 2)

    def step(weights, rule, gradients):
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        rule.apply(weights)

    step(parameters, optimizer, first)
    copied, copied_optimizer = duplicate((parameters, optimizer))
    before = [weight.data.copy() for weight in parameters]
    step(copied, copied_optimizer, second)
    for weight, earlier in zip(parameters, before, strict=True):
        np.testing.assert_array_equal(weight.data, earlier)
    step(parameters, optimizer, second)
    for weight, other in zip(parameters, copied, strict=True):
        np.testing.assert_array_equal(weight.data, other.data)
    assert copied_optimizer.iterations == optimizer.iterations == 2
