"""The Keras twin: the same network, built from Keras's layers, with the same weights."""

import os
from typing import Any

import scratchnet as sn
from pipelines.errors import UserError

# what our configurations and Keras's call by one name, and mean by it
_SHARED = (
    "activation", "axis", "center", "depth_multiplier", "dilation_rate", "epsilon", "filters", "groups", "keepdims",
    "kernel_size", "max_value", "momentum", "negative_slope", "offset", "padding", "pool_size", "rate", "scale",
    "strides", "target_shape", "threshold", "trainable", "units", "use_bias", "name", "dtype",
)  # fmt: skip


def import_keras() -> Any:
    """Keras on TensorFlow.

    Raises:
        UserError: TensorFlow is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        import keras
        import tensorflow  # noqa: F401  # Keras alone can be installed without it
    except ImportError as error:
        raise UserError(
            'this needs TensorFlow, which is not installed: pip install -e ".[keras]" in the checkout'
        ) from error
    return keras


def to_keras(model: sn.Model) -> Any:
    """Build the Keras model of a scratchnet model, with the same names and weights.

    Args:
        model: its layers may be shared, branch and join.

    Returns:
        A `keras.Model`, compiled with the same optimiser settings, loss and metrics if `model` is compiled. (A loss
        that is the caller's own function stays behind.)

    Raises:
        UserError: TensorFlow is not installed.
        ValueError: Keras does not have a layer or an option.
    """
    keras = import_keras()
    twins = {id(layer): _layer_twin(keras, layer) for layer in model.layers}
    inputs = [keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name) for tensor in model.inputs]
    values = {id(symbol): value for symbol, value in zip(model.inputs, inputs, strict=True)}
    for node in model.nodes:
        arguments = [values[id(tensor)] for tensor in node.inputs]
        result = twins[id(node.layer)](arguments if node.as_list else arguments[0])
        results = result if isinstance(result, list | tuple) else [result]
        values.update({id(symbol): value for symbol, value in zip(node.outputs, results, strict=True)})
    outputs = [values[id(tensor)] for tensor in model.outputs]
    twin = keras.Model(
        inputs if len(inputs) > 1 else inputs[0], outputs if len(outputs) > 1 else outputs[0], name=model.name
    )
    for layer in model.layers:
        if layer.weights and not isinstance(layer, sn.Model):
            twins[id(layer)].set_weights(layer.get_weights())
    config = model.get_compile_config()
    if config is not None:
        _compile_twin(keras, config, twin)
    return twin


def _layer_twin(keras: Any, layer: sn.layers.Layer) -> Any:
    if isinstance(layer, sn.Model):
        return to_keras(layer)
    twin = getattr(keras.layers, type(layer).__name__, None)
    if twin is None or type(layer).__module__.split(".")[0] != "scratchnet":
        raise ValueError(f"layer {layer.name} is a {type(layer).__name__}, which Keras does not have")
    config = layer.get_config()
    arguments = {name: config[name] for name in _SHARED if name in config}
    for name, value in config.items():
        if name.endswith("_regularizer") and value is not None:
            regularizer = getattr(keras.regularizers, value["class_name"])
            arguments[name] = regularizer(**value["config"])
    return twin(**arguments)


def _compile_twin(keras: Any, config: dict[str, Any], twin: Any) -> None:
    loss, optimizer = config["loss"], config["optimizer"]
    if loss["class_name"] == "SparseCategoricalCrossentropy" and loss["config"].pop("label_smoothing", 0):
        raise ValueError("Keras's sparse categorical cross-entropy has no label smoothing; use the one-hot one")
    settings = dict(optimizer["config"])
    if isinstance(settings["learning_rate"], dict):
        schedule = settings["learning_rate"]
        settings["learning_rate"] = getattr(keras.optimizers.schedules, schedule["class_name"])(**schedule["config"])
    twin.compile(
        getattr(keras.optimizers, optimizer["class_name"])(**settings),
        getattr(keras.losses, loss["class_name"])(**loss["config"]),
        metrics=[_metric(keras, metric) for metric in config["metrics"]],
        weighted_metrics=[_metric(keras, metric) for metric in config["weighted_metrics"]],
    )


def _metric(keras: Any, metric: Any) -> Any:
    return metric if isinstance(metric, str) else getattr(keras.metrics, metric["class_name"])(**metric["config"])
