"""A graph as Mermaid text, as a self-contained SVG, or as plain values; with types, deadlines and candidates."""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple

from pipeline.deadlines import DeadlineSpec
from pipeline.definition import Source
from pipeline.graph import Graph
from pipeline.ports import Output
from pipeline.timestamps import format_duration

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 150, 44, 64, 18, 16
LINE = 13
LANE = 4
"""Height that a stream takes where it passes a column of operators."""


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
    x: int
    y: int
    height: int

    @property
    def middle(self) -> int:
        return self.y + self.height // 2


class _Line(NamedTuple):
    """A stream from one operator to another, and whether it is dashed: fed back, or a budget."""

    source: str
    target: str
    title: str
    dashed: bool


def svg(graph: Graph) -> str:
    """A drawing in columns by the longest way from a source; it follows the reader's light or dark setting."""
    lines = _lines(graph)
    boxes, lanes = _layout(graph, lines)
    places = [*boxes.values(), *lanes.values()]
    right = max(box.x for box in places) + WIDTH + MARGIN
    bottom = max(box.y + box.height for box in places) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right} {bottom}" width="{right}" height="{bottom}"'
        f' role="img" aria-label="{escape(graph.name, quote=True)}" font-family="system-ui" font-size="12">',
        "<style>.b{fill:#fff;stroke:#345}.s{fill:#e8f1fb;stroke:#345}.e{fill:none;stroke:#789}.f{stroke-dasharray:4 3}"
        "text{fill:#123}.n{font-size:10px;fill:#567}@media(prefers-color-scheme:dark){.b{fill:#1d2733;stroke:#9ab}"
        ".s{fill:#23364a;stroke:#9ab}text{fill:#e6edf3}.n{fill:#9ab}}</style>",
        '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#789"/></marker></defs>',
    ]
    parts += [_drawn_line(line, boxes, lanes) for line in lines]
    parts += [_drawn_box(graph, name, box) for name, box in boxes.items()]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _lines(graph: Graph) -> list[_Line]:
    lines = [
        _Line(_owner(edge.source), _owner(edge.target), f"{edge.source} → {edge.target}", edge.feedback)
        for edge in graph.edges
    ]
    budgets = [spec for spec in graph.deadlines if isinstance(spec.within, Output)]
    return lines + [_Line(_owner(spec.within), spec.operator, f"budget of {spec.name}", True) for spec in budgets]


def _owner(port: object) -> str:
    return str(port).rpartition(".")[0]


def _layout(graph: Graph, lines: list[_Line]) -> tuple[dict[str, _Box], dict[tuple[str, int], _Box]]:
    """Each operator's box, and for every operator the lanes on which its streams pass columns that lie between."""
    column: dict[str, int] = {}
    for name in graph.order():
        before = [_owner(source) for _, source in graph.writers(graph.operators[name])]
        column[name] = 1 + max((column.get(b, -1) for b in before), default=-1)
    reach = {name: max([column[li.target] for li in lines if li.source == name], default=0) for name in column}
    filled: list[list[tuple[float, str, bool]]] = [[] for _ in range(max(column.values()) + 1)]
    rank: dict[str, float] = {}
    """Where, from the top, an operator's streams run in the column before: neighbours there stay neighbours."""
    for x, members in enumerate(filled):
        for name, own in column.items():
            if own == x:
                above = [rank[li.source] for li in lines if li.target == name and li.source in rank]
                members.append((sum(above) / len(above) if above else float(len(members)), name, True))
            elif own < x < reach[name]:
                members.append((rank[name], name, False))
        members.sort(key=lambda member: member[0])
        rank |= {name: float(position) for position, (_, name, _) in enumerate(members)}
    boxes: dict[str, _Box] = {}
    lanes: dict[tuple[str, int], _Box] = {}
    height = {name: HEIGHT + LINE * max(0, len(_notes(graph, name)) - 1) for name in column}
    tall = [sum((height[name] if box else LANE) + GAP_Y for _, name, box in members) for members in filled]
    for x, members in enumerate(filled):
        y = MARGIN + (max(tall) - tall[x]) // 2
        for _, name, is_box in members:
            place = _Box(MARGIN + x * (WIDTH + GAP_X), y, height[name] if is_box else LANE)
            if is_box:
                boxes[name] = place
            else:
                lanes[name, x] = place
            y += place.height + GAP_Y
    return boxes, lanes


def _drawn_line(line: _Line, boxes: dict[str, _Box], lanes: dict[tuple[str, int], _Box]) -> str:
    source, target = boxes[line.source], boxes[line.target]
    between = [box for (name, _), box in lanes.items() if name == line.source and source.x < box.x < target.x]
    curve = f"M{source.x + WIDTH} {source.middle}"
    x, y = source.x + WIDTH, source.middle
    for box in between:
        curve += _bend(x, y, box.x, box.middle) + f"H{box.x + WIDTH}"
        x, y = box.x + WIDTH, box.middle
    curve += _bend(x, y, target.x, target.middle)
    kind = "e f" if line.dashed else "e"
    return f'<path class="{kind}" d="{curve}" marker-end="url(#a)"><title>{escape(line.title)}</title></path>'


def _bend(x0: int, y0: int, x1: int, y1: int) -> str:
    bend = max(40, abs(x1 - x0) // 2)
    return f"C{x0 + bend} {y0} {x1 - bend} {y1} {x1} {y1}"


def _drawn_box(graph: Graph, name: str, box: _Box) -> str:
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
            notes.append(f"{'every' if spec.every else 'within'} {_within(spec)}")
            notes += [f"since {spec.since}"] if spec.since else []
    candidates = [spec.name for spec in graph.candidates.get(name, [])]
    if candidates:
        notes.append("races " + ", ".join(candidates))
    return notes or [type(operator).__name__]


def _within(spec: DeadlineSpec) -> str:
    return str(spec.within) if isinstance(spec.within, Output) else format_duration(spec.within)
