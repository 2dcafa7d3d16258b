"""How many pictures a second the embedded world draws on this machine: ``fps(width, height, seconds)``.

Measures rgb, depth, classes and instances of a street with 20 cars and 10 people, every pose new in every picture.
The driving itself is not in the time. A device: reads the wall clock.
"""

from __future__ import annotations

import time

from operators.messages import CameraModel
from scenarios.library import load
from scenarios.world.world import World

PICTURE_NS = 50_000_000
LAP_S = 8.0
"""After this much of the world's time the drive starts over, so that every run sees the same pictures."""


def fps(width: int, height: int, seconds: float) -> float:
    """Pictures per second over at least ``seconds`` of drawing with one thread; compilation and set-up not counted."""
    focal = 0.5 * width
    camera = CameraModel(
        width_px=width, height_px=height, fx_px=focal, fy_px=focal, cx_px=0.5 * width, cy_px=0.5 * height
    )
    scenario = load("street", 8.0, 1)
    world = World(scenario, seed=1, camera=camera)
    world.render()
    drawn, spent = 0, 0.0
    while spent < seconds:
        if world.finished or world.now_ns >= LAP_S * 1e9:
            world = World(scenario, seed=1, camera=camera)
            world.render()
        world.advance(world.now_ns + PICTURE_NS)
        start = time.perf_counter()
        world.render()
        spent += time.perf_counter() - start
        drawn += 1
    return drawn / spent
