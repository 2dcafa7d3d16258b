"""The contact sheet: weather, light and every sensor of the embedded world on one page.

``python -m scenarios.sensors.contact_sheet docs/pictures/sensors.jpg`` draws it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from operators.messages import CameraModel
from operators.sensors.gnss import map_position
from operators.sensors.lidar import deskewed
from operators.sensors.models import LidarModel, RadarModel
from pipeline.errors import UsageError
from pipeline.timestamps import seconds
from scenarios.library.loading import load
from scenarios.report.drawing import DARK, DIM, WHITE, Picture, bgr, write
from scenarios.scenario import Scenario, Weather
from scenarios.sensors import views
from scenarios.sensors.drive import ROAD, Drive, drive
from scenarios.world.world import World

WIDTH, HEIGHT, COLUMNS, CAPTION, GAP = 480, 270, 4, 24, 4
LARGE = 2
"""Pictures are drawn at this multiple and made smaller, which smooths them."""
BYTES_MAX = 600_000
CAMERA = CameraModel(
    width_px=LARGE * WIDTH, height_px=LARGE * HEIGHT, fx_px=LARGE * 260.0, fy_px=LARGE * 260.0,
    cx_px=0.5 * LARGE * WIDTH, cy_px=0.5 * LARGE * HEIGHT,
)  # fmt: skip
SCENE, SPEED_MPS, SEED, AT_S = "street", 8.0, 1, 3.0
SKIES: tuple[tuple[str, Weather], ...] = (
    ("camera, clear day", Weather(shadow_map=True)),
    ("camera, dusk", Weather(night=0.5, clouds=0.2, shadow_map=True, auto_exposure=True, grain=1.5)),
    ("camera, night", Weather(night=1.0, auto_exposure=True, grain=3.0, blur_s=0.02)),
    ("camera, rain", Weather(rain=0.7, clouds=1.0, auto_exposure=True, grain=2.0)),
    ("camera, fog: 60 m visibility", Weather(fog_m=60.0, clouds=1.0, auto_exposure=True)),
)
COLOURS = [bgr(colour) for colour in ("#5db8ff", "#f5c33b", "#ff5a4a", "#3ecf6e")]
Panel = tuple[str, Picture]


def main(path: Path, quality: int = 88) -> int:
    """Draw the sheet to ``path`` as the best JPEG below ``BYTES_MAX``; returns its size."""
    sheet = assembled(list(panels()))
    while True:
        encoded = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1]
        if len(encoded) < BYTES_MAX or quality <= 40:
            break
        quality -= 4
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.tobytes())
    return len(encoded)


def panels() -> Iterator[Panel]:
    """Every picture of the sheet with its caption, in order."""
    scenario = load(SCENE, SPEED_MPS, SEED)
    for caption, weather in SKIES:
        yield caption, shown(_at(msgspec.structs.replace(scenario, weather=weather)).render().rgb)
    world = _at(scenario)
    yield from _labels(world)
    yield from _lidar(world, scenario)
    yield from _radar(world)
    yield from _motion(drive(SEED))


def shown(rgb: NDArray[np.uint8]) -> Picture:
    """A camera's picture as OpenCV has it."""
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), np.uint8)


def _at(scenario: Scenario) -> World:
    world = World(scenario, seed=SEED, camera=CAMERA)
    world.advance(seconds(AT_S))
    return world


def _labels(world: World) -> Iterator[Panel]:
    picture = world.render()
    yield "depth, 2 to 120 m", views.depth_view(picture.depth_m)
    yield "semantic classes", views.semantic_view(picture.semantic)
    yield "instances", views.instance_view(picture.rgb, picture.instance)


def _lidar(world: World, scenario: Scenario) -> Iterator[Panel]:
    model, ego, size = LidarModel(truth=True), world.ego(), (LARGE * HEIGHT, LARGE * WIDTH)
    motion = ego.speed_mps, ego.yaw_rate_radps
    cloud = world.scan(model, np.random.default_rng(SEED))
    own = deskewed(cloud, *motion)
    yield "LiDAR in the camera, by distance", views.points_in_picture(shown(world.render().rgb), own, CAMERA)
    caption = f"LiDAR from above, by reflectivity: {len(own):,} points, 64 x 1024"
    yield caption, views.from_above(cloud, size, 80.0, motion)
    murk = _at(msgspec.structs.replace(scenario, weather=Weather(rain=0.3, fog_m=60.0, clouds=1.0)))
    seen = murk.scan(model, np.random.default_rng(SEED))
    yield "LiDAR in fog and rain: short sight, echoes of drops", views.from_above(seen, size, 80.0, motion)


def _radar(world: World) -> Iterator[Panel]:
    model, size, speed = RadarModel(), (LARGE * HEIGHT, LARGE * WIDTH), world.ego().speed_mps
    found = world.echoes(model, np.random.default_rng(SEED))
    background = shown(world.render().rgb)
    yield "radar: range and speed over ground", views.returns_in_picture(background, found, CAMERA, speed)
    above = views.radar_from_above(found, size, 110.0, model.field_rad, speed)
    yield "radar from above: red comes, blue goes, white stands", above


def _motion(trip: Drive) -> Iterator[Panel]:
    yield "GNSS: bias, multipath at houses, lost for 2 s", _track(trip)
    times = np.array([t / 1e9 for t, _ in trip.samples])
    force = np.array([sample.specific_force_mps2 for _, sample in trip.samples])
    forces = [(name, COLOURS[k], times, force[:, k]) for k, name in ((0, "ahead"), (1, "left"), (2, "up: gravity"))]
    yield "IMU: specific force", views.curves((HEIGHT, WIDTH), forces, "m/s2")
    turned = np.array([sample.angular_rate_radps[2] for _, sample in trip.samples])
    wheel_times = np.array([t / 1e9 for t, _ in trip.speeds])
    rates = np.array([speeds.rates_radps * speeds.radius_m for _, speeds in trip.speeds])
    wheels = [(name, COLOURS[k], wheel_times, rates[:, k]) for k, name in ((2, "rear left"), (3, "rear right"))]
    yaw = [("yaw rate (deg/s)", COLOURS[0], times, np.degrees(turned))]
    half = (HEIGHT // 2, WIDTH)
    lower = views.curves((HEIGHT - HEIGHT // 2, WIDTH), wheels, "m/s")
    yield "IMU yaw rate; wheel speeds", np.concatenate([views.curves(half, yaw, ""), lower])


def _track(trip: Drive) -> Picture:
    """The drive on the map: the road, the truth and every fix."""
    out = np.full((HEIGHT, WIDTH, 3), DARK, np.uint8)
    truth = np.array([(state.x_m, state.y_m) for _, state in trip.states])
    fixes = np.array([map_position(fix)[:2] for _, fix in trip.fixes])
    low, high = truth.min(axis=0) - 12.0, truth.max(axis=0) + 12.0
    scale = float(min(WIDTH / (high[0] - low[0]), HEIGHT / (high[1] - low[1])))
    shift = 0.5 * (np.array([WIDTH, HEIGHT]) - scale * (high - low))

    def on_page(points: NDArray[np.float64]) -> NDArray[np.int32]:
        page = (points - low) * scale + shift
        page[:, 1] = HEIGHT - page[:, 1]
        return np.asarray(page.round(), np.int32)

    for side in (-ROAD.kerb_m, 0.0, ROAD.kerb_m):
        edge = np.array([ROAD.pose(float(s), side)[:2] for s in np.arange(-20.0, 420.0, 2.0)])
        cv2.polylines(out, [on_page(edge)], False, (66, 62, 58), 1, cv2.LINE_AA)
    for x, y in on_page(fixes):
        cv2.circle(out, (int(x), int(y)), 2, COLOURS[1], cv2.FILLED, cv2.LINE_AA)
    cv2.polylines(out, [on_page(truth)], False, WHITE, 1, cv2.LINE_AA)
    write(out, "truth", 12, 20, 13, WHITE)
    write(out, "fixes, 10 a second", 12, 38, 13, COLOURS[1])
    write(out, "20 m", WIDTH - 12 - int(20 * scale), 20, 13, DIM)
    cv2.line(out, (WIDTH - 12 - int(20 * scale), 28), (WIDTH - 12, 28), DIM, 2)
    return out


def assembled(pictures: list[Panel]) -> Picture:
    """All panels on one page, each with its caption below."""
    rows = -(-len(pictures) // COLUMNS)
    page = np.full((rows * (HEIGHT + CAPTION + GAP) + GAP, COLUMNS * (WIDTH + GAP) + GAP, 3), 22, np.uint8)
    for k, (caption, picture) in enumerate(pictures):
        y, x = GAP + k // COLUMNS * (HEIGHT + CAPTION + GAP), GAP + k % COLUMNS * (WIDTH + GAP)
        page[y : y + HEIGHT, x : x + WIDTH] = cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        write(page, caption, x + 4, y + HEIGHT + 17, 14, WHITE)
    return page


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(str(UsageError("name one file", hint="python -m scenarios.sensors.contact_sheet FILE.jpg")))
    print(f"{sys.argv[1]}: {main(Path(sys.argv[1])) / 1000:.0f} kB")
