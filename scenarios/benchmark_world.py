"""How many pictures a second the embedded world draws on this machine: ``fps(width, height, seconds, scene)``.

Measures rgb, depth, classes and instances, every pose new in every picture. The driving itself is not in the time, and
neither is what other programs took of the core: the figure is per second of one core's time. Reads that clock.
"""

from __future__ import annotations

import time

import msgspec

from operators.messages import CameraModel
from scenarios.library.loading import load
from scenarios.scenario import Scenario, Weather
from scenarios.world.world import World

PICTURE_NS = 50_000_000
LAP_S = 8.0
"""After this much of the world's time the drive starts over, so that every run sees the same pictures."""
SCENES = ("street", "full", "city")
"""A street with 20 cars and 10 people; the same with shadow map, texture noise and fog; a town's map with 20 vehicles
and 10 people."""


def fps(width: int, height: int, seconds: float, scene: str = "street") -> float:
    """Pictures per second over at least ``seconds`` of drawing with one thread; compilation and set-up not counted."""
    assert scene in SCENES
    focal = 0.5 * width
    camera = CameraModel(
        width_px=width, height_px=height, fx_px=focal, fy_px=focal, cx_px=0.5 * width, cy_px=0.5 * height
    )
    scenario = scenario_of(scene)
    world = World(scenario, seed=1, camera=camera)
    world.render()
    drawn, spent = 0, 0.0
    while spent < seconds:
        if world.finished or world.now_ns >= LAP_S * 1e9:
            world = World(scenario, seed=1, camera=camera)
            world.render()
        world.advance(world.now_ns + PICTURE_NS)
        start = time.thread_time()
        world.render()
        spent += time.thread_time() - start
        drawn += 1
    return drawn / spent


def scenario_of(scene: str) -> Scenario:
    """What is drawn for one of ``SCENES``."""
    if scene == "city":
        from scenarios.city import city

        return city(
            "grid", 1, length_m=400.0, cars=14, trucks=2, buses=2, motorcycles=0, cyclists=2, pedestrians=10,
            speed_mps=8.0,
        )  # fmt: skip
    street = load("street", 8.0, 1)
    if scene == "street":
        return street
    return msgspec.structs.replace(street, weather=Weather(shadow_map=True, fog_m=600.0))
