"""A person steps out from behind a parked truck. Braking early enough depends on how soon the car reacts.

Source: Pylot's and D3's scenario of that name (truck 110 m ahead, 2.75 m/s, released at 26 m, drive on for 180 m).
"""

from __future__ import annotations

import math

import numpy as np

from scenarios.library import drawn
from scenarios.scenario import Actor, Scenario, Trigger, Walk
from scenarios.world.roads import Road, Segment

NAME = "person_behind_truck"
TRUCK_S_M, TRUCK_D_M = 110.0, -5.05
PERSON_S_M, PERSON_D_M = 116.2, -5.6
TRIGGER_M, WALK_MPS = 26.0, 2.75
LEAD_S = 5.0
"""Time from the start to the release at constant speed."""


def scenario(speed_mps: float, seed: int, **parameters: float) -> Scenario:
    """The ego starts about 5 s before the person is released; the parameters are in ``Scenario.parameters``."""
    rng = np.random.default_rng([seed, 101])
    draws = {
        "trigger_m": trigger_for(speed_mps) + float(rng.uniform(-0.5, 0.5)),
        "walk_mps": WALK_MPS + float(rng.uniform(-0.1, 0.1)),
        "pause_s": 2.0,
        "person_s_m": PERSON_S_M + float(rng.uniform(-0.15, 0.15)),
        "truck_s_m": TRUCK_S_M + float(rng.uniform(-0.1, 0.1)),
        "start_s_m": PERSON_S_M - trigger_for(speed_mps) - LEAD_S * speed_mps + float(rng.uniform(-3.0, 3.0)),
    }
    values = drawn(NAME, draws, parameters)
    road = Road(segments=(Segment(320.0),))
    person = Actor(
        id=1,
        kind="pedestrian",
        s_m=values["person_s_m"],
        d_m=PERSON_D_M,
        scale=float(rng.uniform(0.97, 1.05)),
        colour=(172, 58, 46),
        second_colour=(44, 50, 66),
        motion=Walk(
            path=((values["person_s_m"], road.own_lane_m + 0.2), (values["person_s_m"], 8.0)),
            pause_s=values["pause_s"],
            speed_mps=values["walk_mps"],
            trigger=Trigger(ego_within_m=values["trigger_m"]),
        ),
    )
    truck = Actor(
        id=2, kind="truck", s_m=values["truck_s_m"], d_m=TRUCK_D_M, colour=(222, 222, 216), second_colour=(158, 62, 50)
    )
    return Scenario(
        name=NAME,
        title="A person steps out from behind a truck",
        duration_s=12.0,
        speed_mps=speed_mps,
        road=road,
        ego_s_m=values["start_s_m"],
        end_s_m=180.0,
        actors=(person, truck, *_surroundings(rng)),
        width_left_m=1.5,
        width_right_m=1.0,
        scenery_seed=int(rng.integers(1 << 30)),
        parameters=values,
    )


def trigger_for(speed_mps: float) -> float:
    """26 m up to 12 m/s; faster traffic is met earlier, or nobody could stop in time."""
    return TRIGGER_M + 1.9 * max(0.0, speed_mps - 12.0)


def _surroundings(rng: np.random.Generator) -> list[Actor]:
    paints = ((58, 66, 78), (132, 30, 32), (188, 190, 192), (34, 60, 104), (92, 104, 96), (214, 210, 200))
    kinds = ("car", "estate", "mini", "suv", "car", "van")
    actors, number = [], 10
    for side, stations in ((-1.0, (52.0, 62.0, 86.0, 134.0, 148.0, 176.0)), (1.0, (40.0, 74.0, 92.0, 122.0, 156.0))):
        for station in stations:
            paint = paints[int(rng.integers(len(paints)))]
            actors.append(
                Actor(
                    id=number,
                    kind=kinds[int(rng.integers(len(kinds)))],
                    s_m=station + float(rng.uniform(-1.5, 1.5)),
                    d_m=side * (4.75 + float(rng.uniform(-0.08, 0.08))),
                    heading_rad=0.0 if side < 0.0 else math.pi,
                    colour=paint,
                )
            )
            number += 1
    for station, d, way in ((70.0, -7.4, 60.0), (104.0, 7.9, -60.0), (140.0, -8.2, -60.0), (150.0, 7.3, 60.0)):
        start = station + float(rng.uniform(-8.0, 8.0))
        coat = tuple(int(v) for v in rng.integers(50, 170, 3))
        actors.append(
            Actor(
                id=number,
                kind="pedestrian",
                s_m=start,
                d_m=d,
                colour=(coat[0], coat[1], coat[2]),
                second_colour=(60, 62, 70),
                motion=Walk(path=((start + way, d),), speed_mps=float(rng.uniform(1.1, 1.6))),
            )
        )
        number += 1
    return actors
