"""A model as a figure: volumes for a stack, and for any model a table beside a drawing of its connections."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch, Rectangle
from matplotlib.path import Path as Curve

from pipelines.architecture import Architecture, LayerRow, by
from pipelines.figures.lanes import Lanes, lay_out
from pipelines.figures.layer_colours import colour_of, families_of
from pipelines.figures.sizing import shortened, text_width
from pipelines.figures.volumes import Volumes

# all lengths are in inches, all sizes of text in points
ROW = 0.21
TEXT = 8.0
LANE = 0.19
BOX = 0.125
BETWEEN = 0.24  # columns
MARGIN = 0.2
SMALLEST_WIDTH = 6.5
LONGEST_NAME = 44
LONGEST_OPTIONS = 60
MOST_ROWS = 1000  # a picture of more would be too high to be opened
LINE_COLOUR = "#606060"
STRIPE = "#f4f4f4"


class _Column(NamedTuple):
    heading: str
    cells: list[str]
    to_the_right: bool

    @property
    def width(self) -> float:
        return max(text_width(self.heading, TEXT, bold=True), *(text_width(cell, TEXT) for cell in self.cells))


def draw_architecture(architecture: Architecture) -> Figure:
    """Draw a model's layers with kinds, windows, output shapes and numbers of parameters, and its totals.

    A stack is drawn as volumes too, above the table. Where the model branches, lines beside the table show what each
    layer takes. The figure is as large as the model needs, each line of text being equally high.
    """
    lanes = lay_out([row.sources for row in architecture.rows])
    columns = _columns(architecture.rows[:MOST_ROWS])
    indent = MARGIN + lanes.width * LANE + 0.1
    table = indent + sum(column.width for column in columns) + BETWEEN * (len(columns) - 1) + MARGIN
    legend = families_of(row.kind for row in architecture.rows)
    title, total = architecture.name, _totals(architecture)
    width = max(
        SMALLEST_WIDTH, table, 2 * MARGIN + text_width(total, TEXT, bold=True), 2 * MARGIN + _legend_width(legend)
    )
    drawing = Volumes(architecture.rows, max(width, 11.0) - 2 * MARGIN) if architecture.is_chain else None
    if drawing is not None:
        width = max(width, drawing.width + 2 * MARGIN)
    lines = min(len(architecture.rows), MOST_ROWS) + (len(architecture.rows) > MOST_ROWS)
    height = 2 * MARGIN + 0.36 + (drawing.height + 0.1 if drawing else 0) + 0.26 + ROW * (lines + 1) + 0.2
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    top = height - MARGIN
    axes.text(MARGIN, top, shortened(title, 60), fontsize=12, weight="bold", va="top", parse_math=False)
    top -= 0.36
    if drawing is not None:
        drawing.draw(axes, (width - drawing.width) / 2, top)
        top -= drawing.height + 0.1
    _draw_legend(axes, legend, top)
    top -= 0.26
    _draw_table(axes, columns, indent, top, width)
    _draw_graph(axes, architecture.rows[:MOST_ROWS], lanes, top - ROW)
    bottom = top - ROW * (lines + 1)
    if len(architecture.rows) > MOST_ROWS:
        axes.text(
            indent, bottom + ROW / 2, f"… and {len(architecture.rows) - MOST_ROWS:,} more", fontsize=TEXT, va="center"
        )
    axes.plot([MARGIN, width - MARGIN], [bottom, bottom], color="black", linewidth=0.8)
    axes.text(width - MARGIN, bottom - 0.06, total, fontsize=TEXT, weight="bold", va="top", ha="right")
    return figure


def _totals(architecture: Architecture) -> str:
    fixed = architecture.parameters - architecture.trainable
    layers = sum(not row.repeated and row.kind != "Input" for row in architecture.rows)
    kinds = f"{architecture.trainable:,} trainable, {fixed:,} not" if fixed else "all trainable"
    return f"{layers:,} layers, {architecture.parameters:,} parameters, {kinds}"


def _columns(rows: Sequence[LayerRow]) -> list[_Column]:
    """The table's columns; those in which nothing stands are left out."""
    columns = [
        _Column("layer", [shortened(row.name, LONGEST_NAME) for row in rows], False),
        _Column("type", [row.kind for row in rows], False),
        _Column("kernel", [by(row.kernel or ()) for row in rows], True),
        _Column("stride", [by(row.strides or ()) for row in rows], True),
        _Column("options", [shortened(row.options, LONGEST_OPTIONS) for row in rows], False),
        _Column("output", [row.size for row in rows], True),
        _Column("parameters", ["shared" if row.repeated else f"{row.parameters:,}" for row in rows], True),
    ]
    return [column for column in columns if any(column.cells)]


def _draw_table(axes: Axes, columns: Sequence[_Column], indent: float, top: float, width: float) -> None:
    spare = width - MARGIN - indent - sum(column.width for column in columns)
    between = spare / (len(columns) - 1)
    for number in range(1, len(columns[0].cells), 2):
        corner = (MARGIN, top - ROW * (number + 2))
        axes.add_patch(Rectangle(corner, width - 2 * MARGIN, ROW, facecolor=STRIPE, edgecolor="none", zorder=0))
    axes.plot([MARGIN, width - MARGIN], [top - ROW, top - ROW], color="black", linewidth=0.8)
    x = indent
    for column in columns:
        at, align = (x + column.width, "right") if column.to_the_right else (x, "left")
        for number, cell in enumerate([column.heading, *column.cells]):
            weight = "bold" if number == 0 else "normal"
            y = top - ROW * (number + 0.5)
            axes.text(at, y, cell, ha=align, va="center", fontsize=TEXT, weight=weight, parse_math=False)
        x += column.width + between


def _draw_graph(axes: Axes, rows: Sequence[LayerRow], lanes: Lanes, top: float) -> None:
    """A box for each row, and lines from what it takes."""

    def place(lane: int, row: int) -> tuple[float, float]:
        return MARGIN + (lane + 0.5) * LANE, top - ROW * (row + 0.5)

    for source, target, lane in lanes.connections:
        if target >= len(rows):
            continue
        curve = _curve(place(lanes.nodes[source], source), place(lane, source)[0], place(lanes.nodes[target], target))
        axes.add_patch(PathPatch(curve, facecolor="none", edgecolor=LINE_COLOUR, linewidth=1.0, zorder=1))
    for number, row in enumerate(rows):
        x, y = place(lanes.nodes[number], number)
        axes.add_patch(
            FancyBboxPatch(
                (x - BOX / 2, y - BOX / 2), BOX, BOX, boxstyle="round,pad=0,rounding_size=0.03",
                facecolor=colour_of(row.kind), edgecolor="#303030", linewidth=0.7, zorder=2,
            )
        )  # fmt: skip


def _curve(start: tuple[float, float], lane: float, end: tuple[float, float]) -> Curve:
    """From a box sideways into a lane, down to the row before another box, and sideways to that."""
    points, codes = [start], [Curve.MOVETO]

    def bend(x: float, y: float) -> None:
        from_x, from_y = points[-1]
        half = (from_y + y) / 2
        points.extend([(from_x, half), (x, half), (x, y)])
        codes.extend([Curve.CURVE4] * 3)

    if start[1] - end[1] < 1.5 * ROW:  # neighbouring rows
        bend(*end)
        return Curve(points, codes)
    if lane != start[0]:
        bend(lane, start[1] - ROW)
    points.append((lane, end[1] + ROW))
    codes.append(Curve.LINETO)
    bend(*end)
    return Curve(points, codes)


def _legend_width(families: Sequence[tuple[str, str]]) -> float:
    return sum(text_width(family, TEXT) + 0.42 for family, _ in families)


def _draw_legend(axes: Axes, families: Sequence[tuple[str, str]], top: float) -> None:
    x, y = MARGIN, top - 0.1
    for family, colour in families:
        axes.add_patch(Rectangle((x, y - BOX / 2), BOX, BOX, facecolor=colour, edgecolor="#303030", linewidth=0.7))
        axes.text(x + BOX + 0.06, y, family, va="center", fontsize=TEXT)
        x += text_width(family, TEXT) + 0.42
