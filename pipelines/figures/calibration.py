"""Reliability diagrams."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipelines.figures.text import plain


def draw_calibration(
    confidence: NDArray[np.float64],
    accuracy: NDArray[np.float64],
    counts: NDArray[np.int64],
    ece: float,
    title: str,
) -> Figure:
    """Draw how often predictions are right against how sure they are, and how many are how sure.

    Args:
        confidence: (bins,) the mean probability of the predictions in equally wide bins of [0, 1]; NaN in empty bins.
        accuracy: (bins,) the share of right ones among them; NaN in empty bins.
        counts: (bins,) how many they are.
        ece: the expected calibration error.
        title: above the diagram.
    """
    figure = Figure(figsize=(4.8, 5.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    edges = np.linspace(0, 1, len(counts) + 1)
    filled = counts > 0
    left, width = edges[:-1][filled], 1 / len(counts)
    above.bar(
        left, accuracy[filled], width, align="edge", color="tab:blue", alpha=0.75, edgecolor="white", label="accuracy"
    )
    gaps = confidence[filled] - accuracy[filled]
    above.bar(
        left, gaps, width, bottom=accuracy[filled], align="edge", facecolor="none", edgecolor="tab:red", hatch="////",
        linewidth=1, label="gap to mean probability",
    )  # fmt: skip
    above.plot([0, 1], [0, 1], color="0.4", linestyle="--", linewidth=1, label="right as often as sure")
    above.set_title(f"{plain(title)}\nexpected calibration error {ece:.3f}", fontsize=11)
    above.set(ylabel="share of right predictions", xlim=(0, 1), ylim=(0, 1))
    bars = below.bar(left, counts[filled] / counts.sum(), width, align="edge", color="0.6", edgecolor="white")
    below.bar_label(bars, [_short(count) for count in counts[filled].tolist()], fontsize=6, padding=1)
    below.margins(y=0.15)
    below.set(xlabel="probability of the predicted class", ylabel="share of images")
    below.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    for axes in (above, below):
        axes.grid(alpha=0.25)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False, columnspacing=1.2)
    return figure


def _short(count: int) -> str:
    # no wider than its bar
    return str(count) if count < 10_000 else f"{count / 1000:.0f}k"
