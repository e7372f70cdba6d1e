# SPDX-License-Identifier: Apache-2.0
"""Draws a lineage as one SVG that needs nothing else: no fonts, no scripts, no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from recycle_sorter.ml.lineage import JOB, LOG, Edge, Lineage, Node, colours

_WIDTH_PX, _HEIGHT_PX = 216, 48
_COLUMN_GAP_PX, _ROW_GAP_PX = 76, 22
# A long arrow takes a narrow row of each column that it crosses, so that it runs past the boxes.
_PASSAGE_PX = 14
_LANE_PX = 12
_MARGIN_PX = 24
_LEGEND_PX = 40
_MAX_LETTERS = 28
_SWEEPS = 8
_INK, _QUIET = "#1c2430", "#5c6776"
_FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"


@dataclass(frozen=True, slots=True)
class _Layout:
    """Columns of keys, top to bottom, each arrow as the keys that it runs through, and places.

    `returning` holds the arrows that run from right to left.
    """

    columns: list[list[str]]
    chains: dict[Edge, list[str]]
    tops: dict[str, float]
    height_px: float
    returning: list[Edge]


def draw_svg(lineage: Lineage) -> str:
    """Returns the lineage as SVG, time running from left to right."""
    nodes = {node.key: node for node in lineage.nodes}
    layout = _lay_out(lineage, nodes)
    columns = max(len(layout.columns), 1)
    width = 2 * _MARGIN_PX + columns * _WIDTH_PX + (columns - 1) * _COLUMN_GAP_PX
    lanes = _LANE_PX * len(layout.returning)
    height = 2 * _MARGIN_PX + layout.height_px + lanes + _LEGEND_PX
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="0 0 {width:.0f} {height:.0f}" font-family="{escape(_FONT)}" role="img">',
        "<title>Lineage of jobs and artifacts</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        "<defs>" + "".join(_marker(kind) for kind in ("use", LOG)) + "</defs>",
    ]
    column_of = {key: at for at, column in enumerate(layout.columns) for key in column}
    parts += [
        _draw_edge(edge, chain, layout, column_of, nodes) for edge, chain in layout.chains.items()
    ]
    parts += [
        _draw_node(nodes[key], _left(column_of[key]), layout.tops[key])
        for column in layout.columns
        for key in column
        if key in nodes
    ]
    parts.append(_draw_legend(lineage, height - _MARGIN_PX - 4))
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _lay_out(lineage: Lineage, nodes: Mapping[str, Node]) -> _Layout:
    layers = lineage.layers()
    columns: list[list[str]] = [[] for _ in range(max(layers.values(), default=-1) + 1)]
    for node in lineage.nodes:
        columns[layers[node.key]].append(node.key)
    chains: dict[Edge, list[str]] = {}
    for number, edge in enumerate(lineage.edges):
        chain = [edge.source]
        for layer in range(layers[edge.source] + 1, layers[edge.target]):
            chain.append(f"passage {number} {layer}")
            columns[layer].append(chain[-1])
        chains[edge] = [*chain, edge.target]
    _untangle(columns, list(chains.values()))
    heights = [sum(_height(key, nodes) + _ROW_GAP_PX for key in column) for column in columns]
    tallest = max(heights, default=0)
    tops = {}
    for column, height in zip(columns, heights, strict=True):
        top = _MARGIN_PX + (tallest - height) / 2
        for key in column:
            tops[key] = top
            top += _height(key, nodes) + _ROW_GAP_PX
    returning = [e for e in lineage.edges if layers[e.source] >= layers[e.target]]
    return _Layout(columns, chains, tops, tallest, returning)


def _untangle(columns: list[list[str]], chains: Sequence[Sequence[str]]) -> None:
    """Sorts each column by where its neighbours stand, to and fro, so that few arrows cross."""
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for chain in chains:
        for one, two in pairwise(chain):
            before.setdefault(two, []).append(one)
            after.setdefault(one, []).append(two)
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        neighbours = before if forward else after
        for column in columns if forward else columns[::-1]:
            rows = {key: row for other in columns for row, key in enumerate(other)}

            def middle(key: str, rows: Mapping[str, int] = rows) -> float:
                near = [rows[other] for other in neighbours.get(key, [])]  # noqa: B023 - used here
                return sum(near) / len(near) if near else rows[key]

            column.sort(key=middle)


def _height(key: str, nodes: Mapping[str, Node]) -> float:
    return _HEIGHT_PX if key in nodes else _PASSAGE_PX


def _left(column: int) -> float:
    return _MARGIN_PX + column * (_WIDTH_PX + _COLUMN_GAP_PX)


def _draw_edge(
    edge: Edge,
    chain: Sequence[str],
    layout: _Layout,
    column_of: Mapping[str, int],
    nodes: Mapping[str, Node],
) -> str:
    def middle(key: str) -> float:
        return layout.tops[key] + _height(key, nodes) / 2

    x0, y0 = _left(column_of[edge.source]) + _WIDTH_PX, middle(edge.source)
    if edge in layout.returning:
        # It closes a circle: around the boxes and below all of them, back in from the left.
        x1, y1 = _left(column_of[edge.target]), middle(edge.target)
        lane = _MARGIN_PX + layout.height_px + _LANE_PX * layout.returning.index(edge)
        aside = _COLUMN_GAP_PX / 2
        path = (
            f"M{x0:.1f},{y0:.1f} C{x0 + aside:.1f},{y0:.1f} {x0 + aside:.1f},{lane:.1f}"
            f" {x0 - aside:.1f},{lane:.1f} L{x1 + aside:.1f},{lane:.1f}"
            f" C{x1 - aside:.1f},{lane:.1f} {x1 - aside:.1f},{y1:.1f} {x1:.1f},{y1:.1f}"
        )
    else:
        path = ""
        for one, two in pairwise(chain):
            x0, y0 = _left(column_of[one]) + _WIDTH_PX, middle(one)
            x1, y1 = _left(column_of[two]), middle(two)
            bend = (x1 - x0) / 2
            start = f"M{x0:.1f},{y0:.1f}" if not path else f" L{x0:.1f},{y0:.1f}"
            path += f"{start} C{x0 + bend:.1f},{y0:.1f} {x1 - bend:.1f},{y1:.1f} {x1:.1f},{y1:.1f}"
    title = f"{nodes[edge.source].title} {edge.kind} {nodes[edge.target].title}"
    colour, dash = _line(edge.kind)
    return (
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.5"{dash}'
        f' marker-end="url(#{edge.kind})"><title>{escape(title)}</title></path>'
    )


def _draw_node(node: Node, left: float, top: float) -> str:
    fill, line = colours(node.kind)
    radius = 4 if node.kind == JOB else _HEIGHT_PX / 2
    middle = left + _WIDTH_PX / 2
    whole = f"{node.title} ({node.kind}): {node.detail}"
    return (
        f"<g><title>{escape(whole)}</title>"
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{_WIDTH_PX}" height="{_HEIGHT_PX}"'
        f' rx="{radius:.0f}" fill="{fill}" stroke="{line}" stroke-width="1.5"/>'
        f'<text x="{middle:.1f}" y="{top + 20:.1f}" text-anchor="middle" font-size="13"'
        f' font-weight="600" fill="{_INK}">{escape(_cut(node.title))}</text>'
        f'<text x="{middle:.1f}" y="{top + 37:.1f}" text-anchor="middle" font-size="11"'
        f' fill="{_QUIET}">{escape(_cut(node.detail, _MAX_LETTERS + 6))}</text></g>'
    )


def _draw_legend(lineage: Lineage, bottom: float) -> str:
    parts = []
    left = float(_MARGIN_PX)
    for kind in dict.fromkeys(node.kind for node in lineage.nodes):
        fill, line = colours(kind)
        parts.append(
            f'<rect x="{left:.1f}" y="{bottom - 11:.1f}" width="20" height="12"'
            f' rx="{2 if kind == JOB else 6}" fill="{fill}" stroke="{line}"/>'
            f'<text x="{left + 27:.1f}" y="{bottom:.1f}" font-size="12"'
            f' fill="{_QUIET}">{escape(kind)}</text>'
        )
        left += 27 + 7.5 * len(kind) + 22
    for kind in dict.fromkeys(edge.kind for edge in lineage.edges):
        colour, dash = _line(kind)
        parts.append(
            f'<line x1="{left:.1f}" y1="{bottom - 5:.1f}" x2="{left + 28:.1f}"'
            f' y2="{bottom - 5:.1f}" stroke="{colour}" stroke-width="1.5"{dash}'
            f' marker-end="url(#{escape(kind)})"/>'
            f'<text x="{left + 36:.1f}" y="{bottom:.1f}" font-size="12"'
            f' fill="{_QUIET}">{escape(kind)}</text>'
        )
        left += 36 + 7.5 * len(kind) + 22
    return "".join(parts)


def _line(kind: str) -> tuple[str, str]:
    return ("#2c5aa0", "") if kind == LOG else ("#7b8694", ' stroke-dasharray="5 3"')


def _marker(kind: str) -> str:
    colour, _ = _line(kind)
    return (
        f'<marker id="{kind}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7"'
        f' markerHeight="7" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="{colour}"/></marker>'
    )


def _cut(text: str, letters: int = _MAX_LETTERS) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"
