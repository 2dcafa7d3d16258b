"""Every scenario as a picture: from the driver's seat and from above, shortly before it becomes tight.

Nobody reacts in it: the ego keeps its lane and its speed, so that the picture shows the scene and no variant's driving.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operators.messages import CameraModel, ControlCommand, EgoState, Route
from pipeline.recording import write_json
from scenarios.scenario import Scenario
from scenarios.sweeps.expansion import Scene
from scenarios.world.world import World

STEP_NS = 50_000_000
BEFORE_NS = 1_000_000_000
"""How long before the ego comes closest to anybody the picture is taken."""
LOOK_AHEAD_M, LOOK_AHEAD_S = 4.0, 0.6
SPEED_GAIN = 0.25
ABOVE = CameraModel(
    width_px=640,
    height_px=360,
    fx_px=430.0,
    fy_px=430.0,
    x_m=-9.0,
    z_m=30.0,
    pitch_rad=math.radians(56.0),
    frame_id="camera_above",
)
WIDTH_PX, QUALITY = 480, 82
EGO_BGR = (176, 114, 0)


def draw(scene: Scene, path: Path) -> None:
    """Write ``STEM-driver.jpg``, ``STEM-above.jpg`` and, last, ``path`` with the words below them."""
    scenario = scene.load()
    at_ns = moment(scenario, scene.seed)
    for name, camera in (("driver", CameraModel()), ("above", ABOVE)):
        world = World(scenario, seed=scene.seed, camera=camera)
        passive_drive(world, scenario.speed_mps, at_ns)
        picture = np.ascontiguousarray(world.render().rgb)
        if name == "above":
            _outline_ego(picture, world)
        beside(path, name).write_bytes(_jpeg(picture))
    about: dict[str, Any] = {
        "scene": scene.name,
        "title": scenario.title,
        "speed_mps": scene.speed_mps,
        "seed": scene.seed,
        "at_s": round(at_ns / 1e9, 2),
    }
    write_json(path, about)


def beside(path: Path, name: str) -> Path:
    """Where the picture ``name`` of ``path`` lies."""
    return path.with_name(f"{path.stem}-{name}.jpg")


def moment(scenario: Scenario, seed: int) -> int:
    """When to take the picture, ns: ``BEFORE_NS`` before a collision, or before the ego is closest to anybody ahead."""
    world = World(scenario, seed=seed, pixels=False)
    closest, when = math.inf, 0
    until = round(scenario.duration_s * 1e9)
    for t in range(STEP_NS, until + 1, STEP_NS):
        passive_drive(world, scenario.speed_mps, t)
        gap = world.outcome().min_gap_m
        if gap < closest - 1e-9:
            closest, when = gap, t
        if world.finished:
            break
    return max(STEP_NS, (when if math.isfinite(closest) else world.now_ns // 2) - BEFORE_NS) // STEP_NS * STEP_NS


def passive_drive(world: World, speed_mps: float, until_ns: int) -> None:
    """Keep lane and speed until then, whoever stands in the way."""
    route = world.route()
    while world.now_ns < until_ns and not world.finished:
        world.apply(lane_keeping(world.ego(), route, speed_mps))
        world.advance(world.now_ns + STEP_NS)


def lane_keeping(ego: EgoState, route: Route, speed_mps: float) -> ControlCommand:
    """Pure pursuit of the route's line at a constant speed.

    Source: Coulter, Implementation of the Pure Pursuit Path Tracking Algorithm (1992)
    """
    reach = LOOK_AHEAD_M + LOOK_AHEAD_S * ego.speed_mps
    away = np.hypot(route.x_m - ego.x_m, route.y_m - ego.y_m)
    nearest = int(np.argmin(away))
    ahead = nearest + int(np.argmax(away[nearest:] >= reach)) if (away[nearest:] >= reach).any() else len(away) - 1
    bearing = math.atan2(route.y_m[ahead] - ego.y_m, route.x_m[ahead] - ego.x_m) - ego.yaw_rad
    steer = math.atan2(2.0 * 2.8 * math.sin(bearing), max(1.0, float(away[ahead])))
    wanted = SPEED_GAIN * (speed_mps - ego.speed_mps)
    return ControlCommand(throttle=min(1.0, max(0.0, 0.06 + wanted)), brake=max(0.0, -wanted), steer_rad=steer)


def _outline_ego(picture: NDArray[np.uint8], world: World) -> None:
    """The ego, which its own cameras never see: its outline on the ground."""
    import cv2

    from operators.geometry.cameras import project

    size = world.size
    back, front = -size.rear_overhang_m, size.front_m
    half = size.width_m / 2.0
    corners = [(back, -half), (front, -half), (front, half), (back, half)]
    roof = project(world.camera, np.array([(x, y, 0.4) for x, y in corners]))
    outline: list[Any] = [np.round(roof[:, :2]).astype(np.int32)]
    shade = picture.copy()
    cv2.fillPoly(shade, outline, EGO_BGR[::-1], cv2.LINE_AA)
    cv2.addWeighted(shade, 0.55, picture, 0.45, 0.0, dst=picture)
    cv2.polylines(picture, outline, isClosed=True, color=(255, 255, 255), thickness=2, lineType=cv2.LINE_AA)


def _jpeg(rgb: NDArray[np.uint8]) -> bytes:
    import cv2

    height = round(rgb.shape[0] * WIDTH_PX / rgb.shape[1])
    small = cv2.resize(rgb, (WIDTH_PX, height), interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert done
    return bytes(data)
