"""The pictures of a run. Drawn without a display, and written whole or not at all."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from pipelines.files import write_whole

DPI = 150
# stands in each figure, so that it is known again
_SOFTWARE = "scratchnet"


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    FigureCanvasAgg(figure)
    write_whole(path, lambda temporary: figure.savefig(temporary, dpi=DPI, metadata={"Software": _SOFTWARE}))


def remove_figures(folder: Path) -> None:
    """Delete the figures in a folder that `save_figure` drew, and no other files; the folder need not exist."""
    for path in folder.glob("*.png"):
        if _is_own(path):
            path.unlink()


def _is_own(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            return bool(picture.info.get("Software") == _SOFTWARE)
    except (OSError, Image.DecompressionBombError):  # no picture at all, for example
        return False


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


def save_confusion_matrix(matrix: NDArray[np.int64], class_names: Sequence[str], title: str, path: Path) -> None:
    """Draw counts, shaded by the share of each true class.

    Args:
        matrix: (classes, classes); rows are true classes, columns predictions.
        class_names: in label order.
        title: above the matrix.
        path: of the PNG.
    """
    classes = len(class_names)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(2.6 + 0.62 * classes, 2.2 + 0.56 * classes), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row in range(classes):
        for column in range(classes):
            colour = "white" if shares[row, column] > 0.5 else "black"
            text = f"{matrix[row, column]:,}\n{shares[row, column]:.0%}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(classes), class_names, rotation=45, ha="right")
    axes.set_yticks(range(classes), class_names)
    axes.set(title=title, xlabel="predicted", ylabel="true")
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    save_figure(figure, path)
