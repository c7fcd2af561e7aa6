"""What stands for a model under callbacks, and how a training tells them of its epochs, here and in Keras."""

from types import SimpleNamespace

import numpy as np
from oracle import keras

from scratchnet import callbacks
from scratchnet.callbacks import (
    CallbackList,
)


class FakeModel:
    """What callbacks need of a model; its one weight counts the epochs."""

    def __init__(self, learning_rate=1.0):
        self.stop_training = False
        self.optimizer = SimpleNamespace(learning_rate=learning_rate)
        self.weights = [np.zeros(1)]
        self.saved = []
        self.metrics = []
        self.momentum = np.zeros((2, 3), np.float32)

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = [weight.copy() for weight in weights]

    def save(self, path, overwrite=True):
        self.saved.append(("model", str(path)))

    def save_weights(self, path, overwrite=True):
        self.saved.append(("weights", str(path)))

    def training_state(self):
        return {"weight": self.weights[0], "momentum": self.momentum, "scalar": np.array(3.5)}, {
            "learning_rate": self.optimizer.learning_rate
        }

    def load_training_state(self, arrays, meta):
        assert arrays["scalar"] == 3.5
        assert arrays["scalar"].shape == ()
        self.weights[0][...] = arrays["weight"]
        self.momentum[...] = arrays["momentum"]
        self.optimizer.learning_rate = meta["learning_rate"]


class PowerCutError(Exception):
    pass


def fit(model, callback_list, logs_by_epoch, batches=2, interrupt=None, initial_epoch=0):
    """The training loop of `Model.fit`, without the training. `interrupt` is (epoch, batch) to die in."""
    model.stop_training = False
    callback_list.set_model(model)
    callback_list.on_train_begin()
    initial_epoch = max(initial_epoch, getattr(callback_list, "initial_epoch", None) or 0)
    rates, logs = [], None
    for epoch in range(initial_epoch, len(logs_by_epoch)):
        if model.stop_training:
            break
        callback_list.on_epoch_begin(epoch)
        logs = dict(logs_by_epoch[epoch])
        for batch in range(batches):
            if interrupt == (epoch, batch):
                raise PowerCutError
            callback_list.on_train_batch_begin(batch)
            callback_list.on_train_batch_end(batch, logs)
            if model.stop_training:
                break
        model.weights = [weight + 1 for weight in model.weights]
        model.momentum += np.float32(0.1)
        rates.append(float(model.optimizer.learning_rate))
        callback_list.on_epoch_end(epoch, logs)
    callback_list.on_train_end(logs)
    return rates


def run_both(name, arguments, logs_by_epoch):
    """Drive our callback and Keras's with the same logs; return both models, callbacks and learning rates."""
    results = []
    for module, containers in ((callbacks, CallbackList), (keras.callbacks, keras.callbacks.CallbackList)):
        model = FakeModel()
        callback = getattr(module, name)(**arguments)
        rates = fit(model, containers([callback]), logs_by_epoch)
        results.append(SimpleNamespace(model=model, callback=callback, rates=rates))
    return results


def losses(*values):
    return [{"loss": 9.0, "val_loss": value, "val_score": -value} for value in values]
