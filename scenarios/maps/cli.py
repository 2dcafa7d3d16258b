"""``skylane map``: what is in an OpenDRIVE file, and how it looks. Light to import: the work is elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from operators.maps.roadmap import RoadMap

app = typer.Typer(help="Look at OpenDRIVE maps: info, draw.", no_args_is_help=True, rich_markup_mode=None)

MapName = Annotated[str, typer.Argument(help="OpenDRIVE file, or the name of a shipped map.", show_default=False)]


@app.command()
def info(
    file: MapName, as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False
) -> None:
    """Say what a map holds."""
    import json

    found = summary(load(file))
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        if isinstance(value, dict):
            value = ", ".join(f"{count} {label}" for label, count in value.items()) or "none"
        elif isinstance(value, list):
            value = " ".join(str(one) for one in value) or "none"
        print(f"{name:<14} {value}")


@app.command()
def draw(
    file: MapName,
    out: Annotated[Path, typer.Option("--out", "-o", help="SVG or PNG to write.")] = Path("map.svg"),
    pixels: Annotated[int, typer.Option(min=64, max=8192, help="Longer side of a PNG.")] = 1600,
) -> None:
    """Draw a map from above."""
    from operators.maps.drawing import picture, svg
    from pipeline.errors import UsageError

    ending = out.suffix.lower()
    if ending not in (".svg", ".png"):
        raise UsageError(f"{out} is neither .svg nor .png", hint="write for example -o map.svg")
    found = load(file)
    data = svg(found).encode() if ending == ".svg" else picture(found, pixels)
    try:
        out.write_bytes(data)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}", hint="name another file with -o") from None
    print(out)


def load(name: str) -> RoadMap:
    """The map in a file, or the shipped one of that name. Raises UsageError."""
    from scenarios.maps import shipped

    return shipped(name)


def summary(map_: RoadMap) -> dict[str, Any]:
    """The figures that ``info`` prints; JSON-ready."""
    from collections import Counter

    lanes = list(map_.lanes.values())
    description = map_.description
    driving = [lane for lane in lanes if lane.kind == "driving"]
    return {
        "name": map_.name,
        "opendrive": description.version,
        "roads": len(description.roads),
        "lanes": len(lanes),
        "lane_kinds": dict(sorted(Counter(lane.kind for lane in lanes).items())),
        "junctions": len(map_.junctions),
        "length_km": round(map_.length_km, 3),
        "lane_km": round(sum(lane.length_m for lane in driving) / 1000.0, 3),
        "signals": len(map_.signals),
        "signal_kinds": dict(sorted(Counter(signal.kind for signal in map_.signals).items())),
        "controllers": len(map_.controllers),
        "crosswalks": len(map_.crosswalks),
        "speed_limits_mps": sorted(
            {round(float(limit), 2) for lane in driving for limit in set(lane.limits_mps.tolist())}
        ),
        "bounds_m": [round(value, 2) for value in map_.bounds],
        "left_hand": any(road.left_hand for road in description.roads.values()),
        "notes": list(map_.notes),
    }
