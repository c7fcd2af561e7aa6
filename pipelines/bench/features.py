"""Features of large images by fixed filters, ours beside Keras's: one extractor, and its network in Keras."""

from typing import NamedTuple

import numpy as np

from pipelines.bench.agreement import check_agreement
from pipelines.bench.nets import Array
from pipelines.bench.timing import Call, Pace, fastest
from pipelines.twin import import_keras, to_keras

SHAPE = (512, 512, 3)
BATCH = 8


class Case(NamedTuple):
    """What images consist of.

    Attributes:
        name: for the table.
        dtype: `float32` from 0 to 1, or `uint8`.
    """

    name: str
    dtype: str


CASES = (Case("512x512x3, float32", "float32"), Case("512x512x3, bytes", "uint8"))


def draw_images(case: Case, seed: int = 0) -> Array:
    """A batch of noise, (BATCH, *SHAPE)."""
    images = np.random.default_rng(seed).integers(0, 256, (BATCH, *SHAPE), np.uint8)
    return images if case.dtype == "uint8" else images.astype(np.float32) / np.float32(255)


def feature_calls(case: Case, with_keras: bool, pace: Pace) -> tuple[dict[str, Call], dict[str, str]]:
    """What to time, from an array of images to an array of features.

    Keras is asked in batches of the same size, by `predict_on_batch` and by a compiled function, of which the faster
    counts; bytes are scaled within that function.

    Args:
        case: the images.
        with_keras: whether Keras is there.
        pace: of the round that finds Keras's fastest way.

    Returns:
        The calls by contender, and the name of Keras's way.

    Raises:
        DisagreementError: Keras computes something else.
    """
    from scratchnet.features import FeatureExtractor  # with it comes scikit-learn, which no other section needs

    images = draw_images(case)
    extractor = FeatureExtractor(SHAPE, batch_size=BATCH).fit()
    calls: dict[str, Call] = {"scratchnet": lambda: next(extractor.transform_batches([images]))}
    if not with_keras:
        return calls, {}
    import_keras()
    import tensorflow

    twin = to_keras(extractor.model_)
    factor = 1 / 255 if case.dtype == "uint8" else 1.0

    def compute(batch: object) -> object:
        numbers = tensorflow.cast(batch, tensorflow.float32) * factor if case.dtype == "uint8" else batch
        return twin(numbers, training=False)

    compiled = tensorflow.function(compute, autograph=False)
    ways: dict[str, Call] = {
        "tf.function": lambda: compiled(tensorflow.constant(images)).numpy(),
        "predict_on_batch": lambda: twin.predict_on_batch(
            images if case.dtype == "float32" else np.multiply(images, np.float32(factor), dtype=np.float32)
        ),
    }
    expected = np.asarray(calls["scratchnet"]())
    for name, way in ways.items():
        check_agreement(expected, np.asarray(way()), f"TF/Keras ({name})", case.name)
    chosen, calls["keras"] = fastest(ways, pace)
    return calls, {"keras": chosen}
