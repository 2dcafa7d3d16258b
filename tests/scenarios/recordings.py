"""Small made-up drives as recorded runs: a person stands 20 m ahead, is seen after half a second, the car brakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from operators.messages import (
    Box,
    CameraFrame,
    CameraModel,
    ControlCommand,
    Detection,
    Detections,
    EgoState,
    Obstacle,
    Obstacles,
    Route,
    Track,
    Tracks,
    Trajectory,
)
from pipeline.events import Armed, Event, Missed, Sent
from pipeline.recording import Recorder

MS = 1_000_000
PERSON_X_M = 20.0
SEEN_NS, KNOWN_NS, BRAKE_NS = 500 * MS, 520 * MS, 600 * MS
LATENCY_NS = 100 * MS
BUDGET_NS = 250 * MS
IMPACT_MPS = 3.25


def speed_mps(at_ns: int, decel_mps2: float) -> float:
    """10 m/s until the brake command, then straight down."""
    return max(0.0, 10.0 - decel_mps2 * max(0, at_ns - BRAKE_NS) / 1e9)


def record(
    folder: Path, *, collided: bool = False, pixels: bool = True, length_ms: int = 2000, misses: tuple[int, ...] = ()
) -> Path:
    """Write ``folder``'s log.mcap and result.json: a stop 4 m before the person, or a contact at the end."""
    folder.mkdir(parents=True)
    decel = 4.0 if collided else 8.0
    events = [*_sensed(length_ms, decel, pixels), *_thought(length_ms)]
    events += [Missed(at, "plan", at - BUDGET_NS, "end-to-end", BUDGET_NS, BUDGET_NS, (), "deadline") for at in misses]
    with Recorder(folder / "log.mcap") as recorder:
        for event in sorted(events, key=lambda event: event.at):
            recorder.on_event(event)
    outcome: dict[str, Any] = {"collided": collided, "collided_with": "pedestrian" if collided else ""}
    outcome |= {"impact_speed_mps": IMPACT_MPS if collided else 0.0, "stopped_gap_m": None if collided else 4.0}
    result = {"name": folder.name, "title": "A person", "outcome": outcome, "duration_s": length_ms / 1e3}
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    return folder


def sent(stream: str, at: int, origin: int, value: object) -> Sent:
    """One committed value."""
    return Sent(at, stream.partition(".")[0], origin, stream, origin, "final", "local", value)


def _sensed(length_ms: int, decel_mps2: float, pixels: bool) -> list[Event]:
    shape = (360, 640, 3) if pixels else (0, 0, 3)
    events: list[Event] = [sent("route.route", 0, 0, _route())]
    x = 0.0
    for ms in range(0, length_ms + 1, 10):
        at = ms * MS
        speed = speed_mps(at, decel_mps2)
        events.append(sent("ego.state", at, at, EgoState(x_m=x, y_m=0.0, yaw_rad=0.0, speed_mps=speed)))
        braking = at >= BRAKE_NS
        command = ControlCommand(throttle=0.0 if braking else 0.2, brake=0.8 if braking else 0.0, steer_rad=0.0)
        events.append(sent("gate.command_out", at, at, command))
        if ms % 50 == 0:
            frame = CameraFrame(rgb=np.full(shape, 90, np.uint8), camera=CameraModel(), captured_ns=at)
            events.append(sent("camera.frame", at, at, frame))
        x += speed * 0.01
    return events


def _thought(length_ms: int) -> list[Event]:
    events: list[Event] = []
    for origin in range(0, length_ms * MS - LATENCY_NS, 100 * MS):
        at, seen = origin + LATENCY_NS, origin + LATENCY_NS >= SEEN_NS
        box = Box(x0_px=300.0, y0_px=150.0, x1_px=330.0, y1_px=230.0)
        found = (Detection(label="pedestrian", score=0.9, box=box),) if seen else ()
        events.append(sent("detect.detections", at, origin, Detections(items=found, model="medium")))
        track = Track(track_id=7, label="pedestrian", score=0.9, box=box, hits=1, missed=0)
        events.append(sent("track.tracks", at + 10 * MS, origin, Tracks(items=(track,) if seen else ())))
        person = Obstacle(track_id=7, label="pedestrian", score=0.9, x_m=PERSON_X_M, y_m=0.0, length_m=0.5, width_m=0.6)
        events.append(sent("locate.obstacles", at + 20 * MS, origin, Obstacles(items=(person,) if seen else ())))
        events.append(Armed(at + 30 * MS, "plan", origin, "end-to-end", origin + BUDGET_NS))
        events.append(sent("plan.trajectory", at + 40 * MS, origin, _trajectory(origin / 1e8)))
    return events


def _trajectory(x_m: float) -> Trajectory:
    time_s = np.arange(0.0, 2.01, 0.2)
    flat = np.zeros_like(time_s)
    return Trajectory(
        time_s=time_s, x_m=x_m + 8.0 * time_s - 2.0 * time_s**2, y_m=flat, yaw_rad=flat, speed_mps=8.0 - 4.0 * time_s
    )


def _route() -> Route:
    x = np.arange(-20.0, 100.0, 1.0)
    return Route(x_m=x, y_m=np.zeros_like(x), width_left_m=1.5, width_right_m=1.0, speed_limit_mps=13.9)
