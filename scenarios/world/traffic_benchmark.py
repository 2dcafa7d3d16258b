"""How fast the world runs without pixels: traffic, ego and judges of a town with fifty other road users.

``skylane bench`` calls it with its clock; what is measured is one core's time.
"""

from __future__ import annotations

from collections.abc import Callable

from operators.messages import ControlCommand
from scenarios.city import city
from scenarios.world.world import World

Clock = Callable[[], int]

PIECE_S = 5
PIECES = 8


def traffic(*, timer_ns: Clock) -> dict[str, float]:
    """Simulated seconds per second of computing, the best of ``PIECES`` pieces of ``PIECE_S`` s, and ms a second."""
    figures = {}
    for users, name in ((50, "50"), (30, "30")):
        share = speedup(users, timer_ns)
        figures[f"times_real_time_{name}_users"] = round(share, 1)
        figures[f"ms_per_second_{name}_users"] = round(1000.0 / share, 2)
    return figures


def speedup(users: int, timer_ns: Clock) -> float:
    """How many times faster than the clock a town with so many other road users runs."""
    feet, wheels = users // 4, users - users // 4
    scenario = city(
        "grid", 3, length_m=3000.0, cars=wheels - 9, pedestrians=feet, trucks=2, buses=2, motorcycles=2, cyclists=3
    )
    world = World(scenario, seed=0, pixels=False)
    world.apply(ControlCommand(throttle=0.0, brake=1.0, steer_rad=0.0))
    world.advance(2_000_000_000)
    best = 0.0
    for _ in range(PIECES):
        begin, end = timer_ns(), world.now_ns + PIECE_S * 1_000_000_000
        world.advance(end)
        best = max(best, PIECE_S * 1e9 / max(1, timer_ns() - begin))
    return best
