"""The folds of a cross-validation: their curves, and their figures beside published ones."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

History = Mapping[str, Sequence[float]]
OURS, PUBLISHED = "tab:blue", "tab:gray"


def fold_colours(folds: int) -> list[tuple[float, float, float, float]]:
    """A colour for each fold, the same in every figure; neighbours among many differ less."""
    if folds <= 10:
        return [matplotlib.colormaps["tab10"](fold) for fold in range(folds)]
    return [matplotlib.colormaps["viridis"](fold / (folds - 1)) for fold in range(folds)]


def mean_curve(curves: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """The mean over folds of each epoch that every fold has: float64 (epochs of the shortest,)."""
    shortest = min(map(len, curves))
    return np.asarray(np.mean([np.asarray(curve[:shortest], np.float64) for curve in curves], axis=0))


def draw_fold_curves(histories: Sequence[History], name: str, title: str, *, published: float | None = None) -> Figure:
    """Draw a figure of every fold against epochs, and the mean of the folds as a bold line.

    The mean ends with the first fold that stops.

    Args:
        histories: the figures by epoch of each fold.
        name: which one, such as `val_accuracy`; one that ends in `accuracy` is drawn in percent.
        title: above everything.
        published: a mean to compare with, drawn as a dotted line; a share, like accuracies.
    """
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.add_subplot()
    curves = [history[name] for history in histories]
    for number, (curve, colour) in enumerate(zip(curves, fold_colours(len(curves)), strict=True), 1):
        axes.plot(_epochs(curve), curve, color=colour, linewidth=1.2, alpha=0.85, label=f"fold {number}")
        axes.plot(len(curve), curve[-1], ".", color=colour)
    mean = mean_curve(curves)
    axes.plot(_epochs(mean), mean, color="black", linewidth=2.6, label="mean", marker="." if len(mean) == 1 else "")
    if published is not None:
        axes.axhline(published, color=PUBLISHED, linestyle=":", linewidth=1.6, label="published mean")
    shown = name.removeprefix("val_").replace("_", " ")
    axes.set(title=title, xlabel="epoch", ylabel=f"validation {shown}" if name.startswith("val_") else shown)
    axes.set_xlim(0.5, max(map(len, curves)) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if name.endswith("accuracy"):
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=_decimals(axes)))
    _plain(axes)
    figure.legend(loc="outside right center", frameon=False, fontsize=9)
    return figure


def draw_fold_bars(accuracies: Sequence[float], title: str, published: Sequence[float] = ()) -> Figure:
    """Draw the accuracy of each fold as a bar, and the mean as a dashed line, with its deviation (n - 1) beside it.

    Args:
        accuracies: of each fold, shares.
        title: above everything.
        published: the same of a published system, drawn beside them; there may be more or fewer folds, or none.
    """
    folds = max(len(accuracies), len(published))
    series = [("ours", accuracies, OURS), ("published", published, PUBLISHED)][: 2 if published else 1]
    width = 0.8 / len(series)
    figure = Figure(figsize=(max(5.0, 1.4 + (0.5 * len(series) + 0.15) * folds), 3.8), layout="constrained")
    axes = figure.add_subplot()
    highest = max(*accuracies, *published, 0.05)
    for place, (label, values, colour) in enumerate(series):
        at = np.arange(len(values)) + (place - (len(series) - 1) / 2) * width
        axes.bar(at, values, width * 0.92, color=colour, label=f"{label}, {_mean(values)}")
        axes.axhline(float(np.mean(values)), color=colour, linestyle="--", linewidth=1.4, zorder=0)
        for x, value in zip(at, values, strict=True):
            _number(axes, float(x), value, inside=value > 0.15 * highest)
    axes.set_xticks(range(folds), [str(number) for number in range(1, folds + 1)])
    axes.set(title=title, xlabel="fold", ylabel="accuracy", ylim=(0, 1.12 * highest))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    _plain(axes)
    axes.xaxis.grid(visible=False)
    figure.legend(loc="outside lower center", frameon=False, ncols=len(series), fontsize=9)
    return figure


def _number(axes: Axes, x: float, value: float, *, inside: bool) -> None:
    # at the foot of its bar, where no line of a mean crosses it; above a bar that is too low for that
    colour, y = ("white", 0.0) if inside else ("black", value)
    axes.annotate(f"{value:.1%}", (x, y), (0, 4), textcoords="offset points", ha="center", fontsize=8, color=colour)


def _mean(values: Sequence[float]) -> str:
    spread = f" ± {np.std(values, ddof=1):.1%}" if len(values) > 1 else ""
    return f"mean {np.mean(values):.1%}{spread}"


def _decimals(axes: Axes) -> int:
    # without a decimal neighbouring ticks would read alike where the curves are close together
    bottom, top = axes.get_ylim()
    return 0 if top - bottom > 0.05 else 1


def _epochs(curve: Sequence[float] | NDArray[np.float64]) -> range:
    return range(1, len(curve) + 1)


def _plain(axes: Axes) -> None:
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
