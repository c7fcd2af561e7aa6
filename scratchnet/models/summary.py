"""The table of layers that `Model.summary` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scratchnet.models.model import Model


def _shape(shape: object) -> str:
    return str(shape).replace("None", "batch")


def summary_text(model: Model) -> str:
    """Layers, output shapes and numbers of weights as an aligned table."""
    total = model.count_params()
    trainable = sum(weight.size for weight in model.trainable_weights)
    rows = [("layer (class)", "output shape", "weights", "inputs")]
    made_by = {id(tensor): node.layer.name for node in model.nodes for tensor in node.outputs}
    straight = all(len(node.inputs) == 1 for node in model.nodes) and len(model.inputs) == 1
    for tensor in model.inputs:
        rows.append((f"{tensor.name} (Input)", _shape(tensor.shape), "0", ""))
    counted: set[int] = set()
    for node in model.nodes:
        shapes = ", ".join(_shape(tensor.shape) for tensor in node.outputs)
        count = 0 if id(node.layer) in counted else node.layer.count_params()  # a shared layer counts once
        counted.add(id(node.layer))
        sources = ", ".join(made_by.get(id(tensor), tensor.name) for tensor in node.inputs)
        rows.append((f"{node.layer.name} ({type(node.layer).__name__})", shapes, f"{count:,}", sources))
    columns = 3 if straight else 4
    widths = [max(len(row[i]) for row in rows) for i in range(columns)]
    lines = [f"Model: {model.name}"]
    for row in rows:
        cells = [
            cell.rjust(width) if i == 2 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=False))
        ]
        lines.append("  ".join(cells).rstrip())
    rule = "-" * max(map(len, lines))
    lines = [lines[0], rule, lines[1], rule, *lines[2:], rule]
    lines.append(f"Weights: {total:,} ({trainable:,} trainable, {total - trainable:,} not)")
    return "\n".join(lines)
