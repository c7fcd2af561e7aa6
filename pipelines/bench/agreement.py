"""A peer is timed only on what it computes as we do."""

import numpy as np

from pipelines.bench.nets import Array
from pipelines.errors import UserError

RELATIVE, ABSOLUTE = 1e-3, 1e-4


class DisagreementError(UserError):
    """A contender has computed something else."""


def check_agreement(ours: Array, theirs: Array, who: str, what: str) -> None:
    """Compare a contender's result with ours.

    The absolute tolerance is of the largest magnitude, where that is above 1: rounding grows with what is summed.

    Raises:
        DisagreementError: the shapes differ, or some value by more than the tolerance.
    """
    if ours.shape != theirs.shape:
        raise DisagreementError(f"{who} gives shape {theirs.shape} for {what}, we give {ours.shape}")
    absolute = ABSOLUTE * max(1.0, float(np.abs(ours).max(initial=0.0)))
    if not np.allclose(theirs, ours, RELATIVE, absolute):
        difference = float(np.abs(theirs - ours).max())
        raise DisagreementError(f"{who} does not compute {what} as we do: values differ by up to {difference:.2g}")
