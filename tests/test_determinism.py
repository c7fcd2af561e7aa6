"""The same seed gives the same model, bit for bit: run after run, and for any number of threads."""

import os
import subprocess
import sys

import pytest

TRAINING = """
import hashlib, json
import numpy as np
import scratchnet as sn
from scratchnet import layers

sn.set_random_seed(SEED)
model = sn.Sequential([
    layers.Input((20, 20, 2)), layers.Conv2D(12, 3, padding="same"), layers.BatchNormalization(), layers.ReLU(),
    layers.MaxPooling2D(2), layers.DepthwiseConv2D(3, padding="same"), layers.SeparableConv2D(8, 3),
    layers.BatchNormalization(), layers.AveragePooling2D(2), layers.Flatten(), layers.Dense(32, activation="relu"),
    layers.Dropout(0.4), layers.Dense(5, activation="softmax"),
])
model.compile(sn.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
rng = np.random.default_rng(0)
x, y = rng.standard_normal((150, 20, 20, 2)).astype(np.float32), rng.integers(0, 5, 150)
record = model.fit(x, y, batch_size=32, epochs=3, validation_split=0.2, verbose=0)
content = b"".join(weight.tobytes() for weight in model.get_weights()) + model.predict(x).tobytes()
print(hashlib.sha256(content).hexdigest(), json.dumps(record.history))
"""


def train(threads: int, seed: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", TRAINING.replace("SEED", str(seed))],
        env={**os.environ, "NUMBA_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def on_one_thread() -> str:
    return train(threads=1, seed=7)


def test_the_same_seed_gives_the_same_weights_outputs_and_history_in_another_process(on_one_thread: str) -> None:
    assert train(threads=1, seed=7) == on_one_thread


@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_changes_no_bit(on_one_thread: str, threads: int) -> None:
    assert train(threads, seed=7) == on_one_thread


def test_another_seed_gives_another_model(on_one_thread: str) -> None:
    assert train(threads=1, seed=8).split()[0] != on_one_thread.split()[0]
