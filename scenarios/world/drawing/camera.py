"""The ego's camera: turns the world's state into a picture with depth, classes and instances.

Decides the order of the work; ``scenes`` says what there is, ``raster`` and ``shading`` draw, ``effects`` finishes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.messages import CameraModel, EgoState, TrafficLights
from scenarios.scenario import Scenario, Weather
from scenarios.world.drawing.classes import PEDESTRIAN, VEHICLE
from scenarios.world.drawing.effects import Effects
from scenarios.world.drawing.ground import ROW_CONSTANTS, Ground
from scenarios.world.drawing.light import LAMPS, light_of, light_pools
from scenarios.world.drawing.raster import Frame, View, draw
from scenarios.world.drawing.scenes import Scene, Scenery, Shown, scenery, scenery_of
from scenarios.world.drawing.shading import Picture, Stage, ray_lengths, shade, soften, tone_curve
from scenarios.world.drawing.shadows import draw_shadows, sun_shares
from scenarios.world.drawing.sunmap import NO_MAP, Sun
from scenarios.world.drawing.surfaces import noise_textures
from scenarios.world.drawing.vertices import VERTEX_COLUMNS
from scenarios.world.projection import eye_pose, lens_of, rotation
from scenarios.world.roads import Road

__all__ = ["PEDESTRIAN", "VEHICLE", "Rendered", "Renderer", "Scenery", "scenery"]

PAVEMENT_Z_M = 0.12
HEADLIGHT_X_M = 3.7
"""Place of the ego's headlights before its rear axle."""
NO_CARS = np.zeros((0, 4))


@dataclass(frozen=True)
class Rendered:
    """One picture. rgb: (H, W, 3) uint8; depth_m: (H, W) float32, inf for sky; instance: (H, W) uint16 actor ids
    (0 for everything that is no road user); semantic: (H, W) uint8, see ``classes``."""

    rgb: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    instance: NDArray[np.uint16]
    semantic: NDArray[np.uint8]


@functools.lru_cache(maxsize=1)
def _noise() -> NDArray[np.float32]:
    return noise_textures()


class Renderer:
    """Draws one scenario from one camera model. The buffers are kept warm; results belong to the caller."""

    def __init__(self, scenario: Scenario, camera: CameraModel, *, seed: int = 0) -> None:
        self._camera, self._road = camera, scenario.road
        self._stage = _stage(scenario, camera)
        self._light = self._stage.light
        rng = np.random.default_rng([scenario.scenery_seed, seed, 5])
        dark = bool(self._light.mood[LAMPS] > 0.0)
        self._scene = Scene(scenario, scenery_of(scenario), rng, dark=dark)
        self._frame, self._row = _frame(camera, self._scene), np.zeros(ROW_CONSTANTS)
        self._edges = np.zeros(camera.width_px, np.uint8)
        self._ground = _ground(scenario, camera)
        self._sun = Sun(self._stage.sun) if scenario.weather.shadow_map else None
        self._no_map = None if scenario.weather == Weather() else NO_MAP
        self._effects = Effects(scenario, camera, seed)

    def render(
        self, ego: EgoState, users: Sequence[Shown], *, lights: TrafficLights | None = None, now_ns: int = 0
    ) -> Rendered:
        """The picture from the ego's pose with the road users where they are and the traffic lights as they are.

        ``now_ns`` draws rain and sensor noise: equal states at equal times give equal pictures.
        """
        eye, _ = eye_pose(ego, self._camera)
        if self._ground is not None:
            self._ground.centre(float(eye[0]), float(eye[1]))
        self._scene.clear()
        for user in users:
            away = math.hypot(user.x_m - eye[0], user.y_m - eye[1])
            self._scene.moved(user, self._height(user), away)
        if lights is not None:
            self._scene.show(lights)
        if self._scene.dark:
            self._shine(ego, eye, self._scene.headlights(users))
        return self.draw(ego, users, now_ns)

    def draw(self, ego: EgoState, users: Sequence[Shown], now_ns: int = 0) -> Rendered:
        """The picture of the objects as they are."""
        camera, stage, frame, objects = self._camera, self._stage, self._frame, self._scene.objects
        eye, yaw = eye_pose(ego, camera)
        view = View(eye=eye, turn=rotation(yaw, camera.pitch_rad), lens=lens_of(camera))
        self._scene.choose_detail(eye)
        library = self._scene.static.library
        frame.inverse_depth.fill(0.0)
        frame.triangle.fill(-1)
        frame.shadow.fill(0)
        sun_shares(library, objects, self._scene.casters, self._scene.receivers, stage.sun)
        if self._sun is not None:
            place = float(eye[0]), float(eye[1]), yaw
            self._sun.update(library, objects, self._scene.coarse, self._scene.users, place)
        order = np.argsort(np.hypot(objects.pose[:, 0] - eye[0], objects.pose[:, 1] - eye[1]), kind="stable")
        draw(library, objects, order, view, stage.sun, frame, 0)
        draw_shadows(library, objects, self._scene.footprint, view, stage.sun, frame)
        shape = (camera.height_px, camera.width_px)
        picture = Picture(
            rgb=np.empty((*shape, 3), np.uint8),
            depth=np.empty(shape, np.float32),
            instance=np.empty(shape, np.uint16),
            semantic=np.empty(shape, np.uint8),
        )
        terrain = None if self._ground is None else self._ground.terrain
        sunmap = self._no_map if self._sun is None else self._sun.map
        shade(self._scene.walls, view, stage, frame, picture, self._row, terrain, sunmap)
        soften(frame, self._edges, picture.rgb)
        self._effects.apply(picture, view, ego, users, now_ns)
        return Rendered(picture.rgb, picture.depth, picture.instance, picture.semantic)

    def _height(self, user: Shown) -> float:
        """Of the ground under a person; everybody else stays on the roadway."""
        if user.actor.kind != "pedestrian":
            return 0.0
        if self._ground is not None:
            return PAVEMENT_Z_M if self._ground.raised(user.x_m, user.y_m) else 0.0
        assert isinstance(self._road, Road)
        _, d = self._road.locate(user.x_m, user.y_m)
        return PAVEMENT_Z_M if abs(d) > self._road.kerb_m else 0.0

    def _shine(self, ego: EgoState, eye: NDArray[np.float64], cars: NDArray[np.float64]) -> None:
        cos, sin = math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
        self._light.lamps[:] = ego.x_m + HEADLIGHT_X_M * cos, ego.y_m + HEADLIGHT_X_M * sin, cos, sin
        light_pools(self._light.pools, eye, self._scene.lanterns, cars)


def _frame(camera: CameraModel, scene: Scene) -> Frame:
    shape = (camera.height_px, camera.width_px)
    ranges = scene.static.library.ranges
    return Frame(
        inverse_depth=np.zeros(shape, np.float32),
        triangle=np.zeros(shape, np.int32),
        shadow=np.zeros(shape, np.uint8),
        record=np.zeros((scene.limit, 12)),
        label=np.zeros((scene.limit, 4), np.int32),
        vertex=np.zeros((int((ranges[:, 1] - ranges[:, 0]).max()), VERTEX_COLUMNS)),
        polygon=np.zeros((4, 2)),
        turn=np.zeros(1),
    )


def _ground(scenario: Scenario, camera: CameraModel) -> Ground | None:
    if isinstance(scenario.road, Road):
        return None
    from scenarios.maps import shipped
    from scenarios.world.drawing.mapground import ground_patches

    lens = lens_of(camera)
    side = max(lens[2], camera.width_px - lens[2]) / lens[0]
    return Ground(ground_patches(shipped(scenario.map)), math.hypot(1.0, side))


def _stage(scenario: Scenario, camera: CameraModel) -> Stage:
    azimuth, elevation, road = scenario.sun_azimuth_rad, scenario.sun_elevation_rad, scenario.road
    level = math.cos(elevation)
    street = road if isinstance(road, Road) else Road()
    return Stage(
        table=street.table(),
        straight=all(segment.curvature_1pm == 0.0 for segment in street.segments),
        size=np.array([street.lane_width_m, street.kerb_m, street.kerb_m + street.pavement_m]),
        sun=np.array([level * math.cos(azimuth), level * math.sin(azimuth), math.sin(elevation)]),
        noise=_noise(),
        tone=tone_curve(scenario.exposure),
        unit=ray_lengths(camera.width_px, camera.height_px, lens_of(camera)),
        haze_1pm=1.0 / scenario.sight_m,
        light=light_of(scenario),
    )
