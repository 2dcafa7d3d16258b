"""A standing queue in the own lane, just behind a right-hand bend; a parked truck hides its tail until late.

Source: Pylot's and D3's "traffic jam" (truck at the roadside 75 m ahead; motorcycle, mini and van standing in the own
lane; four cars in the oncoming lane; the ego must come to a stop behind).
"""

from __future__ import annotations

import math

import numpy as np

from scenarios.library import drawn
from scenarios.scenario import Actor, Colour, Drive, Scenario, Stand, Trigger, Walk
from scenarios.world.roads import Road, Segment

NAME = "traffic_jam"
BEND_S_M, BEND_M, RADIUS_M = 62.0, 60.0, 60.0
TRUCK_S_M, TAIL_S_M = 88.5, 103.0
LEAD_S = 5.0
"""Time at constant speed from the start until ``REACTION_M`` before the tail."""
REACTION_M = 26.0


def scenario(speed_mps: float, seed: int, **parameters: float) -> Scenario:
    """The ego starts so that the tail of the queue comes into view after about 5 s."""
    rng = np.random.default_rng([seed, 202])
    draws = {
        "truck_s_m": TRUCK_S_M + float(rng.uniform(-1.0, 1.0)),
        "tail_s_m": TAIL_S_M + float(rng.uniform(-1.5, 1.5)),
        "gap_m": float(rng.uniform(1.6, 2.6)),
        "start_s_m": TAIL_S_M - REACTION_M - LEAD_S * speed_mps + float(rng.uniform(-2.0, 2.0)),
    }
    values = drawn(NAME, draws, parameters)
    road = Road(segments=(Segment(BEND_S_M), Segment(BEND_M, -1.0 / RADIUS_M), Segment(260.0)), speed_limit_mps=13.9)
    truck = Actor(
        id=5, kind="truck", s_m=values["truck_s_m"], d_m=-4.9, colour=(214, 214, 208), second_colour=(50, 84, 120)
    )
    return Scenario(
        name=NAME,
        title="A traffic jam behind a truck",
        duration_s=12.0,
        speed_mps=speed_mps,
        road=road,
        ego_s_m=values["start_s_m"],
        end_s_m=values["tail_s_m"] + 60.0,
        actors=(*_queue(values, road), truck, *_oncoming(rng, road, values["tail_s_m"]), *_parked(rng), *_people(rng)),
        width_left_m=1.5,
        width_right_m=1.0,
        scenery_seed=int(rng.integers(1 << 30)),
        sun_azimuth_rad=2.0,
        sun_elevation_rad=0.95,
        parameters=values,
    )


def _queue(values: dict[str, float], road: Road) -> list[Actor]:
    """From the tail forward: motorcycle, mini, van, then a car whose driver waits too."""
    waiting: tuple[tuple[str, float, Colour], ...] = (
        ("motorcycle", 2.1, (44, 110, 62)),
        ("mini", 3.7, (178, 44, 36)),
        ("van", 5.1, (70, 112, 138)),
        ("car", 4.5, (66, 70, 76)),
    )
    actors, s = [], values["tail_s_m"]
    for number, (kind, length, colour) in enumerate(waiting, 1):
        d = road.own_lane_m + (0.15 if kind == "motorcycle" else 0.0)
        actors.append(
            Actor(
                id=number,
                kind=kind,
                s_m=s + 0.5 * length,
                d_m=d,
                colour=colour,
                second_colour=(48, 50, 58),
                motion=Stand(True),
            )
        )
        s += length + values["gap_m"]
    return actors


def _oncoming(rng: np.random.Generator, road: Road, tail_s_m: float) -> list[Actor]:
    """Four cars that creep past, 5 m apart."""
    kinds, paints = ("car", "suv", "estate", "car"), ((32, 58, 104), (206, 204, 198), (92, 30, 34), (120, 126, 130))
    actors = []
    for k in range(4):
        s = tail_s_m + 4.0 + 9.6 * k + float(rng.uniform(-0.3, 0.3))
        actors.append(
            Actor(
                id=6 + k,
                kind=kinds[k],
                s_m=s,
                d_m=-road.own_lane_m,
                heading_rad=math.pi,
                colour=paints[int(rng.integers(4))],
                motion=Drive(speed_mps=1.6, trigger=Trigger(after_s=1.5 + 0.9 * k)),
            )
        )
    return actors


def _parked(rng: np.random.Generator) -> list[Actor]:
    paints = ((58, 66, 78), (188, 190, 192), (104, 92, 78), (60, 82, 64), (36, 37, 41))
    kinds = ("car", "estate", "mini", "suv")
    actors = []
    for k, (s, side) in enumerate(
        ((18.0, -1.0), (34.0, -1.0), (50.0, -1.0), (30.0, 1.0), (46.0, 1.0), (68.0, 1.0), (124.0, -1.0), (140.0, 1.0))
    ):
        actors.append(
            Actor(
                id=20 + k,
                kind=kinds[int(rng.integers(4))],
                s_m=s + float(rng.uniform(-1.5, 1.5)),
                d_m=side * (4.8 + float(rng.uniform(-0.08, 0.08))),
                heading_rad=0.0 if side < 0.0 else math.pi,
                colour=paints[int(rng.integers(5))],
            )
        )
    return actors


def _people(rng: np.random.Generator) -> list[Actor]:
    actors = []
    for k, (s, d, way) in enumerate(((24.0, -7.6, 60.0), (58.0, 7.8, -50.0), (88.0, 8.3, 40.0), (110.0, -8.0, -40.0))):
        start = s + float(rng.uniform(-5.0, 5.0))
        coat = rng.integers(50, 170, 3)
        # Two waypoints on the way keep the walker on the pavement of the bend.
        path = tuple((start + way * share, d) for share in (0.2, 0.4, 0.6, 0.8, 1.0))
        actors.append(
            Actor(
                id=40 + k,
                kind="pedestrian",
                s_m=start,
                d_m=d,
                colour=(int(coat[0]), int(coat[1]), int(coat[2])),
                second_colour=(56, 58, 66),
                motion=Walk(path=path, speed_mps=float(rng.uniform(1.1, 1.6))),
            )
        )
    return actors
