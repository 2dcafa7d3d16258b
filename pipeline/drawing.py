"""A graph as Mermaid text, as a self-contained SVG, or as plain values; with types, deadlines and candidates."""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple

from pipeline.deadlines import DeadlineSpec
from pipeline.definition import Source
from pipeline.graph import Graph
from pipeline.ports import Output
from pipeline.timestamps import format_duration

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 150, 44, 90, 26, 16
LINE = 13


def plain(graph: Graph) -> dict[str, Any]:
    """Operators, edges, deadlines and candidates as plain values."""
    return {
        "name": graph.name,
        "execution": graph.execution.value,
        "operators": {
            name: {
                "type": type(operator).__name__,
                "inputs": {port.name: port.type_.__name__ for port in operator.inputs()},
                "outputs": {port.name: port.type_.__name__ for port in operator.outputs()},
                "candidates": [spec.name for spec in graph.candidates.get(name, [])],
            }
            for name, operator in graph.operators.items()
        },
        "edges": [
            {"from": str(edge.source), "to": str(edge.target), "feedback": edge.feedback} for edge in graph.edges
        ],
        "deadlines": [
            {"name": spec.name, "on": spec.output, "since": spec.since, "within": _within(spec), "every": spec.every}
            for spec in graph.deadlines
        ],
    }


def mermaid(graph: Graph) -> str:
    """A Mermaid flowchart, left to right: sources rounded, deadlines and candidates in their operator's box."""
    ids = {name: f"n{index}" for index, name in enumerate(graph.operators)}
    lines = ["flowchart LR"]
    for name, operator in graph.operators.items():
        label = "<br/>".join(escape(line, quote=True) for line in [name, *_notes(graph, name)])
        left, right = ("([", "])") if isinstance(operator, Source) else ("[", "]")
        lines.append(f'  {ids[name]}{left}"{label}"{right}')
    for edge in graph.edges:
        arrow = "-.->" if edge.feedback else "-->"
        source, target = str(edge.source).rpartition(".")[0], str(edge.target).rpartition(".")[0]
        lines.append(f'  {ids[source]} {arrow}|"{escape(edge.source.type_.__name__)}"| {ids[target]}')
    for spec in graph.deadlines:
        if isinstance(spec.within, Output):
            policy = str(spec.within).rpartition(".")[0]
            lines.append(f'  {ids[policy]} -.->|"budget of {escape(spec.name)}"| {ids[spec.operator]}')
    return "\n".join(lines) + "\n"


class _Box(NamedTuple):
    name: str
    x: int
    y: int
    height: int


def svg(graph: Graph) -> str:
    """A drawing in columns by the longest way from a source; it follows the reader's light or dark setting."""
    boxes = _layout(graph)
    right = max(box.x for box in boxes.values()) + WIDTH + MARGIN
    bottom = max(box.y + box.height for box in boxes.values()) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right} {bottom}" width="{right}" height="{bottom}"'
        f' role="img" aria-label="{escape(graph.name, quote=True)}" font-family="system-ui" font-size="12">',
        "<style>.b{fill:#fff;stroke:#345}.s{fill:#e8f1fb;stroke:#345}.e{fill:none;stroke:#789}.f{stroke-dasharray:4 3}"
        "text{fill:#123}.n{font-size:10px;fill:#567}@media(prefers-color-scheme:dark){.b{fill:#1d2733;stroke:#9ab}"
        ".s{fill:#23364a;stroke:#9ab}text{fill:#e6edf3}.n{fill:#9ab}}</style>",
        '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#789"/></marker></defs>',
    ]
    for edge in graph.edges:
        source, target = (boxes[str(port).rpartition(".")[0]] for port in (edge.source, edge.target))
        parts.append(_arrow(source, target, f"{edge.source} → {edge.target}", edge.feedback))
    for spec in graph.deadlines:
        if isinstance(spec.within, Output):
            policy = boxes[str(spec.within).rpartition(".")[0]]
            parts.append(_arrow(policy, boxes[spec.operator], f"budget of {spec.name}", True))
    for name, box in boxes.items():
        parts.append(_drawn(graph, name, box))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _layout(graph: Graph) -> dict[str, _Box]:
    column: dict[str, int] = {}
    for name in graph.order():
        before = [str(s).rpartition(".")[0] for _, s in graph.writers(graph.operators[name])]
        column[name] = 1 + max((column.get(b, -1) for b in before), default=-1)
    boxes: dict[str, _Box] = {}
    filled: dict[int, int] = {}
    for name, x in column.items():
        y = filled.get(x, MARGIN)
        height = HEIGHT + LINE * max(0, len(_notes(graph, name)) - 1)
        boxes[name] = _Box(name, MARGIN + x * (WIDTH + GAP_X), y, height)
        filled[x] = y + height + GAP_Y
    tallest = max(filled.values())
    shift = {x: (tallest - end) // 2 for x, end in filled.items()}
    return {name: box._replace(y=box.y + shift[column[name]]) for name, box in boxes.items()}


def _arrow(source: _Box, target: _Box, title: str, dashed: bool) -> str:
    x0, y0 = source.x + WIDTH, source.y + source.height // 2
    x1, y1 = target.x, target.y + target.height // 2
    bend = max(40, abs(x1 - x0) // 2)
    kind = "e f" if dashed else "e"
    curve = f"M{x0} {y0}C{x0 + bend} {y0} {x1 - bend} {y1} {x1} {y1}"
    return f'<path class="{kind}" d="{curve}" marker-end="url(#a)"><title>{escape(title)}</title></path>'


def _drawn(graph: Graph, name: str, box: _Box) -> str:
    kind = "s" if isinstance(graph.operators[name], Source) else "b"
    middle = box.x + WIDTH // 2
    text = [f'<text x="{middle}" y="{box.y + 18}" text-anchor="middle">{escape(name)}</text>']
    for index, note in enumerate(_notes(graph, name)):
        y = box.y + 33 + index * LINE
        text.append(f'<text class="n" x="{middle}" y="{y}" text-anchor="middle">{escape(note)}</text>')
    shape = f'<rect class="{kind}" x="{box.x}" y="{box.y}" width="{WIDTH}" height="{box.height}" rx="6"/>'
    return f"<g>{shape}{''.join(text)}</g>"


def _notes(graph: Graph, name: str) -> list[str]:
    """What else there is to know of an operator: its deadlines, its other candidates, a source's period."""
    operator = graph.operators[name]
    notes = [f"every {format_duration(operator.period)}"] if isinstance(operator, Source) else []
    for spec in graph.deadlines:
        if spec.operator == name:
            since = f" since {spec.since}" if spec.since else ""
            notes.append(f"{'every' if spec.every else 'within'} {_within(spec)}{since}")
    candidates = [spec.name for spec in graph.candidates.get(name, [])]
    if candidates:
        notes.append("races " + ", ".join(candidates))
    return notes or [type(operator).__name__]


def _within(spec: DeadlineSpec) -> str:
    return str(spec.within) if isinstance(spec.within, Output) else format_duration(spec.within)
