"""``skylane graph``: check a launch file by building it, and draw the graph."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pipeline import drawing
from pipeline.building import build
from pipeline.errors import SkylaneError, UsageError
from pipeline.graph import Graph
from pipeline.launchfile import resolve
from pipeline.suggestions import suggest


def _as_json(graph: Graph) -> str:
    return json.dumps(drawing.plain(graph), indent=2) + "\n"


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
