"""Judges a drive from its log alone: what the car said of itself, its route and its pedals, and how it ended.

The log holds no truth about others, so perception and gaps cannot be told; ``judge`` tells them while the run goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from operators.messages import ControlCommand, EgoState, Route
from pipeline.errors import InvalidRecord
from pipeline.runlog import LoggedMessage, RunLog
from scenarios.metrics.drive import DriveMetrics, judge
from scenarios.metrics.journal import Journal
from scenarios.metrics.perception import Said
from scenarios.world.records import COLLISION, Incident, Snapshot


def judge_log(folder: Path, result: dict[str, Any], *, route_id: str) -> DriveMetrics:
    """Judge the run in ``folder``, whose result.json says ``result``. Raises InvalidRecord where no car drove."""
    log = RunLog(folder)
    journal = Journal(sights=False)
    for said in _messages(log, "ego.state"):
        journal.take(_alone(said.at, msgspec.convert(said.value, EgoState)))
    if not len(journal):
        raise InvalidRecord("no car drove in this run: it has no stream ego.state", where=str(log.path))
    journal.route = next(_routes(log), None)
    outcome = result.get("outcome") or {}
    progress, driven = outcome.get("progress"), outcome.get("distance_m")
    if progress and driven:
        journal.length_m = driven / progress
    if outcome.get("collided"):
        journal.incidents = (_contact(journal, outcome),)
    pedals = [
        Said(said.t, said.at, said.origin, msgspec.convert(said.value, ControlCommand))
        for said in _messages(log, "gate.command_out")
    ]
    return judge(journal, {"commands": pedals}, route_id=route_id)


def _messages(log: RunLog, stream: str) -> Iterator[LoggedMessage]:
    """Of the stream of that name, else of the first one from a port of that name."""
    usual, port = "/" + stream.replace(".", "/"), stream.partition(".")[2]
    topics = log.topics()
    topic = usual if usual in topics else next((name for name in topics if name.endswith("/" + port)), usual)
    return log.messages(topic)


def _routes(log: RunLog) -> Iterator[Route]:
    for said in _messages(log, "route.route"):
        value = said.value
        if isinstance(value.get("x_m"), list) and isinstance(value.get("y_m"), list):  # not too long to be logged
            limits = value.get("limits_mps")
            yield Route(
                x_m=np.array(value["x_m"], np.float64),
                y_m=np.array(value["y_m"], np.float64),
                width_left_m=value["width_left_m"],
                width_right_m=value["width_right_m"],
                speed_limit_mps=value["speed_limit_mps"],
                limits_mps=np.array(limits, np.float64) if isinstance(limits, list) else None,
            )


def _alone(t_ns: int, ego: EgoState) -> Snapshot:
    none = np.zeros(0)
    return Snapshot(
        t_ns=t_ns,
        ego=ego,
        ego_s_m=0.0,
        ego_d_m=0.0,
        ids=np.zeros(0, np.int64),
        labels=(),
        kinds=(),
        x_m=none,
        y_m=none,
        yaw_rad=none,
        speed_x_mps=none,
        speed_y_mps=none,
        length_m=none,
        width_m=none,
        height_m=none,
    )


def _contact(journal: Journal, outcome: dict[str, Any]) -> Incident:
    t_ns, last = int(journal.t_ns[-1]), journal.ego[-1]
    return Incident(
        kind=COLLISION,
        t_ns=t_ns,
        x_m=float(last[1]),
        y_m=float(last[2]),
        s_m=0.0,
        speed_mps=float(last[4]),
        with_label=str(outcome.get("collided_with", "")),
        with_kind=str(outcome.get("collided_with", "")),
        impact_speed_mps=float(outcome.get("impact_speed_mps") or 0.0),
    )
