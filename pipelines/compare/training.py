"""Both models trained on the same batches from the same weights, and the time that takes."""

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import scratchnet as sn
from pipelines.bench.timing import Pace, interleave
from pipelines.compare.differences import nudge
from scratchnet.arrays import AnyArray

Batch = tuple[list[AnyArray], AnyArray]


class Trajectory(NamedTuple):
    """The losses of each step, before it was taken.

    Attributes:
        ours: of our model.
        theirs: of the twin.
        nudged: of ours from weights that `nudge` has moved. This is what rounding alone does, which training magnifies
            from step to step.
    """

    ours: list[float]
    theirs: list[float]
    nudged: list[float]

    def apart(self) -> list[float]:
        """How far ours is from the twin's at each step, as a share of the twin's largest loss."""
        return _apart(self.ours, self.theirs)

    def rounding(self) -> list[float]:
        """How far the nudged one is from ours, measured alike."""
        return _apart(self.nudged, self.ours)


def _apart(these: Sequence[float], those: Sequence[float]) -> list[float]:
    size = max((abs(loss) for loss in those if np.isfinite(loss)), default=0.0) or 1.0
    return [
        0.0 if one == other else abs(one - other) / size if np.isfinite([one, other]).all() else np.inf
        for one, other in zip(these, those, strict=True)
    ]


def train_both(
    model: sn.Model, twin: Any, batches: Sequence[Batch], steps: int, progress: Callable[[int, int], None]
) -> Trajectory:
    """Take steps on the same batches, again from the first after the last; both models are changed.

    Args:
        model: ours, compiled and without dropout.
        twin: with the same weights and the same state of the optimiser.
        batches: inputs and targets.
        steps: how many.
        progress: is told (done, total).
    """
    nudged = nudge(model, seed=0)
    losses: tuple[list[float], list[float], list[float]] = ([], [], [])
    for step in range(steps):
        x, y = batches[step % len(batches)]
        given = x if len(x) > 1 else x[0]
        for found, one in zip(losses, (model, twin, nudged), strict=True):
            found.append(float(one.train_on_batch(given, y, return_dict=True)["loss"]))
        progress(step + 1, steps)
    return Trajectory(*losses)


class Speed(NamedTuple):
    """Seconds of one piece of work, the median of turns.

    Attributes:
        what: the work.
        ours: of our model.
        theirs: of the twin.
    """

    what: str
    ours: float
    theirs: float


def time_both(model: sn.Model, twin: Any, batches: Sequence[Batch], trains: bool, pace: Pace) -> list[Speed]:
    """Time steps, batches and single images in turns; the models are trained on meanwhile.

    The twin predicts through a compiled function, since `predict` would mostly show its own overhead.
    """
    import tensorflow as tf

    x, y = batches[0]
    whole = x if len(x) > 1 else x[0]
    first = [array[:1] for array in x]
    one = first if len(first) > 1 else first[0]
    images = len(x[0])
    compiled = tf.function(lambda batch: twin(batch, training=False))
    tensors = [tf.nest.map_structure(tf.constant, value) for value in (whole, one)]
    found = []
    if trains:
        step = interleave(
            {"ours": lambda: model.train_on_batch(whole, y), "theirs": lambda: twin.train_on_batch(whole, y)}, pace
        )
        found.append(Speed(f"a training step of {images} images", step["ours"].median, step["theirs"].median))
        found.append(Speed("an image in training", step["ours"].median / images, step["theirs"].median / images))
    batch = interleave(
        {
            "ours": lambda: model.predict(whole, batch_size=images),
            "theirs": lambda: tf.nest.map_structure(np.asarray, compiled(tensors[0])),
        },
        pace,
    )
    found.append(
        Speed(f"an image in a batch of {images}", batch["ours"].median / images, batch["theirs"].median / images)
    )
    alone = interleave(
        {
            "ours": lambda: model.predict(one),
            "theirs": lambda: tf.nest.map_structure(np.asarray, compiled(tensors[1])),
        },
        pace,
    )
    found.append(Speed("an image alone", alone["ours"].median, alone["theirs"].median))
    return found


def busy() -> str | None:
    """A warning where other work takes the processor, as far as the machine tells."""
    if not hasattr(os, "getloadavg"):
        return None
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load < 0.25 * cores:
        return None
    return f"the machine was busy (load {load:.1f} on {cores} processors), so the times mean little; try again alone"
