"""Writes the shipped maps anew: ``python -m scenarios.maps.generate``. The same text every time."""

from __future__ import annotations

import sys
from pathlib import Path

from scenarios.maps.grid import grid
from scenarios.maps.motorway import motorway
from scenarios.maps.roads import curve, straight
from scenarios.maps.roundabout import roundabout

MAPS = {"straight": straight, "curve": curve, "grid": grid, "motorway": motorway, "roundabout": roundabout}


def main(folder: Path) -> None:
    """Writes every map into ``folder``."""
    for name, make in MAPS.items():
        (folder / f"{name}.xodr").write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
