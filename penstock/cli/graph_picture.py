"""A graph drawn as SVG: by graphviz's `dot` where it is installed, else with a layered layout of our own.

The layout is Sugiyama's in short: a node stands one layer below the lowest of its inputs, and layers are ordered by the
mean position of their neighbours, down and up a few times.
"""

from __future__ import annotations

import html
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

# What an operation is -> the colour of its box.
_COLOURS = {
    "constant": "#eeeeee",
    "input": "#d9ead3",
    "variable": "#fff2cc",
    "control": "#f4cccc",
    "other": "#cfe2f3",
}
_HEIGHT, _GAP_X, _GAP_Y, _LETTER = 34, 18, 46, 7
_SWEEPS = 6


def svg(graph: Any, title: str) -> str:
    """The picture of a graph as the text of an SVG file."""
    operations = graph.get_operations()
    dot = shutil.which("dot")
    if dot is not None:
        text = _dot_source(operations, title)
        return subprocess.run(
            [dot, "-Tsvg"], input=text, capture_output=True, text=True, check=True, encoding="utf-8"
        ).stdout
    return _drawn(operations, title)


def kind_of(operation: Any) -> str:
    """What an operation is, for its colour: constant, input, variable, control (holds graphs), other."""
    if operation.type == "Const":
        return "constant"
    if operation.type.startswith("Placeholder"):
        return "input"
    if operation.definition.nested:
        return "control"
    if operation.definition.signature.takes_resource or operation.type in ("VarHandleOp", "EagerResource"):
        return "variable"
    return "other"


def _label(operation: Any) -> tuple[str, str]:
    shapes = ", ".join(f"{each.dtype.name}{_shape(each)}" for each in operation.outputs[:2])
    more = "" if len(operation.outputs) <= 2 else f", ... ({len(operation.outputs)})"
    return f"{operation.type}  {operation.name.rpartition('/')[2]}", shapes + more


def _shape(tensor: Any) -> str:
    if tensor.shape.rank is None:
        return "<?>"
    return "[" + ", ".join("?" if dim is None else str(dim) for dim in tensor.shape.as_list()) + "]"


def _edges(operations: Sequence[Any]) -> list[tuple[int, int, bool]]:
    """(from, to, whether it is a control edge) by positions."""
    place = {id(each): i for i, each in enumerate(operations)}
    found: dict[tuple[int, int], bool] = {}
    for i, operation in enumerate(operations):
        for each in operation.control_inputs:
            if id(each) in place:
                found[place[id(each)], i] = True
        for tensor in operation.inputs:
            if id(tensor.op) in place:
                found[place[id(tensor.op)], i] = False
    return [(a, b, control) for (a, b), control in found.items()]


def _dot_source(operations: Sequence[Any], title: str) -> str:
    lines = [
        "digraph {",
        f'label="{title}"; node [shape=box, style=filled, fontname="sans-serif", fontsize=10];',
    ]
    for i, operation in enumerate(operations):
        first, second = (part.replace("\\", "\\\\").replace('"', '\\"') for part in _label(operation))
        lines.append(f'n{i} [label="{first}\\n{second}", fillcolor="{_COLOURS[kind_of(operation)]}"];')
    for a, b, control in _edges(operations):
        lines.append(f"n{a} -> n{b}{' [style=dashed]' if control else ''};")
    return "\n".join([*lines, "}"])


# Our own layout.


def layers(count: int, edges: Sequence[tuple[int, int, bool]]) -> list[list[int]]:
    """Nodes by layer, each below all of its inputs, ordered so that few edges cross.

    Example:
      >>> layers(5, [(0, 2, False), (1, 2, False), (2, 3, False), (4, 3, False)])
      [[0, 1], [4, 2], [3]]
    """
    depth = [0] * count
    for a, b, _ in sorted(edges, key=lambda edge: edge[1]):  # operations stand after their inputs
        depth[b] = max(depth[b], depth[a] + 1)
    above: dict[int, int] = {}  # constants, inputs, reads of variables: each stands just above its first user
    for a, b, _ in sorted(edges, key=lambda edge: -edge[0]):
        above[a] = min(above.get(a, count), depth[b] - 1)
        depth[a] = above[a]
    found: list[list[int]] = [[] for _ in range(max(depth, default=-1) + 1)]
    for node in range(count):
        found[depth[node]].append(node)
    neighbours: list[list[int]] = [[] for _ in range(count)]
    for a, b, _ in edges:
        neighbours[a].append(b)
        neighbours[b].append(a)
    position = {node: i for layer in found for i, node in enumerate(layer)}
    for sweep in range(_SWEEPS):
        for layer in found if sweep % 2 == 0 else reversed(found):
            centre = {
                node: sum(position[each] for each in neighbours[node]) / len(neighbours[node])
                if neighbours[node]
                else position[node]
                for node in layer
            }
            layer.sort(key=centre.__getitem__)
            position.update((node, i) for i, node in enumerate(layer))
    return found


def _drawn(operations: Sequence[Any], title: str) -> str:
    labels = [_label(each) for each in operations]
    widths = [_LETTER * max(map(len, label)) + 16 for label in labels]
    edges = _edges(operations)
    rows = layers(len(operations), edges)
    row_widths = [sum(widths[node] + _GAP_X for node in row) for row in rows]
    width = max([*row_widths, 9 * len(title)], default=0) + 2 * _GAP_X
    height = len(rows) * (_HEIGHT + _GAP_Y) + 60
    corner: dict[int, tuple[float, float]] = {}
    for level, row in enumerate(rows):
        x = (width - row_widths[level]) / 2
        for node in row:
            corner[node] = (x, 40 + level * (_HEIGHT + _GAP_Y))
            x += widths[node] + _GAP_X
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="sans-serif" font-size="11">',
        '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="3" orient="auto">'
        '<path d="M0,0 L7,3 L0,6 z" fill="#666"/></marker></defs>',
        f'<text x="{_GAP_X}" y="22" font-size="14">{html.escape(title)}</text>',
    ]
    for a, b, control in edges:
        (ax, ay), (bx, by) = corner[a], corner[b]
        x1, y1, x2, y2 = ax + widths[a] / 2, ay + _HEIGHT, bx + widths[b] / 2, by
        bend = (y2 - y1) / 2
        dashes = ' stroke-dasharray="4 3"' if control else ""
        parts.append(
            f'<path d="M{x1:.1f},{y1:.1f} C{x1:.1f},{y1 + bend:.1f} {x2:.1f},{y2 - bend:.1f} {x2:.1f},{y2:.1f}" '
            f'fill="none" stroke="#666"{dashes} marker-end="url(#tip)"/>'
        )
    for node, operation in enumerate(operations):
        x, y = corner[node]
        first, second = (html.escape(part) for part in labels[node])
        parts.append(
            f'<g><title>{html.escape(operation.name)}</title><rect x="{x:.1f}" y="{y}" width="{widths[node]}" '
            f'height="{_HEIGHT}" rx="4" fill="{_COLOURS[kind_of(operation)]}" stroke="#888"/>'
            f'<text x="{x + 8:.1f}" y="{y + 14}">{first}</text>'
            f'<text x="{x + 8:.1f}" y="{y + 28}" fill="#555">{second}</text></g>'
        )
    return "\n".join([*parts, "</svg>", ""])
