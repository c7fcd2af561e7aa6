"""How Keras lays out what an optimiser remembers."""

from collections.abc import Mapping

from scratchnet.optimizers import SGD, Adam, Optimizer, RMSprop

# slots in the order in which Keras stores them; those of one tuple take turns, weight by weight
_SLOTS: Mapping[type[Optimizer], tuple[tuple[str, ...], ...]] = {
    Adam: (("momentum", "velocity"), ("velocity_hat",)),
    RMSprop: (("velocity",), ("momentum",), ("average_gradient",)),
    SGD: (("momentum",),),
}


def slots_of(optimizer: Optimizer) -> list[tuple[str, ...]]:
    """The slots that an optimiser of these settings has; those of one tuple take turns, weight by weight.

    Raises:
        ValueError: Keras does not have the optimiser.
    """
    for kind, groups in _SLOTS.items():
        if isinstance(optimizer, kind):
            own = set(optimizer.slot_names)
            kept = [tuple(slot for slot in group if slot in own) for group in groups]
            return [group for group in kept if group]
    raise ValueError(f"Keras does not have the optimizer {type(optimizer).__name__}")
