"""A graph as Mermaid text or as a self-contained SVG: layers, streams with their types, deadlines, candidates.

Decides the layers (longest way), the ways of streams and how everything looks; ``layout`` places it.
"""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple

from pipeline.deadlines import DeadlineSpec
from pipeline.definition import Source
from pipeline.graph import LOCAL, Graph
from pipeline.ports import Output
from pipeline.report.layout import Cell, join, place_rows, sort_rows
from pipeline.timestamps import format_duration

MARGIN, GAP_Y, LANE, STUB = 20.0, 68.0, 16.0, 20.0
TITLE, ROW, PAD = 40.0, 19.0, 9.0
"""Height of a box's name and type, of each line below them, and of the space around candidates."""
GUTTER = 176.0
"""Width of one end-to-end deadline at the left."""

STYLE = """
.sk{font-family:system-ui,-apple-system,"Segoe UI",sans-serif;font-size:11px;fill:#5b6670}
.sk .paper{fill:#fff}.sk .name{font-size:13.5px;font-weight:600;fill:#1b1f24}.sk .box{fill:#f7f9fa;stroke:#8795a1}
.sk .source{fill:#e5f0fa;stroke:#4477aa}.sk .sink{fill:#edf3e8;stroke:#55803c}
.sk .candidate{fill:#fff;stroke:#b5bfc7}.sk .remote{stroke:#aa3377;stroke-dasharray:4 3}
.sk .stream{fill:none;stroke:#93a0ab;stroke-width:1.4}.sk .tip{fill:#93a0ab}.sk .halo{stroke:#fff}
.sk .back{stroke-dasharray:5 4}.sk .budget{fill:none;stroke:#b4540a;stroke-width:1.4;stroke-dasharray:5 4}
.sk .due{fill:#b4540a}.sk .bracket{fill:none;stroke:#b4540a;stroke-dasharray:2 4}.sk .text{fill:#3d4852}
.sk .halo{paint-order:stroke;stroke-width:4px;stroke-linejoin:round}
@media (prefers-color-scheme:dark){.sk{fill:#9aa5ae}.sk .paper{fill:#1b1f23}.sk .name{fill:#eceff1}
.sk .box{fill:#252b31;stroke:#77848f}.sk .source{fill:#1d3147;stroke:#6ba3d6}.sk .sink{fill:#24321f;stroke:#86b36c}
.sk .candidate{fill:#1b1f23;stroke:#56616b}.sk .remote{stroke:#d67bb0}.sk .stream{stroke:#6f7c87}.sk .tip{fill:#6f7c87}
.sk .halo{stroke:#1b1f23}.sk .due{fill:#f0a35c}.sk .budget,.sk .bracket{stroke:#f0a35c}.sk .text{fill:#c9d1d8}}
"""


def mermaid(graph: Graph) -> str:
    """A Mermaid flowchart: sources rounded, candidates in their operator's box, deadlines and budgets dashed."""
    ids = {name: f"n{index}" for index, name in enumerate(graph.operators)}
    lines = ["flowchart TB"]
    for name, operator in graph.operators.items():
        rows = [name, _kind(operator), *(_candidate_text(*row) for row in _candidates(graph, name))]
        rows += [_due(spec) for spec in graph.deadlines if spec.operator == name and spec.since is None]
        label = "<br/>".join(escape(row, quote=True) for row in rows)
        left, right = ("([", "])") if isinstance(operator, Source) else ("[", "]")
        lines.append(f'  {ids[name]}{left}"{label}"{right}')
    for edge in graph.edges:
        arrow = "-.->" if edge.feedback else "-->"
        label = escape(f"{edge.source.name}: {edge.source.type_.__name__}", quote=True)
        lines.append(f'  {ids[_owner(edge.source)]} {arrow}|"{label}"| {ids[_owner(edge.target)]}')
    for spec in graph.deadlines:
        if isinstance(spec.within, Output):
            label = escape(f"budget of {spec.name}", quote=True)
            lines.append(f'  {ids[_owner(spec.within)]} -.->|"{label}"| {ids[spec.operator]}')
        if spec.since is not None:
            label = escape(_due(spec), quote=True)
            lines.append(f'  {ids[_owner(spec.since)]} -. "{label}" .-> {ids[spec.operator]}')
    return "\n".join(lines) + "\n"


def svg(graph: Graph) -> str:
    """A drawing that needs nothing else and follows the reader's light or dark setting."""
    if not graph.operators:
        return _page(graph.name, 240.0, 60.0, ['<text x="20" y="34">no operators yet</text>'])
    plan = _Plan(graph)
    plan.arrange()
    parts = [_bracket(plan, index, spec) for index, spec in enumerate(plan.end_to_end)]
    parts += [_stream(plan, wire) for wire in plan.wires]
    parts += [_box(plan, name) for name in graph.operators]
    parts += [_label(plan, name) for name in graph.operators]
    return _page(graph.name, plan.width, plan.height, parts)


def _page(title: str, width: float, height: float, parts: list[str]) -> str:
    arrows = "".join(
        f'<marker id="sk-{kind}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path class="{kind}" d="M0 .6L8 4L0 7.4z"/></marker>'
        for kind in ("tip", "due")
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="sk" viewBox="0 0 {width:.0f} {height:.0f}"'
        f' width="{width:.0f}" height="{height:.0f}" role="img" aria-label="{escape(title, quote=True)}">'
    )
    paper = f'<rect class="paper" width="{width:.0f}" height="{height:.0f}" rx="8"/>'
    return "\n".join([head, f"<style>{STYLE}</style><defs>{arrows}</defs>", paper, *parts, "</svg>"]) + "\n"


class _Wire(NamedTuple):
    """One edge, or a policy's budget on its way to a deadline."""

    output: str
    target: str
    title: str
    kind: str
    """stream | budget"""
    back: bool
    """It runs against the layers and goes round the right side."""
    fed_back: bool

    @property
    def source(self) -> str:
        return _owner(self.output)


class _Plan:
    """Who stands where."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.layer = _layers(graph)
        self.wires = self._find_wires()
        self.end_to_end = [spec for spec in graph.deadlines if spec.since is not None]
        self.boxes = {name: Cell(name, _width(graph, name), _height(graph, name), True) for name in graph.operators}
        for output in self._outputs():
            box = self.boxes[_owner(output)]
            box.reach = max(box.reach, self.out_x(output) - box.x + 7 + _wide(_stream_text(output)))
        self.lanes: dict[tuple[str, str, int], Cell] = {}
        self.rows: list[list[Cell]] = [[] for _ in range(1 + max(self.layer.values()))]
        for name in graph.order():
            self.rows[self.layer[name]].append(self.boxes[name])
        for wire in self.wires:
            self._thread(wire)
        self.width = self.height = 0.0

    def arrange(self) -> None:
        """Order the layers for few crossings, then place everything near what it is connected to."""
        sort_rows(self.rows)
        place_rows(self.rows)
        left = MARGIN + GUTTER * len(self.end_to_end)
        shift = left - min(cell.x - cell.width / 2 for row in self.rows for cell in row)
        y = MARGIN
        for row in self.rows:
            tall = max(cell.height for cell in row)
            for cell in row:
                cell.x, cell.y = cell.x + shift, y
                cell.height = cell.height if cell.is_box else tall
            y += tall + GAP_Y
        right = max(cell.x + cell.width / 2 for row in self.rows for cell in row)
        labels = max((self.out_x(o) + 8 + _wide(_stream_text(o)) for o in self._outputs()), default=0.0)
        back = sum(wire.back for wire in self.wires)
        self.right = max(right, labels)
        self.width, self.height = self.right + back * LANE + MARGIN, y - GAP_Y + MARGIN + (STUB if back else 0)

    def row_bottom(self, name: str) -> float:
        """Where the space below an operator's layer begins."""
        row = self.rows[self.layer[name]]
        return max(cell.y + cell.height for cell in row)

    def out_x(self, output: Output[Any]) -> float:
        """Where a stream leaves its operator."""
        assert output.owner is not None
        names = [port.name for port in output.owner.outputs()]
        box = self.boxes[output.owner.name]
        return box.x + box.width * ((names.index(output.name) + 1) / (len(names) + 1) - 0.5)

    def way(self, wire: _Wire) -> list[Cell]:
        """The lanes that a stream takes to its target."""
        between = range(self.layer[wire.source] + 1, self.layer[wire.target])
        return [self.lanes[wire.output, wire.kind, layer] for layer in between]

    def in_x(self, wire: _Wire) -> float:
        """Where a stream enters its operator: side by side, in the order in which they come."""
        box = self.boxes[wire.target]
        come = [other for other in self.wires if other.target == wire.target]
        come.sort(key=lambda other: (other.back, self._before(other)))
        return box.x + box.width * ((come.index(wire) + 1) / (len(come) + 1) - 0.5)

    def start_x(self, wire: _Wire) -> float:
        """Where a wire leaves its operator."""
        return next(self.out_x(o) for o in self.graph.operators[wire.source].outputs() if str(o) == wire.output)

    def _before(self, wire: _Wire) -> float:
        way = [] if wire.back else self.way(wire)
        return way[-1].x if way else self.start_x(wire)

    def _outputs(self) -> list[Output[Any]]:
        return [output for operator in self.graph.operators.values() for output in operator.outputs()]

    def _find_wires(self) -> list[_Wire]:
        found = []
        for edge in self.graph.edges:
            title = f"{edge.source} → {edge.target}: {edge.source.type_.__name__}, {edge.target.join.kind.value}"
            found.append((str(edge.source), _owner(edge.target), title, "stream", edge.feedback))
        for spec in self.graph.deadlines:
            if isinstance(spec.within, Output):
                title = f"{spec.within} sets the budget of {spec.name}"
                found.append((str(spec.within), spec.operator, title, "budget", False))
        return [
            _Wire(output, target, title, kind, self.layer[_owner(output)] >= self.layer[target], fed_back)
            for output, target, title, kind, fed_back in found
        ]

    def _thread(self, wire: _Wire) -> None:
        """Connect the cells of a stream that runs with the layers; streams of one output share their lanes."""
        if wire.back:
            return
        before = self.boxes[wire.source]
        for layer in range(self.layer[wire.source] + 1, self.layer[wire.target]):
            key = (wire.output, wire.kind, layer)
            if key not in self.lanes:
                self.lanes[key] = Cell(f"{wire.output} {wire.kind}", LANE, 0.0, False)
                self.rows[layer].append(self.lanes[key])
                join(before, self.lanes[key])
            before = self.lanes[key]
        join(before, self.boxes[wire.target])


def _layers(graph: Graph) -> dict[str, int]:
    """By the longest way from a source; a policy above what it sets a budget for, sources right above their readers."""
    edges = [(_owner(edge.source), _owner(edge.target)) for edge in graph.edges if not edge.feedback]
    budgets = [(_owner(spec.within), spec.operator) for spec in graph.deadlines if isinstance(spec.within, Output)]
    order = graph.order()
    layer = _longest_ways(order, edges + budgets) or _longest_ways(order, edges)
    for name in order:
        readers = [layer[target] for source, target in edges if source == name]
        if readers and not any(target == name for _, target in edges):
            layer[name] = min(readers) - 1
    return layer


def _longest_ways(names: list[str], edges: list[tuple[str, str]]) -> dict[str, int]:
    """Layer of each name; empty when the edges close a cycle: a policy may read what its deadline ends."""
    layer = dict.fromkeys(names, 0)
    for _ in names:
        before = dict(layer)
        for source, target in edges:
            layer[target] = max(layer[target], layer[source] + 1)
        if layer == before:
            return layer
    return {}


def _stream(plan: _Plan, wire: _Wire) -> str:
    source, target = plan.boxes[wire.source], plan.boxes[wire.target]
    x, y, to_x, to_y = plan.start_x(wire), source.y + source.height, plan.in_x(wire), target.y
    if wire.back:
        number = [other for other in plan.wires if other.back].index(wire) + 1
        low, high, side = plan.row_bottom(wire.source) + STUB + 6, target.y - LANE, plan.right + number * LANE
        curve = f"M{x:.1f} {y:.1f}V{low:.1f}H{side:.1f}V{high:.1f}H{to_x:.1f}V{to_y:.1f}"
    else:
        curve, y = f"M{x:.1f} {y:.1f}v{STUB:.1f}", y + STUB
        for lane in plan.way(wire):
            curve += _bend(x, y, lane.x, lane.y) + f"V{lane.y + lane.height:.1f}"
            x, y = lane.x, lane.y + lane.height
        curve += _bend(x, y, to_x, to_y)
    kind, tip = ("budget", "due") if wire.kind == "budget" else ("stream", "tip")
    kind += " back" if wire.fed_back else ""
    return (
        f'<path class="{kind}" d="{curve}" stroke-linejoin="round" marker-end="url(#sk-{tip})">'
        f"<title>{escape(wire.title)}</title></path>"
    )


def _bend(x0: float, y0: float, x1: float, y1: float) -> str:
    half = max(14.0, (y1 - y0) * 0.5)
    return f"C{x0:.1f} {y0 + half:.1f} {x1:.1f} {y1 - half:.1f} {x1:.1f} {y1:.1f}"


def _bracket(plan: _Plan, index: int, spec: DeadlineSpec) -> str:
    """An end-to-end deadline: a dashed bracket at the left from the stream that starts it to the one that ends it."""
    first, last = plan.boxes[_owner(spec.since)], plan.boxes[spec.operator]
    x, top, bottom = MARGIN + (index + 1) * GUTTER - 34, first.y + 14 + 8 * index, last.y + 14 + 8 * index
    line = f"M{first.x:.1f} {top:.1f}H{x:.1f}V{bottom:.1f}H{last.x - last.width / 2:.1f}"
    rows = [f'<tspan class="name">{escape(_short(spec.name, 19))}</tspan>', escape(f"since {spec.since}")]
    rows += [escape(f"within {_within(spec)}")]
    rows += [escape(f"static {format_duration(spec.static)}")] if spec.static else []
    rows += [escape(f"a miss: {spec.policy.value}")]
    y = (top + bottom) / 2 - 8 * len(rows) + 10
    text = "".join(
        f'<text class="text" x="{x - 10:.1f}" y="{y + 16 * i:.1f}" text-anchor="end">{row}</text>'
        for i, row in enumerate(rows)
    )
    return (
        f'<g><path class="bracket" d="{line}" marker-end="url(#sk-due)"/>{text}<title>{escape(_due(spec))}</title></g>'
    )


def _box(plan: _Plan, name: str) -> str:
    graph, box = plan.graph, plan.boxes[name]
    operator = graph.operators[name]
    left, top, middle = box.x - box.width / 2, box.y, box.x
    title = escape(_short(name, 28))
    kind = "source" if isinstance(operator, Source) else "box" if operator.outputs() else "sink"
    parts = [
        f'<rect class="{kind}" x="{left:.1f}" y="{top:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
        f' rx="{14 if kind == "source" else 7}"/>',
        f'<g text-anchor="middle"><text class="name" x="{middle:.1f}" y="{top + 18:.1f}">{title}</text>'
        f'<text x="{middle:.1f}" y="{top + 32:.1f}">{escape(_short(_kind(operator), 32))}</text></g>',
    ]
    y = top + TITLE
    for text in map(escape, _badges(graph, name)):
        parts.append(f'<circle class="due" cx="{left + 14:.1f}" cy="{y + 7:.1f}" r="3.5"/>')
        parts.append(f'<text class="due" x="{left + 23:.1f}" y="{y + 11:.1f}">{text}</text>')
        y += ROW
    for other, note, remote in _candidates(graph, name):
        text = escape(_candidate_text(other, note))
        kind = "candidate remote" if remote else "candidate"
        parts.append(
            f'<rect class="{kind}" x="{left + PAD:.1f}" y="{y:.1f}" width="{box.width - 2 * PAD:.1f}"'
            f' height="{ROW - 3:.1f}" rx="4"/>'
            f'<text class="text" x="{left + PAD + 7:.1f}" y="{y + 12:.1f}">{text}</text>'
        )
        y += ROW
    return f"<g>{''.join(parts)}<title>{escape(f'{name}: {type(operator).__name__}')}</title></g>"


def _label(plan: _Plan, name: str) -> str:
    box = plan.boxes[name]
    return "".join(
        f'<text class="halo" x="{plan.out_x(output) + 7:.1f}" y="{box.y + box.height + 15:.1f}">'
        f"{escape(_stream_text(output))}</text>"
        for output in plan.graph.operators[name].outputs()
    )


def _width(graph: Graph, name: str) -> float:
    rows = _badges(graph, name) + [_candidate_text(*row) for row in _candidates(graph, name)]
    text = max([_wide(_short(_kind(graph.operators[name]), 32)), *(_wide(row) + 10 for row in rows)])
    outputs = graph.operators[name].outputs()
    beneath = max((_wide(_stream_text(output)) + 16 for output in outputs), default=0.0) * (len(outputs) + 1)
    return max(116.0, beneath if len(outputs) > 1 else 0.0, _wide(_short(name, 28)) * 1.3 + 24, text + 2 * PAD + 12)


def _height(graph: Graph, name: str) -> float:
    rows = len(_badges(graph, name)) + len(_candidates(graph, name))
    return TITLE + rows * ROW + (PAD - 3 if rows else 0)


def _wide(text: str) -> float:
    return 5.9 * len(text)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _owner(port: object) -> str:
    return str(port).rpartition(".")[0]


def _kind(operator: Any) -> str:
    name = type(operator).__name__
    return f"{name}, every {format_duration(operator.period)}" if isinstance(operator, Source) else name


def _stream_text(output: Output[Any]) -> str:
    type_ = output.type_.__name__
    return type_ if type_.lower() == output.name.lower() else f"{output.name}: {type_}"


def _badges(graph: Graph, name: str) -> list[str]:
    """What an operator's deadlines are, in a few words each."""
    found = [f"starts {_short(spec.name, 24)}" for spec in graph.deadlines if spec.since and _owner(spec.since) == name]
    for spec in graph.deadlines:
        if spec.operator == name and spec.since is not None:
            found.append(f"ends {_short(spec.name, 24)}")
        elif spec.operator == name:
            found.append(f"{'every' if spec.every else 'within'} {_within(spec)}")
    return found


def _candidates(graph: Graph, name: str) -> list[tuple[str, str, bool]]:
    """(name, what is declared of it, remote) of an operator's candidates, itself first; none when it is alone."""
    found = []
    for spec in sorted(graph.candidates.get(name, []), key=lambda spec: spec.rank):
        notes = [f"rank {spec.rank}"]
        notes += [f"≤ {format_duration(spec.within)}"] if spec.within else []
        notes += [f"after {spec.after}"] if spec.after else []
        found.append((spec.name, ", ".join([*notes, *(["remote"] if spec.remote else [])]), spec.remote))
    return [(LOCAL, "rank 0", False), *found] if found else []


def _candidate_text(name: str, note: str, remote: bool = False) -> str:
    return f"{name} · {note}"


def _due(spec: DeadlineSpec) -> str:
    start = f" of {spec.since}" if spec.since else ""
    return f"{spec.name}: {spec.output} {'every' if spec.every else 'within'} {_within(spec)}{start}"


def _within(spec: DeadlineSpec) -> str:
    return str(spec.within) if isinstance(spec.within, Output) else format_duration(spec.within)
