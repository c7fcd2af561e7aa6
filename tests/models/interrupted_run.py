"""A training that can be killed: `python interrupted_run.py FOLDER [EPOCH BATCH]`.

Prints the epochs it went through, and at the end a digest of the weights with the whole history and optimiser state.
"""

import hashlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

import scratchnet as sn
from scratchnet import layers
from scratchnet.callbacks import BackupAndRestore, Callback, CSVLogger, EarlyStopping, ReduceLROnPlateau


class Killer(Callback):
    """Ends its own process as a power cut would."""

    def __init__(self, epoch: int, batch: int) -> None:
        super().__init__()
        self.where = epoch, batch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch
        print(epoch, flush=True)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if (self.epoch, batch) == self.where:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Train, or go on."""
    folder, epoch, batch = Path(sys.argv[1]), *map(int, sys.argv[2:] or (-1, -1))
    sn.set_random_seed(3)
    x = layers.Input((8, 8, 1))
    y = layers.Conv2D(6, 3, activation="relu")(x)
    y = layers.Dropout(0.3)(layers.Flatten()(layers.BatchNormalization()(y)))
    model = sn.Model(x, layers.Dense(3, activation="softmax")(y))
    model.compile(sn.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal((60, 8, 8, 1)).astype(np.float32), rng.integers(0, 3, 60)
    record = model.fit(
        images,
        labels,
        batch_size=10,
        epochs=9,
        validation_split=0.3,
        verbose=0,
        callbacks=[
            Killer(epoch, batch),
            ReduceLROnPlateau(factor=0.5, patience=2),
            EarlyStopping(patience=4, restore_best_weights=True),
            CSVLogger(folder / "history.csv"),
            BackupAndRestore(folder / "backup"),
        ],
    )
    state = {name: value.tobytes() for name, value in sorted(model.optimizer.variables().items())}
    content = b"".join(weight.tobytes() for weight in model.get_weights()) + b"".join(state.values())
    print(hashlib.sha256(content).hexdigest(), json.dumps([record.epoch, record.history]))


if __name__ == "__main__":
    main()
