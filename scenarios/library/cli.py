"""``skylane scenario``: what the library has, what a family draws, OpenSCENARIO in and out. Light to import."""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    help="The scenario library, and OpenSCENARIO in and out.", no_args_is_help=True, rich_markup_mode=None
)

Name = Annotated[str, typer.Argument(help="A family's name, or the path of a family file (.yaml).")]
Speed = Annotated[float | None, typer.Option("--speed", help="Of the ego, m/s; by default the family's own.")]
Seed = Annotated[int, typer.Option("--seed", min=0)]
Settings = Annotated[list[str] | None, typer.Option("--set", "-p", help="A parameter: name=value; repeatable.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command("list")
def list_(json: Json = False) -> None:
    """Every family: its name, its speeds, what happens."""
    from scenarios.library.loading import NAMES, family

    files = {name: family(name).file for name in NAMES}
    if json:
        rows = [
            {
                "name": name,
                "title": file.title,
                "source": file.source,
                "speed_mps": {"default": file.speed.default, "top": file.speed.top},
                "map": file.city.map if file.city is not None else file.map or "",
                "parameters": sorted(file.parameters),
            }
            for name, file in files.items()
        ]
        print(json_.dumps({"scenarios": rows}, indent=2))
        return
    width = max(len(name) for name in files)
    for name, file in files.items():
        speeds = f"{file.speed.default:g}" + (f"-{file.speed.top:g}" if file.speed.top > file.speed.default else "")
        print(f"{name:{width}}  {speeds:>8} m/s  {file.title}")


@app.command()
def show(name: Name, speed: Speed = None, seed: Seed = 0, settings: Settings = None, json: Json = False) -> None:
    """One family: where it comes from, its parameters, and who takes part with this seed."""
    from scenarios.library.loading import family

    one = family(name)
    speed_mps = one.file.speed.default if speed is None else speed
    scenario = one.scenario(speed_mps, seed, _numbers(settings))
    if json:
        print(json_.dumps(_plain(scenario), indent=2))
        return
    print(f"{scenario.title}\n{one.file.source}\n")
    print(f"speed {speed_mps:g} m/s, {scenario.duration_s:g} s, {scenario.end_s_m - scenario.ego_s_m:.0f} m to drive")
    for parameter, value in scenario.parameters.items():
        said = one.file.parameters[parameter]
        low, high = said.range or (float("-inf"), float("inf"))
        print(f"  {parameter:16} {value:10.3f} {said.unit:5} {low:g} to {high:g}  {said.about}".rstrip())
    print(_cast(scenario))


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="An OpenSCENARIO 1.x file (.xosc).")],
    ego: Annotated[str, typer.Option(help="Which entity is the ego; by default the one called Ego or hero.")] = "",
    settings: Settings = None,
    allow_unsupported: Annotated[
        bool, typer.Option("--allow-unsupported", help="Go on without what is not supported, and list it.")
    ] = False,
    json: Json = False,
) -> None:
    """Read an OpenSCENARIO file and say what it became; launch files name it in world.scenario."""
    from scenarios.openscenario.importing import read_openscenario

    given = {name: value for name, value in _pairs(settings)}
    found = read_openscenario(file, ego=ego, parameters=given, allow_unsupported=allow_unsupported)
    if json:
        print(json_.dumps({**_plain(found.scenario), "left_out": list(found.left_out)}, indent=2))
        return
    scenario = found.scenario
    way = scenario.end_s_m - scenario.ego_s_m
    print(f"{scenario.title}\nspeed {scenario.speed_mps:g} m/s, {scenario.duration_s:g} s, {way:.0f} m to drive")
    print(_cast(scenario))
    for line in found.left_out:
        print(f"left out: {line}")


@app.command()
def export(
    name: Name,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .xosc file; its map comes beside it.")],
    speed: Speed = None,
    seed: Seed = 0,
    settings: Settings = None,
) -> None:
    """Write a scenario as OpenSCENARIO 1.1 with its OpenDRIVE map."""
    from scenarios.library.loading import family
    from scenarios.openscenario.exporting import write_openscenario

    one = family(name)
    scenario = one.scenario(one.file.speed.default if speed is None else speed, seed, _numbers(settings))
    written = write_openscenario(scenario, output)
    print(f"{written.scenario}\n{written.map}")
    for line in written.left_out:
        print(f"left out: {line}")


@app.command()
def rehearse(
    name: Name,
    speed: Speed = None,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 10,
    json: Json = False,
) -> None:
    """Drive a family twice per seed, without pixels: never reacting, and braking as soon as anybody is in danger."""
    from scenarios.library.loading import family
    from scenarios.library.rehearsal import rehearse as drive

    one = family(name)
    speed_mps = one.file.speed.default if speed is None else speed
    rows = []
    for seed in range(seeds):
        scenario = one.scenario(speed_mps, seed, {})
        never, at_once = (drive(scenario, seed=seed, reacts=reacts) for reacts in (False, True))
        rows.append({"seed": seed, "never_brakes_mps": never.impact_speed_mps if never.collided else None,
                     "brakes_at_once_mps": at_once.impact_speed_mps if at_once.collided else None})  # fmt: skip
    if json:
        print(json_.dumps({"scenario": name, "speed_mps": speed_mps, "runs": rows}, indent=2))
        return
    for row in rows:
        words = [f"{value:.1f} m/s" if value is not None else "no collision" for value in list(row.values())[1:]]
        print(f"seed {row['seed']:3}: never brakes {words[0]:14} brakes at once {words[1]}")


def _pairs(settings: list[str] | None) -> list[tuple[str, str]]:
    pairs = []
    for setting in settings or []:
        name, equals, value = setting.partition("=")
        if not equals or not name.strip():
            raise typer.BadParameter(f"{setting!r}: write name=value, for example trigger_m=24")
        pairs.append((name.strip(), value.strip()))
    return pairs


def _numbers(settings: list[str] | None) -> dict[str, float]:
    found = {}
    for name, value in _pairs(settings):
        try:
            found[name] = float(value)
        except ValueError:
            raise typer.BadParameter(f"{name}={value!r} is no number") from None
    return found


def _plain(scenario: Any) -> dict[str, Any]:
    import msgspec

    # By way of JSON, which has no infinity: a trigger without a distance has null.
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(scenario))
    return plain


def _cast(scenario: Any) -> str:
    counts: dict[str, int] = {}
    for actor in scenario.actors:
        what = f"{actor.kind}, {type(actor.motion).__name__.lower()}s"
        counts[what] = counts.get(what, 0) + 1
    return "\n".join(f"  {count:3} x {what}" for what, count in sorted(counts.items()))
