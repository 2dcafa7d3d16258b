"""The kinds of road users as SUMO's vehicle types."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from operators.messages import EgoSize
from scenarios.scenario import KINDS
from scenarios.sumo.network import cache_folder

CLASSES = {
    "truck": "truck", "trailer": "trailer", "bus": "bus", "motorcycle": "motorcycle", "cyclist": "bicycle",
}  # fmt: skip
"""SUMO's vehicle class gives acceleration, braking and following; all others drive as passenger cars."""
EGO = "ego"


def types_file(ego: EgoSize) -> Path:
    """A file with a type for every kind and one for the ego; written once."""
    rows = [_row(name, kind.length_m, kind.width_m, kind.height_m) for name, kind in KINDS.items()]
    text = "\n".join(["<additional>", *rows, _row(EGO, ego.length_m, ego.width_m, 1.5), "</additional>", ""])
    file = cache_folder() / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.types.xml"
    if not file.is_file():
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, encoding="utf-8") as part:
            part.write(text)
        os.replace(part.name, file)
    return file


def _row(name: str, length_m: float, width_m: float, height_m: float) -> str:
    class_ = CLASSES.get(name, "passenger")
    return f'<vType id="{name}" vClass="{class_}" length="{length_m}" width="{width_m}" height="{height_m}"/>'
