"""Traffic: lights, lines, order at junctions, queues, people on foot; nobody drives into anybody; same again."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from scenarios.scenario import Actor, Lights, PathStop, Phase, Stand, Walk
from scenarios.world.traffic.traffic import Traffic
from tests.world.networks import TWO_PHASES, aside, car, circle, crossing, played, straight, touching, who


def test_drivers_stop_at_red_before_the_line_and_go_at_green() -> None:
    east, north = crossing()
    world = aside(*(car(1 + k, "north", 200.0 + 12.0 * k) for k in range(5)), paths=(east, north), lights=TWO_PHASES)
    fronts = []
    for t in played(world, 40.0):
        fronts.append((t, max(user.y_m + 302.25 for user in world._users.items)))
        assert not touching(world)
    red = [front for t, front in fronts if t < 15.0]
    assert 288.0 < max(red) <= 290.0
    assert max(front for t, front in fronts if t > 20.0) > 300.0


def test_who_can_stop_at_amber_does_and_who_cannot_goes_on() -> None:
    east, north = crossing()
    lights = (Lights((Phase(4.0, ("w",), 3.0, 2.0), Phase(20.0, ("s",), 3.0, 2.0))),)
    world = aside(car(1, "east", 240.0), car(2, "east", 180.0), paths=(east, north), lights=lights)
    for _ in played(world, 8.0):
        pass
    assert who(world, 1).x_m > 0.0
    assert who(world, 2).x_m < -12.0


def test_at_a_stop_line_everybody_stands_once_and_the_first_to_come_goes_first() -> None:
    east, north = crossing("stop")
    world = aside(car(1, "east", 240.0, 8.0), car(2, "north", 220.0, 8.0), paths=(east, north))
    slowest, entered = {1: math.inf, 2: math.inf}, {}
    for t in played(world, 40.0):
        for number, axis in ((1, "x_m"), (2, "y_m")):
            user = who(world, number)
            at = getattr(user, axis) + 302.25
            if at < 291.0:
                slowest[number] = min(slowest[number], user.speed_mps)
            elif number not in entered:
                entered[number] = t
        assert not touching(world)
        if len(entered) == 2:
            break
    assert max(slowest.values()) < 0.5
    assert entered[1] < entered[2]


def test_who_comes_to_a_yield_line_lets_the_major_road_pass() -> None:
    east, north = crossing("", "yield")
    stream = [car(1 + k, "east", 250.0 - 18.0 * k, 10.0) for k in range(5)]
    world = aside(*stream, car(9, "north", 250.0, 10.0), paths=(east, north))
    for _ in played(world, 60.0):
        assert not touching(world)
        if who(world, 9).y_m > -6.0:
            break
    passed = sum(who(world, 1 + k).x_m > 3.0 for k in range(5))
    assert passed == 5


def test_the_major_road_need_not_slow_down_for_one_who_yields() -> None:
    east, north = crossing("", "yield")
    world = aside(car(1, "east", 200.0, 13.0), car(2, "north", 215.0, 13.0), paths=(east, north))
    slowest = math.inf
    for t in played(world, 12.0):
        if t > 3.0 and who(world, 1).x_m < 20.0:
            slowest = min(slowest, who(world, 1).speed_mps)
    assert slowest > 11.0


@pytest.mark.parametrize("kind", ["", "stop", "yield", "light"])
def test_two_streams_cross_without_touching_and_all_get_through(kind: str) -> None:
    east, north = crossing(kind)
    actors = [car(1 + k, "east", 20.0 + 22.0 * k) for k in range(10)]
    actors += [car(21 + k, "north", 20.0 + 22.0 * k, kind="truck" if k % 4 == 0 else "car") for k in range(10)]
    world = aside(*actors, paths=(east, north), lights=TWO_PHASES if kind == "light" else ())
    for _ in played(world, 240.0, 0.2):
        assert not touching(world)
        if not world._users.items:
            return
    pytest.fail(f"{len(world._users.items)} never got through")


def test_two_streams_merge_into_one() -> None:
    main = straight("main", (0.0, 0.0), (600.0, 0.0))
    points = [(float(x), 40.0 - 0.2 * x) for x in range(0, 200)] + [(float(x), 0.0) for x in range(200, 600)]
    ramp = msgspec.structs.replace(main, name="ramp", points_m=tuple(points))
    actors = [car(1 + k, "main", 10.0 + 20.0 * k) for k in range(7)]
    actors += [car(11 + k, "ramp", 12.0 + 20.0 * k) for k in range(7)]
    world = aside(*actors, paths=(main, ramp))
    for _ in played(world, 150.0, 0.2):
        assert not touching(world)
    assert not world._users.items


def test_a_full_exit_keeps_the_junction_clear() -> None:
    east, north = crossing("")
    wall = Actor(id=1, kind="truck", s_m=313.0, d_m=0.0, on="east", motion=Stand())
    world = aside(wall, car(2, "east", 200.0), car(3, "north", 150.0), paths=(east, north))
    for _ in played(world, 40.0):
        assert not touching(world)
    assert who(world, 2).x_m + 2.25 < -1.0
    assert all(user.actor.id != 3 or user.y_m > 30.0 for user in world._users.items)


def test_a_ring_of_cars_goes_round_for_ever() -> None:
    ring = circle("ring", 40.0)
    world = aside(*(car(1 + k, "ring", 5.0 + 24.0 * k) for k in range(10)), paths=(ring,))
    travelled = 0.0
    for _ in played(world, 60.0, 0.5):
        assert not touching(world)
        travelled += 0.5 * np.mean([user.speed_mps for user in world._users.items])
    assert travelled > 250.0


def test_at_the_end_of_a_path_a_driver_leaves_or_stops_as_told() -> None:
    road = straight("road", (0.0, 0.0), (150.0, 0.0))
    side = straight("side", (0.0, 30.0), (150.0, 30.0))
    world = aside(car(1, "road", 20.0), car(2, "side", 20.0, at_end="stop"), paths=(road, side))
    for _ in played(world, 40.0, 1.0):
        pass
    (left,) = world._users.items
    assert left.actor.id == 2 and left.speed_mps < 0.05 and 140.0 < left.x_m + 2.25 <= 150.0


def test_a_driver_stops_for_somebody_who_steps_out_and_can_be_seen() -> None:
    road = straight("road", (0.0, 0.0), (900.0, 0.0))
    person = Actor(id=2, kind="pedestrian", s_m=120.0, d_m=-6.0, on="road", motion=Walk(((120.0, 8.0),), 1.2))
    world = aside(car(1, "road", 40.0), person, paths=(road,))
    for _ in played(world, 25.0):
        assert not touching(world)
    assert who(world, 1).x_m > 150.0


def test_a_careful_walker_lets_the_cars_pass_before_stepping_out() -> None:
    road = straight("road", (0.0, 0.0), (400.0, 0.0))
    walk = Walk(((150.0, 5.0),), 1.4, minds=True)
    person = Actor(id=9, kind="pedestrian", s_m=150.0, d_m=-4.0, on="road", motion=walk)
    world = aside(*(car(1 + k, "road", 60.0 + 25.0 * k) for k in range(3)), person, paths=(road,))
    waited = False
    for _ in played(world, 30.0):
        waited |= who(world, 9).speed_mps == 0.0 and who(world, 9).y_m == -4.0
        assert not touching(world)
        assert who(world, 9).y_m < -2.5 or min(abs(u.x_m - 150.0) for u in world._users.items if u.actor.id < 9) > 6.0
    assert waited and who(world, 9).y_m == 5.0


def test_a_walker_who_loops_comes_back() -> None:
    road = straight("road", (0.0, 0.0), (100.0, 0.0))
    person = Actor(
        id=1, kind="pedestrian", s_m=10.0, d_m=3.0, on="road", motion=Walk(((20.0, 3.0), (10.0, 3.0)), 2.0, loop=True)
    )
    world = aside(person, paths=(road,))
    xs = [who(world, 1).x_m for _ in played(world, 30.0)]
    assert min(xs[80:]) < 10.5 and max(xs[80:]) > 19.5


def test_every_kind_of_vehicle_drives() -> None:
    road = straight("road", (0.0, 0.0), (900.0, 0.0))
    kinds = ("car", "truck", "bus", "motorcycle", "cyclist")
    actors = [car(1 + k, "road", 120.0 - 25.0 * k, 12.0, kind=kind) for k, kind in enumerate(kinds)]
    world = aside(*actors, paths=(road,))
    for _ in played(world, 30.0, 0.5):
        assert not touching(world)
    assert who(world, 5).speed_mps <= 7.6
    assert all(user.x_m > 150.0 for user in world._users.items)


def test_the_same_scenario_moves_everybody_to_the_same_place_however_time_is_cut() -> None:
    def end(step_s: float) -> bytes:
        east, north = crossing("stop")
        actors = [car(1 + k, "east", 20.0 + 22.0 * k) for k in range(6)]
        world = aside(*actors, car(9, "north", 200.0), paths=(east, north))
        for _ in played(world, 30.0, step_s):
            pass
        assert isinstance(world._users, Traffic)
        return world._users.numbers.tobytes() + world._users.flags.tobytes()

    assert end(0.1) == end(1.5)


def test_a_light_without_traffic_is_still_told() -> None:
    east, north = crossing()
    world = aside(paths=(east, north), lights=TWO_PHASES)
    assert [(item.light, item.state) for item in world.lights().items] == [("s", "red"), ("w", "green")]
    assert world.lights(100.0).items == ()


def test_stops_of_other_paths_do_not_hold_anybody() -> None:
    road = straight("road", (0.0, 0.0), (300.0, 0.0), stops=(PathStop(250.0, "yield"),))
    world = aside(car(1, "road", 20.0), paths=(road,))
    for _ in played(world, 40.0, 1.0):
        pass
    assert not world._users.items
