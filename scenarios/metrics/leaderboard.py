"""The driving score of CARLA Leaderboard 2.0 and 2.1, and its results file field by field.

Decides what infractions cost and how routes add up; which there are, ``rules`` finds.
Source: carla-simulator/leaderboard, branches leaderboard-2.0 and leaderboard-2.1; leaderboard.carla.org/evaluation_v2_1
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pipeline.errors import UsageError
from scenarios.metrics import rules
from scenarios.metrics.rules import Infraction

VERSIONS = ("2.0", "2.1")

FACTORS: Mapping[str, float] = {
    rules.PEDESTRIAN: 0.50,
    rules.VEHICLE: 0.60,
    rules.LAYOUT: 0.65,
    rules.RED_LIGHT: 0.70,
    rules.STOP_SIGN: 0.80,
    rules.SCENARIO_TIMEOUT: 0.70,
    rules.YIELD_EMERGENCY: 0.70,
    rules.MIN_SPEED: 0.70,
}
"""2.0: every infraction multiplies the score by this; too slow, by as much of it as the speed was missing."""
WEIGHTS: Mapping[str, float] = {
    rules.PEDESTRIAN: 1.00,
    rules.VEHICLE: 0.70,
    rules.LAYOUT: 0.60,
    rules.RED_LIGHT: 0.40,
    rules.STOP_SIGN: 0.25,
    rules.SCENARIO_TIMEOUT: 0.40,
    rules.YIELD_EMERGENCY: 0.40,
    rules.MIN_SPEED: 0.40,
}
"""2.1: every infraction adds this to the divisor of the score; too slow, as much of it as the speed was missing."""

KEYS = (
    rules.LAYOUT,
    rules.PEDESTRIAN,
    rules.VEHICLE,
    rules.RED_LIGHT,
    rules.STOP_SIGN,
    rules.OUTSIDE_LANES,
    rules.MIN_SPEED,
    rules.YIELD_EMERGENCY,
    rules.SCENARIO_TIMEOUT,
    rules.DEVIATION,
    rules.BLOCKED,
    rules.ROUTE_TIMEOUT,
)
"""Keys of ``infractions``, in the order of the results file."""
SCORES = ("score_route", "score_penalty", "score_composed")
COLUMNS: tuple[tuple[str, str], ...] = (
    ("Avg. driving score", "score_composed"),
    ("Avg. route completion", "score_route"),
    ("Avg. infraction penalty", "score_penalty"),
    ("Collisions with pedestrians", rules.PEDESTRIAN),
    ("Collisions with vehicles", rules.VEHICLE),
    ("Collisions with layout", rules.LAYOUT),
    ("Red lights infractions", rules.RED_LIGHT),
    ("Stop sign infractions", rules.STOP_SIGN),
    ("Off-road infractions", rules.OUTSIDE_LANES),
    ("Route deviations", rules.DEVIATION),
    ("Route timeouts", rules.ROUTE_TIMEOUT),
    ("Agent blocked", rules.BLOCKED),
    ("Yield emergency vehicles infractions", rules.YIELD_EMERGENCY),
    ("Scenario timeouts", rules.SCENARIO_TIMEOUT),
    ("Min speed infractions", rules.MIN_SPEED),
)
"""Label and where its value comes from, in the order of ``labels`` and ``values``."""
FAILURES = (
    (rules.BLOCKED, "Agent got blocked"),
    (rules.DEVIATION, "Agent deviated from the route"),
    (rules.ROUTE_TIMEOUT, "Agent timed out"),
)
"""What a route that was not completed says of why; the first that applies."""
DIGITS, SCORE_DIGITS = 3, 6
LEAST_KM = 0.001


class RouteRun(msgspec.Struct, frozen=True, kw_only=True):
    """One route as it was driven: all that the score needs."""

    route_id: str
    length_m: float
    completion_pct: float
    duration_s: float
    wall_s: float = 0.0
    infractions: tuple[Infraction, ...] = ()
    crashed: str = ""
    """Why the evaluation itself broke off, as the leaderboard words it; empty if it did not."""


def penalty(infractions: Sequence[Infraction], version: str = "2.1") -> float:
    """What is left of the score, in (0, 1]. Raises UsageError for a version that there is not."""
    if version not in VERSIONS:
        raise UsageError(f"there is no leaderboard {version!r}", hint=f"use one of {', '.join(VERSIONS)}")
    inside, product, added = 1.0, 1.0, 0.0
    for one in infractions:
        missing = 1.0 if one.percentage is None else 1.0 - one.percentage / 100.0
        if one.kind == rules.OUTSIDE_LANES:
            inside *= missing
        elif one.kind in WEIGHTS:
            product *= 1.0 - (1.0 - FACTORS[one.kind]) * missing
            added += WEIGHTS[one.kind] * missing
    return inside * (product if version == "2.0" else 1.0 / (1.0 + added))


def driving_score(run: RouteRun, version: str = "2.1") -> float:
    """Completion (percent) times penalty."""
    return max(0.0, run.completion_pct * penalty(run.infractions, version))


def status(run: RouteRun) -> str:
    """``Perfect``, ``Completed`` or ``Failed`` with its reason."""
    if run.completion_pct >= 100.0 and not run.crashed:
        return "Completed" if run.infractions else "Perfect"
    kinds = {one.kind for one in run.infractions}
    reason = run.crashed or next((words for kind, words in FAILURES if kind in kinds), "")
    return f"Failed - {reason}" if reason else "Failed"


def route_record(run: RouteRun, index: int, version: str = "2.1") -> dict[str, Any]:
    """One entry of ``_checkpoint.records``."""
    left = penalty(run.infractions, version)
    found: dict[str, list[str]] = {key: [] for key in KEYS}
    for one in run.infractions:
        found[one.kind].append(one.message)
    return {
        "index": index,
        "route_id": run.route_id,
        "status": status(run),
        "num_infractions": len(run.infractions),
        "infractions": found,
        "scores": {
            "score_route": round(run.completion_pct, SCORE_DIGITS),
            "score_penalty": round(left, SCORE_DIGITS),
            "score_composed": round(max(0.0, run.completion_pct * left), SCORE_DIGITS),
        },
        "meta": {
            "route_length": round(run.length_m, DIGITS),
            "duration_game": round(run.duration_s, DIGITS),
            "duration_system": round(run.wall_s, DIGITS),
        },
    }


def results(runs: Sequence[RouteRun], version: str = "2.1", *, sensors: Sequence[str] = ()) -> dict[str, Any]:
    """The whole results file of these routes, all of them finished."""
    records = [route_record(run, index, version) for index, run in enumerate(runs)]
    overall = global_record(records)
    values = {**overall["scores_mean"], **overall["infractions"]}
    entry = _entry_status(records)
    return {
        "_checkpoint": {"global_record": overall, "progress": [len(runs), len(runs)], "records": records},
        "entry_status": entry,
        "eligible": entry == "Finished",
        "sensors": list(sensors),
        "values": [str(values[key]) for _, key in COLUMNS],
        "labels": [label for label, _ in COLUMNS],
    }


def global_record(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over routes, spread, and infractions per kilometre driven; kilometres outside the lanes as they are."""
    count = len(records)
    mean, spread = {}, {}
    for key in ("score_composed", "score_route", "score_penalty"):
        values = [record["scores"][key] for record in records]
        mean[key] = round(sum(values) / count, SCORE_DIGITS) if count else 0.0
        squares = sum((value - mean[key]) ** 2 for value in values)
        spread[key] = round(math.sqrt(squares / (count - 1)), DIGITS) if count > 1 else 0
    km = sum(r["meta"]["route_length"] / 1000.0 * r["scores"]["score_route"] / 100.0 for r in records)
    infractions: dict[str, float] = {}
    for key in KEYS:
        if key == rules.OUTSIDE_LANES:
            infractions[key] = round(sum(_outside_km(record) for record in records), DIGITS)
        else:
            infractions[key] = round(sum(len(r["infractions"][key]) for r in records) / max(km, LEAST_KM), DIGITS)
    failed = [record for record in records if record["status"].startswith("Failed")]
    perfect = all(record["status"] == "Perfect" for record in records)
    return {
        "index": -1,
        "route_id": -1,
        "status": "Failed" if failed else "Perfect" if perfect else "Completed",
        "infractions": infractions,
        "scores_mean": mean,
        "scores_std_dev": spread,
        "meta": {
            "total_length": sum(record["meta"]["route_length"] for record in records),
            "duration_game": sum(record["meta"]["duration_game"] for record in records),
            "duration_system": sum(record["meta"]["duration_system"] for record in records),
            "exceptions": [[record["route_id"], record["index"], record["status"]] for record in failed],
        },
    }


def _outside_km(record: dict[str, Any]) -> float:
    """From the message, which is the only place that has it: its ninth word are metres."""
    said = record["infractions"][rules.OUTSIDE_LANES]
    return float(said[0].split(" ")[8]) / 1000.0 if said else 0.0


def _entry_status(records: Sequence[dict[str, Any]]) -> str:
    if any("Agent's sensors were invalid" in record["status"] for record in records):
        return "Rejected"
    return "Crashed" if any("Simulation crashed" in record["status"] for record in records) else "Finished"
