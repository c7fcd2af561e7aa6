"""The colours of the classes."""

import matplotlib

Colour = tuple[float, float, float, float]


def class_colours(classes: int) -> list[Colour]:
    """A colour for each class, RGBA from 0 to 1, the same in every figure."""
    palette = matplotlib.colormaps["tab10" if classes <= 10 else "tab20"]
    return [palette(label % palette.N) for label in range(classes)]
