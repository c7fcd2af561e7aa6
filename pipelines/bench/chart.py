"""The speed of networks as a picture: how many times as long the others take."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from pipelines.bench.report import title_of
from pipelines.bench.results import OURS, SECTIONS, Row
from pipelines.figures.saving import DPI
from pipelines.files import write_whole

PANELS = ("train", "infer", "one")
# Okabe and Ito's colours, told apart also by the colour-blind
COLOURS = {"keras": "#E69F00", "torch": "#D55E00", "onnxruntime": "#56B4E9", "openvino": "#0072B2"}
GROUP = 0.8  # of the distance between two networks is filled with bars


def save_chart(rows: Sequence[Row], environment: dict[str, Any], paths: Sequence[Path]) -> bool:
    """Draw a panel each for training, batch inference and one image.

    A bar is a peer's time per image divided by ours, on a logarithmic scale: upward the peer is slower.

    Args:
        rows: of all sections; only those of networks are drawn.
        environment: for the line below.
        paths: the files to write, `.png` or `.svg`.

    Returns:
        Whether there was something to draw: a network timed against some peer.
    """
    drawn = [row for row in rows if row.section in PANELS and row.score is not None]
    sections = [section for section in PANELS if any(row.section == section for row in drawn)]
    if not sections:
        return False
    picture = Picture(figsize=(1.2 + 4.4 * len(sections), 4.2), layout="constrained")
    FigureCanvasAgg(picture)
    grid = picture.subplots(1, len(sections), sharey=True, squeeze=False)
    for axes, section in zip(grid[0], sections, strict=True):
        _draw_panel(axes, [row for row in drawn if row.section == section])
        axes.set_title(SECTIONS[section].title)
    grid[0][0].set_ylabel("time relative to scratchnet\n(up: slower than it)")
    handles = {label: bar for axes in grid[0] for bar, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    picture.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=len(handles), frameon=False)
    picture.supxlabel(
        f"{environment['processor']}, {environment['threads']} threads, float32. Below each network: "
        "scratchnet's ms per image",
        fontsize=8,
        color="0.35",
    )
    for path in paths:
        write_whole(path, lambda temporary: picture.savefig(temporary, dpi=DPI))
    return True


def _short(ratio: float) -> str:
    """Few enough characters for a narrow bar: 12, 1.2, .12."""
    return f"{ratio:.0f}" if ratio >= 9.95 else f"{ratio:.1f}" if ratio >= 0.95 else f"{ratio:.2f}".removeprefix("0")


def _draw_panel(axes: Any, rows: Sequence[Row]) -> None:
    peers = [peer for peer in COLOURS if any(peer in row.figures for row in rows)]
    width = GROUP / len(peers)
    for number, peer in enumerate(peers):
        found = [(place, row) for place, row in enumerate(rows) if peer in row.figures]
        ratios = [row.figures[peer].median / row.figures[OURS].median for _, row in found]
        left = [place - GROUP / 2 + (number + 0.5) * width for place, _ in found]
        bars = axes.bar(
            left, [ratio - 1 for ratio in ratios], width, bottom=1, color=COLOURS[peer], label=title_of(peer)
        )
        for bar, ratio in zip(bars, ratios, strict=True):
            axes.annotate(
                _short(ratio),
                (bar.get_x() + width / 2, ratio), (0, 2 if ratio >= 1 else -2), textcoords="offset points",
                ha="center", va="bottom" if ratio >= 1 else "top", fontsize=7,
            )  # fmt: skip
    axes.axhline(1, color="black", linewidth=1.2, label="scratchnet")
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_locator(LogLocator(base=2))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))  # noqa: RUF001
    axes.yaxis.set_minor_locator(NullLocator())
    axes.margins(y=0.12)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xticks(range(len(rows)), [f"{row.case}\n{row.figures[OURS].median:.3g}" for row in rows])
    axes.tick_params(axis="x", length=0)
