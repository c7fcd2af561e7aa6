"""Arrays of every layout, byte order and kind are taken wherever arrays are; what they hold arrives as it is."""

import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from every_layer import LAYERS

import scratchnet as sn
from scratchnet import layers, losses, metrics, ops
from scratchnet.arrays import as_float_array, as_float_type
from scratchnet.explain import feature_maps, grad_cam, saliency
from scratchnet.features import FeatureExtractor, ScratchClassifier, layer_features
from scratchnet.parameter import Parameter
from scratchnet.tensor import Tensor

Layout = Callable[[np.ndarray], np.ndarray]


def memory_mapped(array: np.ndarray) -> np.ndarray:
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file, array)
        file.flush()
        mapped: np.ndarray = np.load(file.name, mmap_mode="r")
    return mapped


def strided(array: np.ndarray) -> np.ndarray:
    wide = np.zeros((*array.shape, 2), array.dtype)
    wide[..., 1] = array
    return wide[..., 1]


def unaligned(array: np.ndarray) -> np.ndarray:
    return np.frombuffer(b"?" + array.tobytes(), array.dtype, offset=1).reshape(array.shape)


LAYOUTS: dict[str, Layout] = {
    "read-only": lambda array: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape),
    "memory-mapped": memory_mapped,
    "strided": strided,
    "negative strides": lambda array: np.flip(np.flip(array).copy()),
    "Fortran": np.asfortranarray,
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "unaligned": unaligned,
    "repeated": lambda array: np.broadcast_to(array, array.shape),
}
X = np.random.default_rng(0).random((6, 12, 12, 3), dtype=np.float32)
Y, WEIGHTS = np.arange(6) % 3, np.linspace(0.5, 2, 6, dtype=np.float32)


def net(dtype: str = "float32") -> sn.Sequential:
    """One chain of kernels from the input to the output."""
    sn.set_random_seed(3)
    options: dict[str, Any] = {"dtype": dtype}
    model = sn.Sequential(
        [
            layers.Input((12, 12, 3), dtype=dtype),
            layers.Conv2D(8, 3, activation="relu", name="conv", **options),
            layers.MaxPooling2D(2, **options),
            layers.Flatten(**options),
            layers.Dense(3, activation="softmax", name="head", **options),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], weighted_metrics=["accuracy"])
    return model


class Repeated:
    """Batches that can be read any number of times."""

    def __init__(self, *batches: Any) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)


def trained(*arguments: Any, **options: Any) -> list[Any]:
    model = net()
    record = model.fit(*arguments, epochs=1, verbose=0, **options)
    return [*record.history.values(), *model.get_weights()]


def predicted_after_a_plain_one(of: Layout) -> np.ndarray:
    model = net()
    model.predict(X)
    model.predict(X[:1])
    parts = [model.predict(of(X)), model.predict(of(X[:1])), model.predict(of(X), batch_size=4), model(of(X)).data]
    return np.concatenate(parts)


def with_weights(of: Layout) -> np.ndarray:
    model, values = net(), [weight + 0.25 for weight in net().get_weights()]
    model.set_weights([of(value) for value in values])
    first = model.predict(X)
    for weight, value in zip(model.weights, values, strict=True):
        weight.data = of(value)
    np.testing.assert_array_equal(model.predict(X), first)
    model.train_on_batch(X, Y)  # what was given must not hinder the optimiser
    return model.predict(X)


def updated(of: Layout) -> np.ndarray:
    weight = Parameter(np.ones((6, 3), np.float32), "weight")
    weight.grad = of(np.arange(18, dtype=np.float32).reshape(6, 3))
    sn.optimizers.Adam().apply([weight])
    return weight.data


def differentiated(of: Layout) -> np.ndarray:
    kernel = Tensor(np.ones((3, 3, 3, 4), np.float32), requires_grad=True)
    ops.conv2d(of(X), kernel).backward(of(np.ones((6, 10, 10, 4), np.float32)))
    assert kernel.grad is not None
    return kernel.grad


def measured(of: Layout) -> list[Any]:
    scores = np.random.default_rng(1).dirichlet(np.ones(3), 6).astype(np.float32)
    one_hot = np.eye(3, dtype=np.float32)[Y]
    found: list[Any] = []
    for loss, truth in (
        (losses.SparseCategoricalCrossentropy(), Y),
        (losses.CategoricalCrossentropy(), one_hot),
        (losses.BinaryCrossentropy(), one_hot),
        (losses.MeanSquaredError(), one_hot),
    ):
        found.append(loss(of(truth), of(scores), of(WEIGHTS)).data)
        found.append(loss(of(truth), ops.softmax(of(scores))).data)
    for metric, truth in (
        (metrics.SparseCategoricalAccuracy(), Y),
        (metrics.SparseTopKCategoricalAccuracy(2), Y),
        (metrics.CategoricalAccuracy(), one_hot),
        (metrics.F1Score(), one_hot),
        (metrics.Precision(), one_hot),
        (metrics.AUC(), one_hot),
        (metrics.MeanSquaredError(), one_hot),
    ):
        metric.update_state(of(truth), of(scores), of(WEIGHTS))
        found.append(metric.result())
    return found


def operated(of: Layout) -> list[Any]:
    a, b = np.float32([[1, -2, 3], [4, 5, -6]]), np.float32([[1, 2], [3, 4], [5, 6]])
    x, kernel, channels = X[:2], X[:1, :3, :3].transpose(1, 2, 3, 0), np.float32([1, 2, 3])
    return [
        value.data
        for value in (
            Tensor(of(a)) * 2, ops.add(of(a), of(a)), ops.matmul(of(a), of(b)), ops.dense(of(a), of(b), of(b[0])),
            ops.relu(of(a)), ops.softmax(of(a)), ops.sigmoid(of(a)), ops.gelu(of(a)), ops.concatenate([of(a), of(a)]),
            ops.getitem(of(a), of(np.array([1, 0]))), ops.max_pool2d(of(x)), ops.average_pool2d(of(x)),
            ops.conv2d(of(x), of(kernel), of(np.float32([1]))), ops.depthwise_conv2d(of(x), of(kernel), of(channels)),
            ops.batch_normalization(of(x), of(channels), of(channels), -1, of(channels), of(channels)),
            ops.batch_normalization_training(of(x), of(channels), of(channels))[0],
        )
    ]  # fmt: skip


def extracted(of: Layout) -> list[Any]:
    plain, learned = FeatureExtractor(dimension=4), FeatureExtractor(projection="pca", dimension=2)
    return [
        plain.fit(of(X)).transform(of(X)),
        *plain.transform_batches([of(X)]),
        learned.fit(of(X)).transform(of(X)),
        layer_features(net(), of(X), "conv"),
    ]


ENTRIES: dict[str, Callable[[Layout], Any]] = {
    "predict": predicted_after_a_plain_one,
    "predict of a list and of batches": lambda of: (net().predict([of(X)]), net().predict(Repeated(of(X), of(X)))),
    "evaluate": lambda of: net().evaluate(of(X), of(Y), sample_weight=of(WEIGHTS), verbose=0),
    "test_on_batch": lambda of: net().test_on_batch(of(X), of(Y), of(WEIGHTS)),
    "train_on_batch": lambda of: net().train_on_batch(of(X), of(Y), of(WEIGHTS)),
    "fit": lambda of: trained(
        of(X), of(Y), 4, sample_weight=of(WEIGHTS), validation_data=(of(X), of(Y), of(WEIGHTS)), shuffle=False
    ),
    "fit with a split": lambda of: trained(of(X), of(Y), validation_split=0.5, class_weight={0: 2.0}),
    "fit of batches": lambda of: trained(Repeated((of(X), of(Y), of(WEIGHTS)))),
    "weights": with_weights,
    "gradients": updated,
    "backward": differentiated,
    "losses and metrics": measured,
    "operations": operated,
    "explanations": lambda of: (
        grad_cam(net(), of(X)), saliency(net(), of(X), of(Y)), feature_maps(net(), of(X), "conv"),
    ),
    "features": extracted,
    "ScratchClassifier": lambda of: ScratchClassifier(lambda shape, classes: net(), epochs=1, random_state=0)
    .fit(of(X), of(Y))
    .predict_proba(of(X)),
}  # fmt: skip


@pytest.mark.parametrize("entry", ENTRIES)
def test_arrays_of_every_layout_are_taken_everywhere(entry: str) -> None:
    take = ENTRIES[entry]
    expected = take(lambda array: array)
    for name, layout in LAYOUTS.items():
        for given, wanted in zip(_parts(take(layout)), _parts(expected), strict=True):
            np.testing.assert_array_equal(given, wanted, err_msg=name)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layer_takes_arrays_of_every_layout_by_itself(layout: str) -> None:
    for number, (layer, shape) in enumerate(LAYERS):
        x = np.random.default_rng(number).standard_normal((2, *shape)).astype(np.float32)
        given = layer(LAYOUTS[layout](x)).data
        # NumPy may add up in another order where numbers lie otherwise
        np.testing.assert_allclose(given, layer(x).data, rtol=1e-5, atol=1e-6, err_msg=repr(layer))


def _parts(result: Any) -> list[Any]:
    return list(result) if isinstance(result, list | tuple) else [result]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_kernels_get_is_native_aligned_and_writeable(layout: str, dtype: str) -> None:
    array = np.arange(6, dtype=dtype).reshape(2, 3)
    result = as_float_array(LAYOUTS[layout](array))
    assert result.dtype == np.dtype(dtype)
    assert result.flags.behaved
    np.testing.assert_array_equal(result, array)
    assert as_float_array(array) is array


# Precision

WHOLE = 2**24 + 1  # the first that float32 has no place for
NUMBERS: dict[str, Any] = {
    "Python's ints": [[WHOLE, 3]],
    "Python's floats": [[0.1, 1 / 3]],
    "ints": np.array([[WHOLE, -WHOLE]]),
    "unsigned": np.array([[WHOLE, 2**32 - 1]], np.uint32),
    "big-endian": np.array([[0.1, WHOLE]], ">f8"),
    "long doubles": np.array([[0.1, WHOLE]], np.longdouble),
    "booleans": [[True, False]],
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_arrive_in_a_float64_layer_as_they_are(kind: str) -> None:
    given = NUMBERS[kind]
    expected = np.asarray(given, np.float64)
    identity = layers.Dense(2, use_bias=False, dtype="float64")
    identity.build((None, 2))
    identity.set_weights([np.eye(2)])
    model = sn.Sequential([layers.Input((2,), dtype="float64"), layers.Activation("linear", dtype="float64")])
    unbuilt = sn.Sequential([layers.Activation("linear", dtype="float64")])
    for call in (identity, layers.Rescaling(1.0, dtype="float64"), model, unbuilt, layers.Flatten(dtype="float64")):
        np.testing.assert_array_equal(call(given).data, expected)
    np.testing.assert_array_equal(model.predict(np.asarray(given)), expected)
    np.testing.assert_array_equal(model.predict(np.repeat(np.asarray(given), 40, axis=0))[-1:], expected)
    model.compile("sgd", "mse")
    assert model.evaluate(np.asarray(given), expected, verbose=0) == 0
    assert model.test_on_batch(np.asarray(given), expected) == 0
    exact = Tensor(np.zeros((1, 2)))
    for result in (exact + given, given - exact, ops.maximum(given, expected), ops.concatenate([given, exact])[:, :2]):
        np.testing.assert_array_equal(result.data, expected)
    for result in (ops.matmul(given, np.eye(2)), ops.dense(given, np.eye(2)), ops.cast(given, "float64")):
        np.testing.assert_array_equal(result.data, expected)


class OfAnotherLibrary:
    """An array whose dtype is none of NumPy's."""

    dtype = "double"

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array([[0.1]], dtype)


def test_arrays_of_other_libraries_keep_their_precision() -> None:
    for result in (Tensor(OfAnotherLibrary()), ops.add(OfAnotherLibrary(), [[0]]), ops.add([[0]], OfAnotherLibrary())):
        assert result.dtype == np.float64
        assert result.item() == 0.1


def test_inputs_of_two_precisions_keep_their_own() -> None:
    single, double = layers.Input((1,)), layers.Input((1,), dtype="float64")
    kept = layers.Activation("linear", dtype="float64")(double)
    model = sn.Model([single, double], [layers.Activation("linear")(single), kept])
    inner = layers.Input((1,)), layers.Input((1,), dtype="float64")
    outer = sn.Model(list(inner), model(list(inner)))
    for one in (model, outer):
        for results in (one([[[0.1]], [[0.1]]]), one.predict([np.array([[0.1]]), np.array([[0.1]])])):
            a, b = (np.asarray(result) for result in results)
            assert (a.dtype, b.dtype) == (np.float32, np.float64)
            assert b[0, 0] == 0.1


def test_images_of_ints_arrive_exactly_in_explanations_and_features() -> None:
    x = layers.Input((2, 2, 1), dtype="float64")
    maps = layers.Conv2D(1, 1, use_bias=False, kernel_initializer="ones", name="maps", dtype="float64")(x)
    inner = sn.Model(x, maps, name="inner")
    outer = sn.Model(x, layers.Flatten(dtype="float64", name="flat")(inner(x)))
    images = np.full((1, 2, 2, 1), WHOLE)
    np.testing.assert_array_equal(feature_maps(inner, images, "maps"), images)
    shifted = images - WHOLE + np.array([0, 1]).reshape(1, 1, 2, 1)
    assert (layer_features(outer, shifted, "inner/maps") == 0.5).all()


def test_weights_of_classes_are_not_rounded_before_a_float64_loss() -> None:
    model = net("float64")
    x = X.astype(np.float64)
    by_class = model.train_on_batch(x, Y, class_weight={0: 0.1, 1: 0.1, 2: 0.1}, return_dict=True)
    by_sample = net("float64").train_on_batch(x, Y, sample_weight=np.full(6, 0.1), return_dict=True)
    assert by_class == by_sample


def test_no_dtype_is_float32() -> None:
    assert as_float_type(None) == np.float32
    assert layers.Input((3,), dtype=None).dtype == "float32"
    for make in (
        lambda: layers.Dense(2, dtype=None), lambda: layers.Conv2D(2, 1, dtype=None), lambda: layers.ReLU(dtype=None),
        lambda: layers.BatchNormalization(dtype=None), lambda: layers.Dropout(0.5, dtype=None),
    ):  # fmt: skip
        layer = make()
        assert layer.dtype == "float32"
        assert layer(np.ones((1, 2, 2, 3))).dtype == np.float32
        assert {weight.dtype for weight in layer.weights} <= {np.dtype(np.float32)}
    for name in ("zeros", "ones", "constant", "glorot_uniform", "random_normal", "truncated_normal", "orthogonal"):
        initializer = sn.initializers.get(name)
        assert initializer is not None
        assert initializer((2, 2), None).dtype == np.float32
    assert ops.cast([1], None).dtype == np.float32


@pytest.mark.parametrize("dtype", ["float16", "int32", ">i4", "bfloat16", object, 3.5, "no such type"])
def test_other_types_are_refused_in_one_sentence(dtype: Any) -> None:
    for use in (
        lambda: layers.Dense(2, dtype=dtype), lambda: layers.Input((2,), dtype=dtype), lambda: ops.cast([1], dtype),
        lambda: sn.initializers.Zeros()((2,), dtype), lambda: sn.warmup(dtype),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"^dtype must be float32 or float64, got "):
            use()
