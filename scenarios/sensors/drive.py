"""A short drive around two bends with every motion sensor on board: what the contact sheet's curves show."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from operators.messages import ControlCommand, EgoState, GnssFix, ImuSample, WheelSpeeds
from operators.sensors.ego import EgoSensor
from operators.sensors.gnss import Gnss
from operators.sensors.imu import Imu
from operators.sensors.vehicle import VehicleActuator
from operators.sensors.wheels import WheelEncoders
from pipeline.definition import Context, Operator
from pipeline.execution import VirtualClock, run
from pipeline.graph import Graph
from pipeline.ports import Input, Output
from pipeline.timestamps import Timestamp, ms, seconds
from scenarios.scenario import Scenario
from scenarios.world.roads import Road, Segment
from scenarios.world.world import World

ROAD = Road(
    segments=(Segment(50.0), Segment(65.0, 1.0 / 40.0), Segment(40.0), Segment(80.0, -1.0 / 50.0), Segment(160.0))
)
DURATION_S = 30.0
SPEEDS = ((0.0, 9.0), (6.0, 12.0), (16.0, 4.0), (22.0, 11.0), (27.0, 0.0))
"""From when on which speed is wanted, s and m/s."""
WHEELBASE_M = 2.8


class Lane(Operator):
    """Follows the lane of a road that it knows, at the speeds of ``SPEEDS``.

    Ports: ``state`` in, ``command`` out.
    """

    state = Input(EgoState)
    command = Output(ControlCommand)

    def __init__(self, road: Road) -> None:
        self._road = road

    def on_watermark(self, ctx: Context) -> ControlCommand:
        state = ctx[self.state]
        s, d = self._road.locate(state.x_m, state.y_m)
        ahead_s = s + 2.0 + 0.4 * state.speed_mps
        x, y, _ = self._road.pose(ahead_s, self._road.own_lane_m)
        bearing = math.atan2(y - state.y_m, x - state.x_m) - state.yaw_rad
        away = math.hypot(x - state.x_m, y - state.y_m)
        wanted = [speed for since, speed in SPEEDS if since * 1e9 <= ctx.t][-1]
        push = 0.5 * (wanted - state.speed_mps)
        return ControlCommand(
            throttle=min(0.7, max(0.0, push)),
            brake=min(0.5, max(0.0, -0.3 * push)),
            steer_rad=math.atan(2.0 * WHEELBASE_M * math.sin(bearing) / away),
        )


class Drive(NamedTuple):
    """What was measured on the drive, each with its timestamps, and the truth."""

    states: list[tuple[Timestamp, EgoState]]
    fixes: list[tuple[Timestamp, GnssFix]]
    samples: list[tuple[Timestamp, ImuSample]]
    speeds: list[tuple[Timestamp, WheelSpeeds]]


def drive(seed: int) -> Drive:
    """Drive around the bends; the satellite receiver is lost for two seconds."""
    scenario = Scenario(
        name="two_bends", title="Two bends", duration_s=DURATION_S, speed_mps=9.0, actors=(), road=ROAD, ego_s_m=2.0,
        end_s_m=380.0,
    )  # fmt: skip
    world: Any = World(scenario, seed=seed, pixels=False)
    graph, lane, ego, vehicle = Graph("drive"), Lane(ROAD), EgoSensor(world=world), VehicleActuator(world=world)
    lost = [{"kind": "dropout", "from": "9s", "until": "11s"}]
    gnss = Gnss(world=world, multipath_m=4.0, noise_std_m=0.3, bias_std_m=1.0, faults=lost, seed=seed)
    imu, wheels = Imu(world=world, force_noise=0.012, seed=seed), WheelEncoders(world=world, seed=seed)
    ego.period, gnss.period = ms(20), ms(100)
    for sensor in (gnss, imu, wheels):
        graph.add(sensor)
    graph.connect(ego.state, lane.state)
    graph.connect(lane.command, vehicle.command)
    result = run(graph, clock=VirtualClock(seed=seed), until=seconds(DURATION_S))
    return Drive(result[ego.state], result[gnss.fix], result[imu.sample], result[wheels.speeds])
