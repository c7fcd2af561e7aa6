"""What `fit`, `evaluate` and `predict` accept, turned into batches."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from scratchnet.arrays import AnyArray
from scratchnet.layers.base import check_number, check_positive

BATCH_SIZE = 32  # where none is given, as in Keras


class Batch(NamedTuple):
    """Inputs (an array, or a list of them for several inputs), targets and weights of some samples."""

    x: Any
    y: Any = None
    sample_weight: AnyArray | None = None

    @property
    def size(self) -> int:
        """The number of samples."""
        return len(self.x[0]) if isinstance(self.x, list) else len(self.x)


class Batches(Protocol):
    """Batches of one epoch after the other."""

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch; their order depends on nothing but its number."""
        ...

    def __len__(self) -> int: ...


class ArrayBatches:
    """Batches cut from arrays.

    Args:
        x: (samples, ...), or a list of such arrays for several inputs.
        y: (samples, ...) or None.
        sample_weight: (samples,) or None.
        batch_size: the last batch may be smaller.
        shuffle_seed: None keeps the order; otherwise each epoch has its own, made of the seed and its number.

    Raises:
        ValueError: lengths differ, there is no sample, or the batch size is not positive.
        TypeError: they hold no numbers.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        batch_size: int = BATCH_SIZE,
        shuffle_seed: int | None = None,
    ) -> None:
        self.x = [_array(part, "x") for part in x] if isinstance(x, list | tuple) else _array(x, "x")
        self.y = None if y is None else _array(y, "y")
        self.sample_weight = None if sample_weight is None else _array(sample_weight, "sample_weight")
        self.shuffle_seed = shuffle_seed
        self.batch_size = checked_batch_size(batch_size)
        if isinstance(self.x, list) and not self.x:
            raise ValueError("x holds no samples")
        lengths = {"x": [len(part) for part in self.x] if isinstance(self.x, list) else [len(self.x)]}
        lengths |= {
            name: [len(value)] for name, value in {"y": self.y, "sample_weight": self.sample_weight}.items()
            if value is not None
        }  # fmt: skip
        if len({n for counts in lengths.values() for n in counts}) > 1:
            told = ", ".join(
                f"{name} has {counts[0] if len(counts) == 1 else counts}" for name, counts in lengths.items()
            )
            raise ValueError(f"x, y and sample_weight must have as many samples: {told}")
        self.samples = lengths["x"][0]
        if not self.samples:
            raise ValueError("x holds no samples")

    def epoch(self, number: int) -> Iterator[Batch]:
        order = None
        if self.shuffle_seed is not None:
            order = np.random.default_rng([self.shuffle_seed, number]).permutation(self.samples)
        for start in range(0, self.samples, self.batch_size):
            chosen = slice(start, start + self.batch_size) if order is None else order[start : start + self.batch_size]
            x = [part[chosen] for part in self.x] if isinstance(self.x, list) else self.x[chosen]
            yield Batch(
                x,
                None if self.y is None else self.y[chosen],
                None if self.sample_weight is None else self.sample_weight[chosen],
            )

    def __len__(self) -> int:
        return -(-self.samples // self.batch_size)


class IterableBatches:
    """Batches from any object that can be iterated over once per epoch.

    If it has a method `set_epoch(number)`, that is called first, so that it can shuffle repeatably.

    Args:
        source: yields `x`, `(x, y)` or `(x, y, sample_weight)`.
    """

    def __init__(self, source: Iterable[Any]) -> None:
        if iter(source) is source:
            raise ValueError(
                "x is an iterator, which can be read only once; pass an object that starts anew in each epoch "
                "(a class with __iter__)"
            )
        self.source = source

    def epoch(self, number: int) -> Iterator[Batch]:
        set_epoch = getattr(self.source, "set_epoch", None)
        if set_epoch is not None:
            set_epoch(number)
        empty = True
        for item in self.source:
            empty = False
            yield as_batch(item)
        if empty:
            raise ValueError("x yielded no batch")

    def __len__(self) -> int:
        length = getattr(self.source, "__len__", None)
        return 0 if length is None else int(length())


def checked_batch_size(batch_size: int | None) -> int:
    """The size of batches, `BATCH_SIZE` for None; a ValueError unless it is a positive int."""
    return BATCH_SIZE if batch_size is None else check_positive(batch_size, "batch_size")


def is_arrays(x: Any) -> bool:
    """Whether `x` is one array or a list of them, and not batches, which may come as a list of tuples."""
    if isinstance(x, list) and any(isinstance(item, tuple) for item in x):
        return not any(getattr(part, "ndim", 0) for item in x if isinstance(item, tuple) for part in item)
    return isinstance(x, list | tuple) or hasattr(x, "__array__")


def as_batch(item: Any) -> Batch:
    """What an iterable of batches yielded, checked.

    Raises:
        ValueError: a tuple of another length, or lengths that differ.
        TypeError: targets or weights hold no numbers.
    """
    parts = item if isinstance(item, tuple) else (item,)
    if not 1 <= len(parts) <= 3:
        raise ValueError(f"a batch must be x, (x, y) or (x, y, sample_weight), got a tuple of {len(parts)}")
    batch = Batch(*parts)
    for name, value in {"y": batch.y, "sample_weight": batch.sample_weight}.items():
        if value is not None and len(_array(value, name)) != batch.size:
            raise ValueError(f"a batch has {batch.size} samples in x, but {len(value)} in {name}")
    return batch


def checked_class_weight(class_weight: Any, classes: int) -> Mapping[int, float]:
    """Weights by class number.

    Raises:
        ValueError: they are something else, or of classes that there are not.
    """
    if not isinstance(class_weight, Mapping):
        raise ValueError(
            f"class_weight must map class numbers to weights, got {class_weight!r:.80}; balanced ones are "
            "dict(enumerate(len(y) / (classes * np.bincount(y))))"
        )
    for label, weight in class_weight.items():
        if label not in range(classes):
            raise ValueError(f"class_weight must name classes from 0 to {classes - 1} by number, got {label!r:.80}")
        if not math.isfinite(check_number(weight, f"class_weight[{label}]")):
            raise ValueError(f"class_weight[{label}] must be finite, got {weight!r}")
    return class_weight


def make_batches(
    x: Any, y: Any, sample_weight: Any, batch_size: int | None, shuffle_seed: int | None = None
) -> Batches:
    """Batches of arrays or of an iterable of batches.

    Raises:
        ValueError: targets or a batch size beside an iterable, which has its own.
    """
    if is_arrays(x):
        return ArrayBatches(x, y, sample_weight, checked_batch_size(batch_size), shuffle_seed)
    if not isinstance(x, Iterable) or isinstance(x, Mapping | str):
        raise ValueError(f"x must be an array, a list of arrays or an iterable of batches, got {type(x).__name__}")
    for name, value in {"y": y, "sample_weight": sample_weight, "batch_size": batch_size}.items():
        if value is not None:
            raise ValueError(f"{name} cannot be given beside an iterable of batches, which brings its own")
    return IterableBatches(x)


def class_weights(y: Any, class_weight: Mapping[int, float]) -> AnyArray:
    """The weight of each sample's class; 1 for classes that are not named.

    Args:
        y: class numbers (samples,) or (samples, 1), or one-hot (samples, classes).
        class_weight: weight by class number.
    """
    labels = np.asarray(y)
    labels = labels.argmax(axis=-1) if labels.ndim > 1 and labels.shape[-1] > 1 else labels.reshape(-1)
    known = np.unique(labels)
    weights = np.array([class_weight.get(int(label), 1.0) for label in known], np.float64)
    result: AnyArray = weights[np.searchsorted(known, labels)]
    return result


def weighted(batch: Batch, class_weight: Mapping[int, float] | None) -> Batch:
    """The batch with the weights of its classes, multiplied by those of its samples if it has any."""
    if class_weight is None:
        return batch
    weights = class_weights(batch.y, class_weight)
    if batch.sample_weight is not None:
        weights = weights * batch.sample_weight
    return batch._replace(sample_weight=weights)


def hold_back(x: Any, y: Any, sample_weight: Any, share: float) -> tuple[Any, Any]:
    """The first part of the arrays for training, the rest as validation data.

    Raises:
        ValueError: `share` is out of range, a part would be empty, or `x` is not arrays.
    """
    if not 0 < check_number(share, "validation_split") < 1:
        raise ValueError(f"validation_split must lie between 0 and 1, got {share!r}")
    if not is_arrays(x):
        raise ValueError("validation_split needs arrays; for an iterable of batches pass validation_data")
    samples = ArrayBatches(x, y, sample_weight).samples
    cut = math.floor(samples * (1 - share))
    if cut == 0 or cut == samples:
        raise ValueError(f"validation_split={share} of {samples} samples leaves one part empty")

    def part(value: Any, chosen: slice) -> Any:
        if isinstance(value, list | tuple) and value is x:
            return [np.asarray(array)[chosen] for array in value]
        return None if value is None else np.asarray(value)[chosen]

    training, held = (
        tuple(part(value, chosen) for value in (x, y, sample_weight)) for chosen in (slice(cut), slice(cut, None))
    )
    return training, held


def validation_batches(data: Any, batch_size: int | None) -> Batches | None:
    """What `fit` takes as `validation_data`: `(x, y)`, `(x, y, sample_weight)`, an iterable of batches, or None.

    Raises:
        ValueError: it is a tuple of another length, or an array alone.
    """
    if data is None:
        return None
    if is_arrays(data):
        if not isinstance(data, list | tuple) or not 2 <= len(data) <= 3:
            got = f"{len(data)} elements" if isinstance(data, list | tuple) else f"one {type(data).__name__}"
            raise ValueError(f"validation_data must be (x, y) or (x, y, sample_weight), got {got}")
        return make_batches(data[0], data[1], data[2] if len(data) == 3 else None, batch_size)
    return make_batches(data, None, None, None)


def _array(value: Any, name: str) -> AnyArray:
    try:
        array = np.asarray(value)
    except ValueError:  # NumPy's words for it are about dimensions
        raise ValueError(
            f"{name} must be an array with rows of one shape; those of the {type(value).__name__} differ"
        ) from None
    if array.dtype.kind not in "biuf":
        remedy = "; for names of classes pass their numbers: classes, y = np.unique(y, return_inverse=True)"
        raise TypeError(
            f"{name} must be an array of numbers, got {type(value).__name__} of dtype {array.dtype}"
            + (remedy if name == "y" and array.dtype.kind in "USTO" else "")
        )
    if array.ndim == 0:
        raise ValueError(f"{name} must be an array with one row per sample, got {value!r:.80}")
    return array
