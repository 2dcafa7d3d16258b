"""How long a Frenet plan takes at Pylot's resolution, over seeded street scenes. The caller brings the clock."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from operators.geometry.frenet import ReferenceLine
from operators.messages import EgoState, Obstacle, Prediction, Predictions, Route
from operators.planning.frenet import plan


def street(rng: np.random.Generator, obstacles: int) -> tuple[EgoState, Route, Predictions]:
    """A gently curved road, an ego in it, and road users around: parked, driving and crossing."""
    s = np.arange(0.0, 200.0, 1.0)
    bend = rng.uniform(-0.005, 0.005)
    yaw = bend * s
    x, y = np.cumsum(np.cos(yaw)), np.cumsum(np.sin(yaw))
    route = Route(x_m=x, y_m=y, width_left_m=5.0, width_right_m=1.0, speed_limit_mps=float(rng.uniform(8.0, 15.0)))
    k = 20
    ego = EgoState(
        x_m=float(x[k]),
        y_m=float(y[k] + rng.uniform(-0.3, 0.3)),
        yaw_rad=float(yaw[k]),
        speed_mps=float(rng.uniform(0.0, 14.0)),
    )
    ahead = (np.arange(15) + 1.0)[:, None] * 0.2
    items = []
    for track_id in range(obstacles):
        at, side = int(rng.integers(k + 8, 110)), float(rng.uniform(-7.0, 8.0))
        person = rng.random() < 0.5
        velocity = rng.normal(0.0, 1.5, 2) if person else np.array([rng.choice([0.0, 6.0]), 0.0])
        position = np.array([x[at], y[at] + side])
        obstacle = Obstacle(
            track_id=track_id,
            label="pedestrian" if person else "vehicle",
            score=1.0,
            x_m=float(position[0]),
            y_m=float(position[1]),
            length_m=0.5 if person else 4.5,
            width_m=0.6 if person else 1.9,
        )
        items.append(Prediction(obstacle=obstacle, path_m=position + ahead * velocity))
    return ego, route, Predictions(items=tuple(items), step_s=0.2)


def benchmark(
    timer_ns: Callable[[], int], *, scenes: int = 200, obstacles: int = 10, seed: int = 0
) -> dict[str, float]:
    """Milliseconds for a full-grid plan (mean, p50, p95, p99, max) and the share of scenes with an emergency stop."""
    rng = np.random.default_rng(seed)
    cases = [street(rng, obstacles) for _ in range(scenes)]
    lines = [ReferenceLine.along(route) for _, route, _ in cases]  # A route outlives many plans.
    for case in cases[:3]:
        list(plan(*case))
    took, stopped = [], 0
    for case, line in zip(cases, lines, strict=True):
        start = timer_ns()
        *_, last = plan(*case, line=line)
        took.append((timer_ns() - start) * 1e-6)
        stopped += last.trajectory.reason == "brake"
    quantiles = np.quantile(took, [0.5, 0.95, 0.99])
    names = ("frenet_ms_p50", "frenet_ms_p95", "frenet_ms_p99")
    return {
        "frenet_ms_mean": float(np.mean(took)),
        **{name: float(value) for name, value in zip(names, quantiles, strict=True)},
        "frenet_ms_max": float(np.max(took)),
        "emergency_share": stopped / scenes,
    }
