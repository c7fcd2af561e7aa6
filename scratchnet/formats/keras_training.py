"""How a Keras model was compiled, and the state of its optimiser, as far as scratchnet has the same."""

from collections.abc import Mapping, Sequence
from typing import Any

from scratchnet.arrays import AnyArray
from scratchnet.formats.errors import MISFITS, cut
from scratchnet.formats.hdf5 import Dataset, Group
from scratchnet.formats.keras_config import check_origin
from scratchnet.formats.keras_entries import Entry
from scratchnet.formats.keras_slots import slots_of
from scratchnet.formats.keras_weights import is_legacy, names_in
from scratchnet.formats.parsing import as_mapping, shown
from scratchnet.models.model import Model
from scratchnet.optimizers import Optimizer
from scratchnet.parameter import Parameter

# options of losses that scratchnet lacks, and their values that ask for nothing
_PLAIN_LOSS: Mapping[str, tuple[Any, ...]] = {
    "reduction": ("sum_over_batch_size", "auto"),
    "axis": (-1,),
    "ignore_class": (),
    "dtype": ("float32",),
}


def restore_training(entry: Entry, config: Any, root: Group, version: int) -> str | None:
    """Compile a model as it was in Keras, with its optimiser's state.

    Args:
        entry: the model.
        config: Keras's `compile_config` or `training_config`; None for a model that was not compiled.
        root: of the file with the optimiser's state.
        version: of Keras, 2 or 3.

    Returns:
        What could not be restored, and why; None if nothing is missing. The model predicts all the same.
    """
    model = entry.layer
    if not isinstance(model, Model) or not isinstance(config, dict) or config.get("loss") is None:
        return None  # it was not compiled, or only to predict
    try:
        _compile(model, config)
    except MISFITS as error:
        return f"how it is trained ({cut(error)}); call compile before fit"
    if version == 2:
        return "its optimiser's state, which Keras 2 kept in another order; fit begins a new one"
    try:
        _restore_state(entry, model.optimizer, root)
    except MISFITS as error:
        return f"its optimiser's state ({cut(error)}); fit begins a new one"
    return None


def _compile(model: Model, config: Mapping[str, Any]) -> None:
    weights = config.get("loss_weights")
    if weights is not None:
        raise ValueError(f"loss_weights={shown(weights)} is not supported")
    optimizer = config.get("optimizer", config.get("optimizer_config"))
    metrics = [_metrics(config.get(role)) for role in ("metrics", "weighted_metrics")]
    model.compile(
        _object(optimizer, "optimizers"), _loss(config["loss"]), metrics=metrics[0], weighted_metrics=metrics[1]
    )


def _object(value: Any, part: str) -> Any:
    """A description without Keras's marks of origin, which were checked."""
    if isinstance(value, str):
        return value
    description = as_mapping(value, part)
    check_origin(description, part)
    config = dict(as_mapping(description.get("config") or {}, part))
    rate = config.get("learning_rate")
    if isinstance(rate, dict):
        config["learning_rate"] = _object(rate, "optimizers")
    for old in ("decay", "is_legacy_optimizer", "jit_compile"):  # of Keras 2
        if not config.get(old) or old != "decay":
            config.pop(old, None)
    return {"class_name": description.get("class_name"), "config": config}


def _loss(value: Any) -> Any:
    if isinstance(value, str):
        return value
    description = _object(value, "losses")
    config = description["config"]
    for option, plain in _PLAIN_LOSS.items():
        given = config.pop(option, None)
        if given is not None and given not in plain and not isinstance(given, dict):
            raise ValueError(f"loss with {option}={shown(given)} is not supported")
    return description


def _metrics(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]  # a list for the only output
    if not isinstance(value, list):
        raise ValueError(f"metrics={shown(value)} are not a list")
    return [_metric(metric) for metric in value]


def _metric(value: Any) -> Any:
    if isinstance(value, str):
        return value
    description = _object(value, "metrics")
    function = description["config"].get("fn")
    if description["class_name"] == "MeanMetricWrapper" and isinstance(function, str):  # Keras 2's, around a name
        return function
    return description


def _restore_state(entry: Entry, optimizer: Optimizer, root: Group) -> None:
    stored = _stored(root)
    if not stored:
        return
    weights = list({id(w): w for leaf in entry.leaves() if leaf.layer is not None for w in leaf.layer.weights}.values())
    learned = [weight for weight in weights if weight.learned]
    optimizer.build(learned)
    optimizer.load_variables(_by_our_names(stored, optimizer, learned))


def _stored(root: Group) -> list[Dataset]:
    """The optimiser's arrays in Keras's order."""
    if is_legacy(root):
        if "optimizer_weights" not in root.links:
            return []
        group = root.group("optimizer_weights")
        return [group.dataset(name) for name in names_in(group, "weight_names")]
    if root.find("optimizer/vars") is None:
        return []
    found = root.group("optimizer/vars").datasets()
    return [found[str(number)] for number in range(len(found))]


def _by_our_names(stored: Sequence[Dataset], optimizer: Optimizer, learned: Sequence[Parameter]) -> dict[str, AnyArray]:
    """Keras's arrays under the names that our optimiser has for them; a frozen weight keeps its zeros."""
    prefix = type(optimizer).__name__.lower()
    variables = dict(optimizer.variables())
    names = [f"{prefix}/{name}" for name in ("iterations", "learning_rate") if f"{prefix}/{name}" in variables]
    if len(stored) > len(names):  # else it has not trained yet
        names += _slot_names(optimizer, [number for number, weight in enumerate(learned) if weight.trainable])
    if len(names) != len(stored):
        raise ValueError(f"it has {len(stored)} arrays, {len(names)} were expected")
    for name, dataset in zip(names, stored, strict=True):
        if dataset.shape != variables[name].shape:
            raise ValueError(f"{dataset.path} has shape {dataset.shape}, {name} has {variables[name].shape}")
        variables[name] = dataset.read()
    return variables


def _slot_names(optimizer: Optimizer, trained: Sequence[int]) -> list[str]:
    """Our names of the slots of some weights, in Keras's order."""
    prefix = type(optimizer).__name__.lower()
    return [f"{prefix}/{slot}/{number}" for slots in slots_of(optimizer) for number in trained for slot in slots]
