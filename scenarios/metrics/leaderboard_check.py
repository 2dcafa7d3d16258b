"""Says what is wrong with a leaderboard results file, field by field: layout, types, and whether the figures add up.

Reads plain JSON values; knows nothing of how they were made, so that files of the real leaderboard pass as well.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from scenarios.metrics.leaderboard import COLUMNS, KEYS, SCORES, global_record

STATUS = re.compile(r"Perfect|Completed|Failed( - .+)?")
ENTRIES = {"Started": False, "Finished": True, "Rejected": False, "Crashed": False, "Invalid": False}
TOLERANCE = 2e-3
"""Figures are written with three digits."""

RECORD = {
    "index": int,
    "route_id": str,
    "status": str,
    "num_infractions": int,
    "infractions": {key: list for key in KEYS},
    "scores": {key: float for key in SCORES},
    "meta": {"route_length": float, "duration_game": float, "duration_system": float},
}
GLOBAL = {
    "index": int,
    "route_id": int,
    "status": str,
    "infractions": {key: float for key in KEYS},
    "scores_mean": {key: float for key in SCORES},
    "scores_std_dev": {key: float for key in SCORES},
    "meta": {"total_length": float, "duration_game": float, "duration_system": float, "exceptions": list},
}
LAYOUT = {
    "_checkpoint": {"global_record": GLOBAL, "progress": list, "records": list},
    "entry_status": str,
    "eligible": bool,
    "sensors": list,
    "values": list,
    "labels": list,
}
WORDS = {int: "a whole number", float: "a number", str: "a string", list: "a list", bool: "true or false"}


def validate(results: Any) -> list[str]:
    """Everything that is wrong, ``field: what``; empty for a valid file."""
    found = [*_shape(results, LAYOUT, "")]
    if found:
        return found
    checkpoint = results["_checkpoint"]
    for i, record in enumerate(checkpoint["records"]):
        found += _shape(record, RECORD, f"_checkpoint.records[{i}]")
    return found or [*_figures(results)]


def _shape(value: Any, wanted: Any, path: str) -> Iterator[str]:
    if isinstance(wanted, Mapping):
        if not isinstance(value, dict):
            yield f"{path or 'file'}: is no object"
            return
        for key in wanted.keys() - value.keys():
            yield f"{_join(path, key)}: is missing"
        for key in value.keys() - wanted.keys():
            yield f"{_join(path, key)}: does not belong there"
        for key in wanted.keys() & value.keys():
            yield from _shape(value[key], wanted[key], _join(path, key))
        return
    fits = isinstance(value, (int, float) if wanted is float else wanted)
    if not fits or (isinstance(value, bool) and wanted is not bool):
        yield f"{path}: is {value!r}, not {WORDS[wanted]}"
    elif wanted is float and not math.isfinite(value):
        yield f"{path}: is not finite"


def _figures(results: dict[str, Any]) -> Iterator[str]:
    checkpoint = results["_checkpoint"]
    records, overall = checkpoint["records"], checkpoint["global_record"]
    for i, record in enumerate(records):
        yield from _record(record, i, f"_checkpoint.records[{i}]")
    if checkpoint["progress"] != [len(records), len(records)]:
        yield f"_checkpoint.progress: is {checkpoint['progress']}, not {len(records)} of {len(records)} routes"
    yield from _same(overall, global_record(records), "_checkpoint.global_record")
    if ENTRIES.get(results["entry_status"]) is not results["eligible"]:
        yield f"eligible: is {results['eligible']} with entry_status {results['entry_status']!r}"
    if results["labels"] != [label for label, _ in COLUMNS]:
        yield "labels: are not the leaderboard's"
    expected = {**overall["scores_mean"], **overall["infractions"]}
    if results["values"] != [str(expected[key]) for _, key in COLUMNS]:
        yield "values: are not those of the global record, as strings, in the order of the labels"


def _record(record: dict[str, Any], index: int, path: str) -> Iterator[str]:
    scores = record["scores"]
    if record["index"] != index:
        yield f"{path}.index: is {record['index']}, not {index}"
    if not re.fullmatch(r"[^_]+_\d+.*_rep\d+", record["route_id"]):
        yield f"{path}.route_id: {record['route_id']!r} is not like RouteScenario_1_rep0, by which records are sorted"
    if not STATUS.fullmatch(record["status"]):
        yield f"{path}.status: {record['status']!r} is none of Perfect, Completed, Failed, Failed - reason"
    count = sum(len(said) for said in record["infractions"].values())
    if record["num_infractions"] != count:
        yield f"{path}.num_infractions: is {record['num_infractions']}, but {count} are listed"
    if not (0.0 <= scores["score_route"] <= 100.0 and 0.0 <= scores["score_penalty"] <= 1.0):
        yield f"{path}.scores: are out of range"
    if abs(scores["score_composed"] - scores["score_route"] * scores["score_penalty"]) > 1e-4:
        yield f"{path}.scores.score_composed: is not route times penalty"
    reached = scores["score_route"] >= 100.0
    if record["status"] != "Failed" and not record["status"].startswith("Failed - "):
        if not reached or (record["status"] == "Perfect") != (count == 0):
            yield f"{path}.status: {record['status']} does not fit completion and infractions"
    elif reached and record["status"] == "Failed":
        yield f"{path}.status: is Failed without a reason, but the route was completed"


def _same(value: Any, expected: Any, path: str) -> Iterator[str]:
    if isinstance(expected, dict):
        for key in expected:
            yield from _same(value[key], expected[key], _join(path, key))
    elif isinstance(expected, float) or (isinstance(expected, int) and not isinstance(value, str)):
        if abs(value - expected) > TOLERANCE * max(1.0, abs(expected)):
            yield f"{path}: is {value}, but the records make {round(expected, 6)}"
    elif value != expected:
        yield f"{path}: is {value!r}, but the records make {expected!r}"


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
