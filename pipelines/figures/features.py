"""Ways to make vectors beside each other: what classifiers and clusters make of them, and how long they take."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from pipelines.figures.fonts import text_width, wrap
from pipelines.figures.text import plain

# mean and standard deviation, the latter None of a single value
Value: TypeAlias = tuple[float, float | None]

# told apart without colours too
COLOURS, MARKERS = ("#2166ac", "#d6604d", "#4d9221"), ("o", "s", "D")
LONGEST_NAME = 26
# inches: a panel, a way to make vectors, a letter of its name at 9 points
PANEL, LINE, LETTER = 3.1, 0.4, 0.085
_UNITS = ((1, "s"), (1e3, "ms"), (1e6, "µs"))


def draw_features(
    names: Sequence[str],
    accuracies: Mapping[str, Sequence[Value]],
    agreements: Mapping[str, Sequence[Value]],
    seconds: Sequence[float],
    chance: float,
    majority: float,
) -> Figure:
    """Draw accuracies, agreement of clusters with classes, and the time of an image; a line for each way.

    Args:
        names: of the ways to make vectors.
        accuracies: 0 to 1, by the name of the classifier; a value for each way.
        agreements: 0 to 1 and somewhat below, by the name of the score.
        seconds: per image.
        chance: the accuracy of a class drawn by lot.
        majority: the accuracy of the most frequent class.
    """
    labels = [wrap(name, LONGEST_NAME) for name in names]
    margin = 0.3 + LETTER * max(text_width(line) for label in labels for line in label.split("\n"))
    figure = Figure(figsize=(margin + 3 * PANEL, 1.35 + LINE * len(names)), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, wspace=0.04)  # type: ignore[call-arg, union-attr]
    left, middle, right = figure.subplots(1, 3, sharey=True)
    _dots(left, accuracies)
    left.axvline(chance, color="0.55", linestyle=":", linewidth=1.2, zorder=1, label=f"by lot {chance:.1%}")
    left.axvline(
        majority, color="0.55", linestyle="--", linewidth=1.2, zorder=1, label=f"most frequent class {majority:.1%}"
    )
    left.set_title("accuracy", fontsize=10)
    left.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    _dots(middle, agreements)
    middle.axvline(0, color="0.55", linestyle=":", linewidth=1.2, zorder=1)
    middle.set_title("clusters beside classes", fontsize=10)
    _times(right, seconds)
    for axes in (left, middle):
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, fontsize=8, frameon=False)
    left.set_yticks(range(len(names)), [plain(label) for label in labels], fontsize=9)
    left.set_ylim(len(names) - 0.5, -0.5)
    for axes in (left, middle, right):
        axes.grid(axis="x", alpha=0.25)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.tick_params(axis="x", labelsize=8)
        for place in range(1, len(names)):
            axes.axhline(place - 0.5, color="0.9", linewidth=0.6, zorder=0)
    return figure


def _dots(axes: Axes, series: Mapping[str, Sequence[Value]]) -> None:
    # side by side within a line, so that equal ones do not hide each other
    for number, (name, values) in enumerate(series.items()):
        offset = 0.22 * (number - (len(series) - 1) / 2)
        axes.errorbar(
            [mean for mean, _ in values],
            [place + offset for place in range(len(values))],
            xerr=[deviation or 0 for _, deviation in values],
            fmt=MARKERS[number % len(MARKERS)],
            color=COLOURS[number % len(COLOURS)],
            markersize=5,
            elinewidth=1.2,
            capsize=2,
            label=name,
            zorder=3,
        )
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(6))


def _times(axes: Axes, seconds: Sequence[float]) -> None:
    # a view of an array takes next to nothing, and would squeeze the others together
    shown = [max(1e6 * value, 1.0) for value in seconds]
    axes.barh(range(len(shown)), shown, height=0.5, color="0.65")
    for place, (value, length) in enumerate(zip(seconds, shown, strict=True)):
        axes.annotate(_time(value), (length, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_xscale("log")
    axes.set_xlim(0.5, 30 * max(shown))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _time(value / 1e6)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_title("time per image", fontsize=10)


def _time(seconds: float) -> str:
    if seconds < 1e-6:
        return "< 1 µs"
    factor, unit = next((pair for pair in _UNITS if seconds * pair[0] >= 0.9995), _UNITS[-1])
    return f"{seconds * factor:.3g} {unit}"
