"""``skylane graph``: check a launch file by building it, and draw the graph."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.building import build
from pipeline.errors import SkylaneError, UsageError
from pipeline.graph import Graph
from pipeline.launchfile import resolve
from pipeline.ports import Output
from pipeline.report import drawing
from pipeline.suggestions import suggest
from pipeline.timestamps import format_duration


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
            {
                "name": spec.name,
                "on": spec.output,
                "since": spec.since,
                "within": str(spec.within) if isinstance(spec.within, Output) else format_duration(spec.within),
                "every": spec.every,
            }
            for spec in graph.deadlines
        ],
    }


def _as_json(graph: Graph) -> str:
    return json.dumps(plain(graph), indent=2) + "\n"


FORMATS = {"svg": drawing.svg, "mermaid": drawing.mermaid, "json": _as_json}
ENDINGS = {".svg": "svg", ".json": "json"}


def draw(path: str, overrides: Sequence[str], variant: str | None, form: str | None, out: Path | None) -> None:
    """Draw one variant (the first without a choice) to ``out`` or standard output."""
    if form is None:
        form = ENDINGS.get(out.suffix, "mermaid") if out is not None else "mermaid"
    if form not in FORMATS:
        raise UsageError(f"there is no format {form!r}", where="--format", hint=suggest(form, FORMATS))
    launch = resolve(path, overrides)
    built = build(launch, next(iter(launch.variants)) if variant is None else variant)
    text = FORMATS[form](built.graph)
    if out is None:
        print(text, end="")
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SkylaneError(f"cannot be written: {error.strerror}", where=str(out)) from error
    print(out)
