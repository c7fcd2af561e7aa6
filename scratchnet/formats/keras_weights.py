"""Weights from Keras's HDF5 files into models.

Keras 3 keys them by class and order: `layers/conv2d_1/vars/0` is the first weight of the second `Conv2D`, whatever
the layer's name. Keras 2, and whole-model .h5 files, have a group per layer under its name, and lists of names.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import count, takewhile
from typing import NamedTuple

import numpy as np

from scratchnet.formats.hdf5 import Dataset, Group
from scratchnet.formats.keras_entries import Entry
from scratchnet.formats.parsing import shown
from scratchnet.layers import Normalization
from scratchnet.layers.base import Layer, numbered
from scratchnet.parameter import Parameter, assign_all

CONTAINERS = ("layers", "_layer_checkpoint_dependencies")  # the second: TensorFlow 2.13
NOT_WEIGHTS = ("seed_generator", "vars")  # what dropout keeps beside: `seed_generator/vars/0`
MAX_NAMED = 5  # names in a message


class Placed(NamedTuple):
    """A weight and the dataset that it is to be read from."""

    weight: Parameter
    dataset: Dataset
    owner: Layer


def is_legacy(root: Group) -> bool:
    """Whether the file keys weights by the layers' names."""
    return "model_weights" in root.links or "layer_names" in root.attributes or "layer_names0" in root.attributes


def legacy_group(root: Group) -> Group:
    """Where the weights of such a file lie."""
    return root.group("model_weights") if "model_weights" in root.links else root


def count_elements(group: Group, file_size: int) -> int:
    """How many numbers the datasets of a group hold.

    Raises:
        ValueError: more than fit into the file, so that some lie over others.
    """
    datasets = group.datasets().values()
    if sum(dataset.nbytes for dataset in datasets) > file_size:
        raise ValueError("its arrays lie over one another")
    return sum(dataset.nbytes // dataset.dtype.itemsize for dataset in datasets)


def weights_group(root: Group) -> Group | None:
    """The group of all layers' weights; None for a model without any."""
    if is_legacy(root):
        return legacy_group(root)
    name = next((name for name in CONTAINERS if name in root.links), None)
    return None if name is None else root.group(name)


def load(entry: Entry, root: Group, built: str, one_by_one: bool) -> None:
    """Take all weights of a model from a file; none is changed unless all fit.

    Args:
        entry: the model.
        root: of the file.
        built: how the message calls the model.
        one_by_one: whether a weight may change before all are read, which takes less memory: for a model that nobody
            has seen yet.

    Raises:
        ValueError: weights are missing or surplus, or of another shape or dtype.
    """
    placed = _legacy(entry, legacy_group(root)) if is_legacy(root) else _by_order(entry, root)
    misfits = [problem for place in placed if (problem := _misfit(place)) is not None]
    if misfits:
        more = f", and {len(misfits) - MAX_NAMED} more" if len(misfits) > MAX_NAMED else ""
        raise ValueError(f"its weights do not fit {built}: {'; '.join(misfits[:MAX_NAMED])}{more}")
    if one_by_one:
        for place in placed:
            place.weight.assign(place.dataset.read())
    else:
        assign_all([place.weight for place in placed], [place.dataset.read() for place in placed])


def _misfit(place: Placed) -> str | None:
    weight, dataset, owner = place
    counts = weight.name == "count" and isinstance(owner, Normalization) and dataset.dtype.kind in "iu"
    if dataset.shape == weight.shape and (counts or dataset.dtype == weight.dtype):
        return None
    return (
        f"{dataset.path} is {dataset.dtype} of shape {dataset.shape}, but {weight.name} of layer "
        f"{shown(owner.name)} is {weight.dtype} of shape {weight.shape}"
    )


def _by_order(entry: Entry, root: Group) -> list[Placed]:
    container = next((name for name in CONTAINERS if name in root.links), CONTAINERS[0])
    available = {
        f"{top}/{path}": dataset
        for top in (container, "vars")
        if top in root.links
        for path, dataset in root.group(top).datasets().items()
    }
    placed: list[Placed] = []
    missing: list[str] = []
    _place_by_order(entry, "", container, (available, placed, missing), set())
    surplus = [path for path in available if tuple(path.split("/")[-3:-1]) != NOT_WEIGHTS]
    _refuse(missing, surplus)
    return placed


def _place_by_order(
    entry: Entry, path: str, container: str, found: tuple[dict[str, Dataset], list[Placed], list[str]], seen: set[int]
) -> None:
    available, placed, missing = found
    if entry.layer is not None and id(entry.layer) in seen:
        return  # saved where Keras met it first
    seen.add(id(entry.layer))
    if entry.entries is not None:
        counts: Counter[str] = Counter()
        for child in entry.entries:
            _place_by_order(child, f"{path}{container}/{numbered(child.key, counts)}/", container, found, seen)
        return
    for number, weight in enumerate(entry.layer.weights if entry.layer is not None else ()):
        dataset = available.pop(f"{path}vars/{number}", None)
        if dataset is None:
            missing.append(f"{path}vars/{number} ({weight.name} of layer {shown(entry.name)})")
        else:
            assert entry.layer is not None
            placed.append(Placed(weight, dataset, entry.layer))


def _refuse(missing: Sequence[str], surplus: Sequence[str]) -> None:
    problems = []
    for what, names in {"lacks": missing, "has surplus": surplus}.items():
        if names:
            more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
            problems.append(f"it {what} weights {', '.join(names[:MAX_NAMED])}{more}")
    if problems:
        raise ValueError(f"{'; '.join(problems)}; is it of another model?")


def names_in(group: Group, attribute: str) -> list[str]:
    """A list of names, which Keras splits over several attributes where it is long.

    Raises:
        ValueError: it is not a list of names.
    """
    attributes = group.attributes
    split = takewhile(attributes.__contains__, (f"{attribute}{number}" for number in count()))
    parts = [attributes[name] for name in ([attribute] if attribute in attributes else split)]
    names: list[str] = []
    for part in parts:
        if isinstance(part, np.ndarray) and part.size == 0:  # h5py writes an empty list as numbers
            continue
        if not isinstance(part, list):
            raise ValueError(f"{group.path}: {attribute} must be a list of names, got {shown(part)}")
        names.extend(part)
    return names


def _legacy(entry: Entry, group: Group) -> list[Placed]:
    layers = [child for child in entry.entries or () if child.layer is not None and child.layer.weights]
    named = {name: names_in(group.group(name), "weight_names") for name in names_in(group, "layer_names")}
    filled = [name for name, weights in named.items() if weights]
    if len(filled) != len(layers):
        raise ValueError(f"it has weights for {len(filled)} layers, not {len(layers)}; is it of another model?")
    placed: list[Placed] = []
    for name, child in zip(filled, layers, strict=True):
        assert child.layer is not None
        weights = _legacy_order(child.layer)
        if len(weights) != len(named[name]):
            raise ValueError(
                f"{group.path.rstrip('/')}/{name} has {len(named[name])} weights, layer {shown(child.name)} has "
                f"{len(weights)}; is it of another model?"
            )
        owners = {
            id(weight): leaf.layer for leaf in child.leaves() if leaf.layer is not None for weight in leaf.layer.weights
        }
        placed += [
            Placed(weight, group.group(name).dataset(path), owners[id(weight)])
            for weight, path in zip(weights, named[name], strict=True)
        ]
    used = {place.dataset.path for place in placed}
    if len(used) != len(placed):
        raise ValueError("it lists a weight twice")
    _refuse([], [dataset.path for dataset in group.datasets().values() if _is_surplus(dataset, used, group)])
    return placed


def _is_surplus(dataset: Dataset, used: set[str], group: Group) -> bool:
    inside = dataset.path[len(group.path.rstrip("/")) + 1 :]
    return dataset.path not in used and inside.split("/")[0] not in {"optimizer_weights"}


def _legacy_order(layer: Layer) -> list[Parameter]:
    """Those that training changes come first."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]
