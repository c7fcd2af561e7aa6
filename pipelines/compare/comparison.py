"""Everything that is compared, and the verdict."""

import math
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import scratchnet as sn
from pipelines.bench.timing import Pace
from pipelines.compare.differences import Difference, compare_activations, compare_gradients
from pipelines.compare.training import Batch, Speed, Trajectory, busy, time_both, train_both
from pipelines.console import progress
from pipelines.twin import import_keras, to_keras
from scratchnet.formats.keras_description import every_layer

# Shares of the largest value: float32 has 1e-7, and sums of thousands of numbers, one after the other, have more.
# Gradients, in float64, agree to some 1e-14; their limit leaves room for what a layer computes in float32.
ACTIVATIONS, GRADIENTS, LOSSES = 1e-4, 1e-5, 1e-3
ROUNDING_FACTOR = 4  # losses may be so many times further apart than rounding alone takes them
PACE = Pace(rounds=3, budget=0.25, pause=0.1)


@dataclass(frozen=True)
class Comparison:
    """A model beside its twin.

    Attributes:
        activations: of each layer in the order of computation, then of the outputs.
        gradients: of each weight in training.
        trajectory: of the losses; None where it could not be had.
        speed: of both; empty if not wanted.
        notes: what was done otherwise than one might think, or could not be done.
    """

    activations: list[Difference]
    gradients: list[Difference]
    trajectory: Trajectory | None
    speed: list[Speed]
    notes: list[str] = field(default_factory=list)

    @property
    def loss_tolerance(self) -> float:
        """How far apart the losses may be."""
        rounding = self.trajectory.rounding() if self.trajectory else []
        return max(LOSSES, ROUNDING_FACTOR * max(filter(math.isfinite, rounding), default=0.0))

    @property
    def fault(self) -> str | None:
        """Where both differ by more than rounding, or None."""
        for found, what, tolerance in (
            (self.activations, "activations", ACTIVATIONS),
            (self.gradients, "gradients", GRADIENTS),
        ):
            wrong = [entry for entry in found if not entry.relative <= tolerance]
            if wrong:
                # wrong activations spread to all layers behind, so the first one is to blame
                entry = wrong[0] if what == "activations" else max(wrong, key=lambda entry: entry.relative)
                return f"{what} differ at {entry.name}, by {_share(entry.relative)}"
        if self.trajectory is not None:
            for step, apart in enumerate(self.trajectory.apart(), 1):
                if not apart <= self.loss_tolerance:
                    return f"losses differ from training step {step} on, by {_share(apart)}"
        return None

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.fault is not None:
            return f"Not the same function: {self.fault}, which is more than rounding."
        parts = [f"activations differ by at most {_most(self.activations)} of each layer's largest"]
        if self.gradients:
            parts.append(f"gradients by {_most(self.gradients)}")
        if self.trajectory is not None:
            apart, alone = max(self.trajectory.apart()), max(self.trajectory.rounding())
            parts.append(
                f"losses over {len(self.trajectory.ours)} training steps by {apart:.1e} (rounding alone by {alone:.1e})"
            )
        return f"The same function: {', '.join(parts)}."


def _share(relative: float) -> str:
    return f"{relative:.1e} of the largest value" if math.isfinite(relative) else "a value that is not a number"


def _most(found: Sequence[Difference]) -> str:
    return f"{max(entry.relative for entry in found):.1e}"


def compare_models(
    model: sn.Model, batches: Sequence[Batch], steps: int = 50, pace: Pace | None = PACE, twin: Any = None
) -> Comparison:
    """Compare a model with its Keras twin; the model itself is not changed.

    Dropout is switched off in both, because each draws its own masks. A model that is not compiled is trained with
    Adam on the mean squared error; one with several outputs, or one that TensorFlow cannot differentiate on a CPU, is
    not trained.

    Args:
        model: built.
        batches: inputs and targets, all of one size.
        steps: of training.
        pace: of the timing; None for no timing.
        twin: instead of `to_keras(model)`, whose weights and training are then its own.

    Raises:
        UserError: TensorFlow is not installed.
        ValueError: Keras does not have a layer or an option.
    """
    import_keras()
    load = busy()
    notes: list[str] = []
    ours = deepcopy(model)
    if _without_dropout(ours):
        notes.append("dropout is switched off in both, because each draws its own masks")
    trains = not isinstance(model.output_shape, list)
    if not trains:
        notes.append("a model of several outputs is not trained; its gradients are of a random sum of the outputs")
    elif ours.get_compile_config() is None:
        notes.append("the model is not compiled, so both are trained with Adam on the mean squared error")
        ours.compile("adam", "mse")
    twin = to_keras(ours) if twin is None else twin
    x, y = batches[0]
    with progress("comparing activations and gradients"):
        activations = compare_activations(ours, twin, x)
        gradients, reason = _gradients(ours, twin, x, y if trains else None)
    if reason is not None:
        notes.append(reason)
        trains = False
    trajectory = None
    if trains:
        with progress("training both") as advance:
            trajectory = train_both(ours, twin, batches, steps, advance)
    speed = []
    if pace is not None:
        with progress("timing both"):
            speed = time_both(ours, twin, batches, trains, pace)
    if pace is not None and load is not None:
        notes.append(load)
    return Comparison(activations, gradients, trajectory, speed, notes)


def _without_dropout(model: sn.Model) -> bool:
    """Let dropout drop nothing; whether there was any."""
    found = [layer for layer in every_layer(model) if isinstance(layer, sn.layers.Dropout) and layer.rate]
    for layer in found:
        layer.rate = 0.0
    return bool(found)


def _gradients(model: sn.Model, twin: Any, x: Any, y: Any) -> tuple[list[Difference], str | None]:
    """The gradients, or why there are none."""
    if not model.trainable_weights:
        return [], "all weights are frozen, so there are no gradients and there is no training"
    import tensorflow as tf

    try:
        return compare_gradients(model, twin, x, y), None
    except tf.errors.OpError as error:
        reason = str(error.message).splitlines()[0]
        return [], f"TensorFlow cannot differentiate this model here, so gradients and training are left out: {reason}"
