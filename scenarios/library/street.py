"""A busy street without an incident: parked and driving cars, people on the pavements; for benchmarks."""

from __future__ import annotations

import math

import numpy as np

from scenarios.library import drawn
from scenarios.scenario import KINDS, Actor, Colour, Drive, Scenario, Stand, Walk
from scenarios.world.roads import Road, Segment

NAME = "street"
PAINTS: tuple[Colour, ...] = (
    (58, 62, 68), (36, 37, 41), (186, 189, 192), (222, 223, 220), (132, 30, 32), (32, 58, 104), (92, 104, 96),
    (140, 142, 144), (104, 92, 78), (60, 82, 64), (168, 60, 40), (84, 112, 140),
)  # fmt: skip
COATS: tuple[Colour, ...] = ((150, 52, 44), (52, 70, 108), (70, 96, 70), (178, 164, 138), (48, 48, 54), (122, 96, 60))


def scenario(speed_mps: float, seed: int, **parameters: float) -> Scenario:
    """``cars`` vehicles, half of them driving, and ``people`` walkers, over the 150 m ahead of the ego."""
    rng = np.random.default_rng([seed, 303])
    values = drawn(NAME, {"cars": 20.0, "people": 10.0, "duration_s": 60.0}, parameters)
    road = Road(segments=(Segment(900.0),))
    actors = _vehicles(rng, road, int(values["cars"]), speed_mps)
    actors += _people(rng, road, int(values["people"]), len(actors))
    return Scenario(
        name=NAME,
        title="A busy street",
        duration_s=values["duration_s"],
        speed_mps=speed_mps,
        road=road,
        ego_s_m=40.0,
        end_s_m=400.0,
        scenery_s_m=(10.0, 400.0),
        actors=tuple(actors),
        scenery_seed=int(rng.integers(1 << 30)),
        parameters=values,
    )


def _vehicles(rng: np.random.Generator, road: Road, count: int, speed_mps: float) -> list[Actor]:
    kinds = ("car", "estate", "suv", "mini", "van", "car", "truck")
    strip = road.lane_width_m + 0.5 * road.parking_m
    lines = ((-strip, 0.0), (strip, math.pi), (-road.own_lane_m, math.pi), (road.own_lane_m, 0.0))
    next_s = {line: 50.0 + float(rng.uniform(0.0, 6.0)) for line, _ in lines}
    next_s[road.own_lane_m] = 62.0
    actors: list[Actor] = []
    for number in range(1, count + 1):
        line, heading = lines[(number - 1) % 4]
        parked = abs(line) > road.lane_width_m
        kind = kinds[int(rng.integers(len(kinds)))]
        length = KINDS[kind].length_m
        s = next_s[line] + 0.5 * length
        next_s[line] = s + 0.5 * length + float(rng.uniform(1.5, 14.0) if parked else rng.uniform(9.0, 22.0))
        actors.append(
            Actor(
                id=number,
                kind=kind,
                s_m=s,
                d_m=line + float(rng.uniform(-0.08, 0.08)),
                heading_rad=heading,
                colour=PAINTS[int(rng.integers(len(PAINTS)))],
                second_colour=PAINTS[int(rng.integers(len(PAINTS)))],
                motion=Stand() if parked else Drive(speed_mps=max(3.0, speed_mps)),
            )
        )
    return actors


def _people(rng: np.random.Generator, road: Road, count: int, taken: int) -> list[Actor]:
    actors = []
    for k in range(count):
        side, way = (-1.0 if k % 2 else 1.0), float(rng.choice([-1.0, 1.0]))
        s = 52.0 + 120.0 * (k + float(rng.random())) / max(1, count)
        d = side * (road.kerb_m + float(rng.uniform(1.3, road.pavement_m - 0.4)))
        coat = COATS[int(rng.integers(len(COATS)))]
        actors.append(
            Actor(
                id=taken + k + 1,
                kind="pedestrian",
                s_m=s,
                d_m=d,
                scale=float(rng.uniform(0.92, 1.08)),
                colour=coat,
                second_colour=(50, 54, 68),
                motion=Walk(path=((s + 200.0 * way, d),), speed_mps=float(rng.uniform(1.0, 1.7))),
            )
        )
    return actors
