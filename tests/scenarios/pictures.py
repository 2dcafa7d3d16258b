"""Small scenes to look at, for the tests of the renderer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from operators.messages import CameraModel, EgoState, LightState, TrafficLights
from scenarios.scenario import KINDS, Actor, Kind, Path, Scenario, Weather
from scenarios.world.drawing.camera import Rendered, Renderer

CAMERA = CameraModel(width_px=240, height_px=136, fx_px=120.0, fy_px=120.0, cx_px=120.0, cy_px=68.0)


@dataclass
class Standing:
    """A road user as the renderer sees it."""

    actor: Actor
    kind: Kind
    x_m: float
    y_m: float
    yaw_rad: float = 0.0
    speed_mps: float = 0.0
    s_m: float = 0.0
    gait_turns: float = 0.0
    braking: bool = False

    @property
    def speed_x_mps(self) -> float:
        return self.speed_mps * math.cos(self.yaw_rad)

    @property
    def speed_y_mps(self) -> float:
        return self.speed_mps * math.sin(self.yaw_rad)


def user(
    number: int, kind: str, x_m: float, y_m: float, yaw_rad: float = 0.0, speed_mps: float = 0.0, **actor: Any
) -> Standing:
    made = Actor(id=number, kind=kind, s_m=x_m, d_m=y_m, **actor)
    return Standing(made, KINDS[kind], x_m, y_m, yaw_rad, speed_mps)


def street_scenario(*users: Standing, weather: Weather | None = None) -> Scenario:
    return Scenario(
        name="test",
        title="",
        duration_s=1.0,
        speed_mps=0.0,
        actors=tuple(user.actor for user in users),
        ego_s_m=20.0,
        scenery_s_m=(0.0, 110.0),
        weather=weather or Weather(),
    )


def map_scenario(map_: str, *users: Standing, seed: int = 3, weather: Weather | None = None) -> Scenario:
    return Scenario(
        name="test",
        title="",
        duration_s=1.0,
        speed_mps=0.0,
        actors=tuple(user.actor for user in users),
        road=Path(name="way", points_m=((0.0, 0.0), (2.0, 0.0))),
        map=map_,
        scenery_seed=seed,
        weather=weather or Weather(),
    )


def ego_at(x_m: float, y_m: float, yaw_rad: float = 0.0, speed_mps: float = 0.0) -> EgoState:
    return EgoState(x_m=x_m, y_m=y_m, yaw_rad=yaw_rad, speed_mps=speed_mps)


def on_street(*users: Standing, weather: Weather | None = None, speed_mps: float = 0.0, now_ns: int = 0) -> Rendered:
    renderer = Renderer(street_scenario(*users, weather=weather), CAMERA)
    return renderer.render(ego_at(20.0, -1.75, 0.0, speed_mps), list(users), now_ns=now_ns)


def on_map(
    map_: str, ego: EgoState, *users: Standing, weather: Weather | None = None, lights: dict[str, str] | None = None
) -> Rendered:
    renderer = Renderer(map_scenario(map_, *users, weather=weather), CAMERA)
    states = tuple(LightState(light=light, state=state) for light, state in (lights or {}).items())
    return renderer.render(ego, list(users), lights=TrafficLights(items=states))


def bytes_of(rendered: Rendered) -> bytes:
    return b"".join(a.tobytes() for a in (rendered.rgb, rendered.depth_m, rendered.instance, rendered.semantic))
