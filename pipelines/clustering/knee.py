"""Where a curve bends."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def knee(values: Sequence[float] | NDArray[np.floating], places: Sequence[float] | None = None) -> int:
    """The place where a curve, which falls or rises ever less steeply or ever more so, bends: an index.

    It is where the curve, with both axes brought to [0, 1], is furthest from the chord between its ends (Satopää et
    al., 2011, Finding a "Kneedle" in a Haystack; here without its smoothing and its threshold). The first such place,
    and 0 for a straight line.

    Args:
        values: at least one.
        places: of the values on the other axis, rising; evenly spaced by default.
    """
    curve = np.asarray(values, np.float64)
    span = np.ptp(curve)
    if len(curve) < 3 or span == 0:
        return 0
    axis = np.arange(len(curve)) if places is None else np.asarray(places, np.float64)
    chord = curve[0] + (curve[-1] - curve[0]) * (axis - axis[0]) / (axis[-1] - axis[0])
    distances = np.abs(curve - chord) / span
    return int(distances.argmax()) if distances.max() > 1e-9 else 0  # a straight line, but for rounding
