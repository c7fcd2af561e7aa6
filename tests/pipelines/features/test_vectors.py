"""Vectors of images: by pixels and by layers of models, with every mistake in one sentence."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

import scratchnet as sn
from pipelines.data.drawn import DrawnFaces
from pipelines.data.errors import DataError
from pipelines.data.preprocessing import Preprocessing
from pipelines.data.sample import Sample
from pipelines.errors import UserError
from pipelines.features.layer_vectors import last_before_scores
from pipelines.features.vectors import extract, open_maker, unit
from scratchnet import layers
from scratchnet.features import FeatureExtractor

SMALL = {"height": 12, "width": 12, "channels": 1, "scale": 1 / 255}


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    sn.set_random_seed(1)
    model = sn.Sequential(
        [
            layers.Input((12, 12, 1)),
            layers.Conv2D(3, 3, activation="relu", name="conv"),
            layers.Flatten(name="flat"),
            layers.Dense(5, activation="relu", name="dense"),
            layers.Dropout(0.5, name="drop"),
            layers.Dense(7, name="scores"),
            layers.Activation("softmax", name="softmax"),
        ]
    )
    model.preprocessing = SMALL
    model.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def images(count: int = 6) -> np.ndarray:
    return np.random.default_rng(3).random((count, 12, 12, 1), np.float32)


def by_hand(path: Path, upto: str, x: np.ndarray) -> np.ndarray:
    """Each layer called by itself, one after the other."""
    for layer in sn.load_model(path).layers:
        x = np.asarray(layer(x).data)
        if layer.name == upto:
            return x
    raise AssertionError(upto)


def test_pixels_are_the_preprocessed_image_row_by_row() -> None:
    source = DrawnFaces(7, size=12)
    made = extract(open_maker("pixels", size=(12, 12, 1)), source, source.samples, batch_size=3)
    assert made.array.dtype == np.float32
    for row, sample in zip(made.array, made.samples, strict=True):
        np.testing.assert_array_equal(row, source.read(sample).reshape(-1) * np.float32(1 / 255))
    assert made.labels.tolist() == [sample.label for sample in source.samples]
    assert made.samples == source.samples
    assert made.class_names == source.class_names
    assert made.seconds_per_image > 0


def test_vectors_of_length_one_and_zeros_that_stay() -> None:
    given = np.array([[3, 4], [0, 0]], np.float32)
    np.testing.assert_allclose(unit(given), [[0.6, 0.8], [0, 0]])
    lengths = np.linalg.norm(open_maker("pixels", size=(12, 12, 1), normalize=True)(images()), axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-6)


def test_by_default_the_layer_before_the_class_scores_is_taken_and_dropout_passed_over(model_file: Path) -> None:
    maker = open_maker(str(model_file))
    assert maker.name == f"{model_file} (dense)"
    assert maker.dimension == 5
    assert maker.preprocessing == Preprocessing(**SMALL)
    np.testing.assert_allclose(maker(images()), by_hand(model_file, "dense", images()), rtol=1e-5, atol=1e-6)


def test_maps_over_the_image_are_averaged(model_file: Path) -> None:
    maker = open_maker(str(model_file), layer="conv")
    assert maker.dimension == 3
    want = by_hand(model_file, "conv", images()).mean(axis=(1, 2))
    np.testing.assert_allclose(maker(images()), want, rtol=1e-5, atol=1e-6)


def test_the_keras_twin_gives_the_same_vectors(model_file: Path) -> None:
    pytest.importorskip("tensorflow")
    ours, theirs = open_maker(str(model_file)), open_maker(str(model_file), engine="keras")
    assert "Keras" in theirs.name
    np.testing.assert_allclose(ours(images()), theirs(images()), rtol=1e-4, atol=1e-6)


def test_a_layer_within_a_model_within_the_model_goes_by_the_outer_name() -> None:
    inner = sn.Sequential([layers.Input((4, 4, 1)), layers.Flatten(name="flat")], name="backbone")
    x = layers.Input((4, 4, 1))
    assert last_before_scores(sn.Model(x, layers.Dense(3)(inner(x)))) == "backbone"


def test_a_layer_within_a_model_within_the_model_may_be_named(tmp_path: Path) -> None:
    inner = sn.Sequential([layers.Input((12, 12, 1)), layers.Conv2D(3, 3, name="conv")], name="backbone")
    x = layers.Input((12, 12, 1))
    model = sn.Model(x, layers.Dense(3)(layers.Flatten()(inner(x))))
    model.preprocessing = SMALL
    model.save(tmp_path / "nested.safetensors")
    maker = open_maker(str(tmp_path / "nested.safetensors"), layer="backbone/conv")
    assert maker.dimension == 3
    want = np.asarray(inner(images()).data).mean(axis=(1, 2))
    np.testing.assert_allclose(maker(images()), want, rtol=1e-5, atol=1e-6)
    with pytest.raises(UserError, match="name one around it"):
        open_maker(str(tmp_path / "nested.safetensors"), layer="backbone/conv", engine="keras")


def test_fixed_and_random_filters_are_the_extractors(tmp_path: Path) -> None:
    for kind in ("fixed", "random"):
        maker = open_maker(kind, size=(24, 20, 3), seed=2, normalize=True)
        x = np.random.default_rng(0).random((5, 24, 20, 3), np.float32)
        extractor = FeatureExtractor(input_shape=(24, 20, 3), filters=kind, seed=2, normalize=True).fit()
        assert maker.name == f"{kind} filters"
        assert maker.dimension == 128
        np.testing.assert_array_equal(maker(x), extractor.transform(x))
    own = np.random.default_rng(1).random((3, 3, 3, 4)).astype(np.float32)
    np.save(tmp_path / "own.npy", own)
    maker = open_maker("fixed", size=(24, 20, 3), filters=tmp_path / "own.npy")
    want = FeatureExtractor(input_shape=(24, 20, 3), filters=own).fit().transform(x)
    np.testing.assert_array_equal(maker(x), want)


def test_filters_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.ones(3, np.float32))
    with pytest.raises(UserError, match=r"filters of .*flat\.npy cannot be used"):
        open_maker("fixed", filters=tmp_path / "flat.npy")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    np.savez(tmp_path / "several.npy.npz", np.ones((3, 3, 1, 2)))
    (tmp_path / "zip.npy").write_bytes(b"PK\x03\x04 and no more")
    told = "{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}"
    texts = {"huge.npy": told.format(10**25), "vast.npy": told.format(10**13), "a.npy": "((", "b.npy": "1 ;"}
    for name, text in texts.items():
        header = text.ljust(117).encode() + b"\n"
        (tmp_path / name).write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    for name in ("objects.npy", "several.npy.npz", "zip.npy", *texts):
        with pytest.raises(
            UserError, match=r"holds no filters; expected an \.npy file of shape \(3, 3, depth, filters\)"
        ):
            open_maker("fixed", filters=tmp_path / name)
    np.save(tmp_path / "complex.npy", np.full((3, 3, 1, 2), 1j))
    with pytest.raises(UserError, match=r"must be real numbers of .*, got complex128"):
        open_maker("fixed", filters=tmp_path / "complex.npy")
    np.save(tmp_path / "large.npy", np.full((3, 3, 1, 2), 1e39))
    with pytest.raises(UserError, match="must hold finite numbers that float32 can hold"):
        open_maker("fixed", filters=tmp_path / "large.npy")


class SlowAtFirst:
    """Takes a hundred seconds of a clock at its first call, and one at each other."""

    name, dimension, preprocessing = "slow at first", 1, Preprocessing(12, 12, 1)
    seconds, called = 0.0, False

    def fit(self, batches: Iterable[np.ndarray]) -> None: ...

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.seconds += 1 if self.called else 100
        self.called = True
        return np.zeros((len(images), 1), np.float32)


def test_what_the_first_call_compiles_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    source, maker = DrawnFaces(20, size=12), SlowAtFirst()
    monkeypatch.setattr("pipelines.features.vectors.time.perf_counter", lambda: maker.seconds)
    assert extract(maker, source, source.samples, batch_size=10).seconds_per_image == pytest.approx(2 / 20)


class Broken(DrawnFaces):
    """Drawn faces of which one cannot be read."""

    def read(self, sample: Sample) -> np.ndarray:
        if sample.name.endswith("/3"):
            raise DataError(f"{sample.name}: is torn")
        return super().read(sample)


def test_an_image_that_cannot_be_read_is_named_and_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    source = Broken(21, size=12)
    made = extract(open_maker("pixels", size=(12, 12, 1)), source, source.samples)
    assert len(made.array) == len(made.labels) == len(made.samples) == 20
    assert "is torn" in capsys.readouterr().err


class NotANumber:
    """Makes one vector that is no number."""

    name, dimension, preprocessing = "nothing", 2, Preprocessing(12, 12, 1)

    def fit(self, batches: Iterable[np.ndarray]) -> None: ...

    def __call__(self, images: np.ndarray) -> np.ndarray:
        result = np.zeros((len(images), 2), np.float32)
        result[1] = np.nan
        return result


def test_vectors_that_are_no_numbers_are_refused() -> None:
    source = DrawnFaces(7, size=12)
    with pytest.raises(UserError, match=r"not finite of drawn/.*, and of 1 of 7 images in all; choose another"):
        extract(NotANumber(), source, source.samples)


def test_filters_with_too_large_numbers_are_refused_with_their_remedy(tmp_path: Path) -> None:
    np.save(tmp_path / "large.npy", np.full((3, 3, 1, 2), 3e38, np.float32))
    source, maker = DrawnFaces(7, size=24), open_maker("fixed", size=(24, 24, 1), filters=tmp_path / "large.npy")
    with pytest.raises(UserError, match="numbers are too large for float32, divide them by their largest one"):
        extract(maker, source, source.samples)


def test_a_model_that_diverged_is_refused_with_its_remedy(model_file: Path) -> None:
    model = sn.load_model(model_file)
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    model.save(model_file)
    source = DrawnFaces(7, size=12)
    with pytest.raises(UserError, match="must be trained again"):
        extract(open_maker(str(model_file)), source, source.samples)


@pytest.mark.parametrize(
    ("what", "options", "words"),
    [
        ("fixd", {}, "fixd is unknown: there is no such run or model file; the others are fixed, random, pixels, hog"),
        ("pixels", {"layer": "dense"}, "--layer chooses a layer of a model, and pixels is none"),
        ("pixels", {"engine": "keras"}, "pixels has no Keras twin"),
        ("random", {"filters": Path("own.npy")}, "ask for fixed, not random"),
        ("MODEL", {"layer": "dense_9"}, "no layer 'dense_9'; it has conv, flat, dense, drop, scores, softmax"),
        ("MODEL", {"size": (48, 48, 1)}, "takes images of 12x12x1; leave --size out"),
        ("MODEL", {"filters": Path("own.npy")}, "has its own; leave it out"),
    ],
)
def test_what_does_not_fit_is_refused(model_file: Path, what: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        open_maker(what.replace("MODEL", str(model_file)), **options)  # type: ignore[arg-type]


def test_a_model_that_does_not_say_its_preprocessing_is_refused(model_file: Path) -> None:
    model = sn.load_model(model_file)
    model.preprocessing = None
    model.save(model_file)
    with pytest.raises(UserError, match="does not say its preprocessing"):
        open_maker(str(model_file))
