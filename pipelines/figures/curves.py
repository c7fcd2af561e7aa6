"""Losses and accuracies against epochs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipelines.figures.saving import save_figure


def save_curves(history: Mapping[str, Sequence[float]], path: Path) -> None:
    """Draw loss and accuracy against epochs, training and validation.

    Args:
        history: the values of each figure by epoch: `loss`, `accuracy`, and both with `val_` before.
        path: of the PNG.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for position, (name, title) in enumerate({"loss": "Loss", "accuracy": "Accuracy"}.items(), 1):
        axes = figure.add_subplot(1, 2, position)
        for key, label in {name: "training", f"val_{name}": "validation"}.items():
            if key in history:
                axes.plot(range(1, len(history[key]) + 1), history[key], marker=".", label=label)
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    save_figure(figure, path)
