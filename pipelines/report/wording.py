"""Figures as text, the same everywhere on the page."""

import math
from collections.abc import Sequence
from typing import Any

# for what was not measured
UNKNOWN = "\N{EN DASH}"


def percent(share: float | None) -> str:
    """0.5743 -> 57.4%; a dash for what is not known."""
    return f"{100 * share:.1f}%" if share is not None and math.isfinite(share) else UNKNOWN


def decimal(value: float | None, digits: int = 3) -> str:
    """0.52483 -> 0.525; a dash for what is not known."""
    return (
        f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}") if value is not None and math.isfinite(value) else UNKNOWN
    )


def points(ours: float, theirs: float) -> str:
    """How far one share is above another: +12.0 points."""
    return f"{100 * (ours - theirs):+.1f} points".replace("-", "\N{MINUS SIGN}")


def percent_interval(bounds: Sequence[float] | None) -> str:
    """[0.5581, 0.5905] -> 55.8 to 59.0%."""
    return f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f}%" if bounds else UNKNOWN


def decimal_interval(bounds: Sequence[float] | None) -> str:
    """[0.51, 0.54] -> 0.510 to 0.540."""
    return f"{decimal(bounds[0])} to {decimal(bounds[1])}" if bounds else UNKNOWN


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


def counted(number: int, one: str, several: str = "") -> str:
    """1 image, 2 images."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def listed(words: Sequence[str]) -> str:
    """A, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def setting(value: Any) -> str:
    """The value of a recipe's field."""
    if value is None or value == {} or value == []:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{named(key)} {setting(entry)}" for key, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(setting, value))
    return str(value)


def named(key: str) -> str:
    """A field's name as words: `reduce_lr_on_plateau` -> reduce lr on plateau."""
    return key.replace("_", " ")


def readable(name: str) -> str:
    """A name whose bytes need not be valid UTF-8, with a sign in the place of those that are not."""
    return name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
