"""Finds the runs in a folder and scores them: from their result.json where they were judged, else from their logs.

Decides which runs are routes of one evaluation and in which order; the score itself is ``leaderboard``'s.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pipeline.errors import InvalidRecord
from pipeline.recording import RESULT
from scenarios.metrics.leaderboard import RouteRun, driving_score, penalty, results, status

SENSORS = {
    "frame": "carla_camera",
    "points": "carla_lidar",
    "returns": "carla_radar",
    "fix": "carla_gnss",
    "sample": "carla_imu",
    "route": "carla_opendrive_map",
    "state": "carla_speedometer",
}
"""What the leaderboard calls the sensor behind a stream, by its port."""


class Scored(NamedTuple):
    """One run and where it lies, below the folder that was asked for."""

    name: str
    run: RouteRun
    sensors: tuple[str, ...] = ()
    """As the leaderboard calls them."""


def scored(folder: Path) -> list[Scored]:
    """Every run in ``folder`` and below, by path. Raises InvalidRecord if there is none or one cannot be read."""
    found: list[Scored] = []
    for place, result in _runs(folder):
        name = place.relative_to(folder).as_posix() if place != folder else str(result.get("name", place.name))
        ports = {str(stream).rpartition(".")[2] for stream in result.get("streams") or ()}
        sensors = tuple(icon for port, icon in SENSORS.items() if port in ports)
        found.append(Scored(name, _run(place, result, f"RouteScenario_{len(found)}_rep0"), sensors))
    if not found:
        hint = "name a folder that skylane run or skylane sweep has written"
        raise InvalidRecord("holds no run that drove", where=str(folder), hint=hint)
    return found


def results_of(runs: Sequence[Scored], version: str) -> dict[str, Any]:
    """The leaderboard's results file. Raises UsageError for an unknown version."""
    sensors = dict.fromkeys(icon for one in runs for icon in one.sensors)
    return results([one.run for one in runs], version, sensors=tuple(sensors))


def table(runs: Sequence[Scored], version: str) -> str:
    """The scores for people."""
    width = max(len(one.name) for one in runs)
    lines = [f"{'run':{width}}  {'score':>6}  {'route':>6}  {'penalty':>7}  status"]
    for name, run, _ in runs:
        left = penalty(run.infractions, version)
        points = driving_score(run, version)
        lines.append(f"{name:{width}}  {points:6.1f}  {run.completion_pct:6.1f}  {left:7.3f}  {status(run)}")
        lines += [f"{'':{width}}  {one.t_ns / 1e9:.2f} s: {one.message}" for one in run.infractions]
    mean = sum(driving_score(one.run, version) for one in runs) / len(runs)
    return "\n".join([*lines, f"{'mean':{width}}  {mean:6.1f}"])


def _runs(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Folders of single runs: those with a result.json that does not merely sum up others."""
    for path in sorted(folder.rglob(RESULT)):
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InvalidRecord(f"cannot be read: {error}", where=str(path)) from error
        if isinstance(result, dict) and "variants" not in result:
            yield path.parent, result


def _run(place: Path, result: dict[str, Any], route_id: str) -> RouteRun:
    judged = (result.get("metrics") or {}).get("route")
    if judged is None and not (place / "log.mcap").exists():
        what, hint = "was neither judged while it went on nor recorded", "run it again with skylane run"
        raise InvalidRecord(what, where=str(place), hint=hint)
    if judged is None:
        from scenarios.metrics.logged import judge_log

        run = judge_log(place, result, route_id=route_id).route
    else:
        try:
            run = msgspec.convert(judged, RouteRun)
        except msgspec.ValidationError as error:
            where = str(place / RESULT)
            raise InvalidRecord(f"metrics.route is not what this version writes: {error}", where=where) from error
    return msgspec.structs.replace(run, route_id=route_id, wall_s=float(result.get("wall_s") or 0.0))
