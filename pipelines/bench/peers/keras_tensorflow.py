"""Keras on TensorFlow, through compiled functions: `predict` would mostly show its own overhead."""

import os
from pathlib import Path
from typing import Any

from pipelines.bench.convolutions import Convolution
from pipelines.bench.nets import Array, Net
from pipelines.bench.peers.base import Contender, Variants, Weights, Work
from pipelines.errors import UserError


class KerasTensorflow(Contender):
    """Training as `train_on_batch` and as a step written by hand; inference through a `tf.function`."""

    name = "keras"
    title = "TF/Keras"
    modules = ("tensorflow", "keras")
    distributions = ("tensorflow", "keras")
    trains = True

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        # not through `pipelines.twin`, which imports our engine: a fresh process must not pay for it
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
        import keras
        import tensorflow

        self._keras: Any = keras
        self._tf: Any = tensorflow
        _set_threads(tensorflow.config.threading, threads)

    def _build(self, net: Net, weights: Weights) -> Any:
        keras = self._keras
        layers = [getattr(keras.layers, kind)(**options) for kind, options in net.layers]
        model = keras.Sequential([keras.Input(net.input_shape), *layers])
        model.compile(keras.optimizers.Adam(net.learning_rate), net.loss)
        if weights is not None:
            model.set_weights(weights)
        return model

    def infer(self, net: Net, weights: Weights, x: Array) -> Variants:
        tf = self._tf
        model, images = self._build(net, weights), tf.constant(x)
        compiled = tf.function(lambda batch: model(batch, training=False))
        return {"tf.function": lambda: compiled(images).numpy()}

    def train(self, net: Net, weights: Weights, x: Array, y: Array) -> Variants:
        tf = self._tf
        model, images, targets = self._build(net, weights), tf.constant(x), tf.constant(y)
        loss_of = self._keras.losses.get(net.loss)
        model.optimizer.build(model.trainable_variables)

        @tf.function  # type: ignore[untyped-decorator]
        def step(images: Any, targets: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(loss_of(targets, model(images, training=True)))
            variables = model.trainable_variables
            model.optimizer.apply(tape.gradient(loss, variables), variables)
            return loss

        return {
            "train_on_batch": lambda: model.train_on_batch(images, targets),
            "tf.function": lambda: float(step(images, targets)),
        }

    def convolve(self, case: Convolution, x: Array, kernel: Array, dy: Array) -> Work:
        tf = self._tf
        images, weights, cotangent = tf.constant(x), tf.constant(kernel), tf.constant(dy)
        options = {"strides": [1, 1, 1, 1], "padding": "SAME"}
        computed = {
            "forward": lambda: tf.nn.conv2d(images, weights, **options),
            "kernel gradient": lambda: tf.raw_ops.Conv2DBackpropFilter(
                input=images, filter_sizes=kernel.shape, out_backprop=cotangent, **options
            ),
            "input gradient": lambda: tf.raw_ops.Conv2DBackpropInput(
                input_sizes=x.shape, filter=weights, out_backprop=cotangent, **options
            ),
        }
        return Work(computed[case.direction], lambda result: result.numpy())

    def predict_first(self, net: Net, x: Array, model_file: Path) -> Array:
        output: Array = self._build(net, None)(x, training=False).numpy()  # sooner there than a compiled function
        return output


def _set_threads(settings: Any, threads: int) -> None:
    """Limit the threads within an operation and of independent ones; 0 is TensorFlow's own choice."""
    now = (settings.get_intra_op_parallelism_threads(), settings.get_inter_op_parallelism_threads())
    if now == (threads, threads):
        return
    try:
        settings.set_intra_op_parallelism_threads(threads)
        settings.set_inter_op_parallelism_threads(threads)
    except RuntimeError as error:  # it has already computed something in this process
        raise UserError(f"TensorFlow is already at work, too late to give it {threads} threads") from error
