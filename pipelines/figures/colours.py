"""Colours that mean the same in every figure."""

import matplotlib


def class_colours(classes: int) -> list[tuple[float, float, float, float]]:
    """A colour for each class, the same in every figure."""
    palette = matplotlib.colormaps["tab10" if classes <= 10 else "tab20"]
    return [palette(label % palette.N) for label in range(classes)]
