"""Pictures of what sensors measure: depth and labels in colour, points and radar returns in a picture and from above.

All pictures are (height, width, 3) uint8 in OpenCV's colour order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from operators.messages import SEMANTIC_CLASSES, CameraModel, PointCloud, RadarReturns
from operators.sensors.lidar import deskewed
from scenarios.report.drawing import DARK, DIM, WHITE, Colour, Picture, bgr, text_width, write

DEPTH_NEAR_M, DEPTH_FAR_M = 2.0, 120.0
PALETTE: tuple[str, ...] = (
    "#4682b4", "#804080", "#1a3fd0", "#dc143c", "#6b6b6b", "#6b8e23", "#f423e8", "#b9b9b9",
    "#98fb98", "#ffffff", "#faaa1e", "#dcdc00", "#ff7d1e", "#b4a5b4",
)  # fmt: skip
"""By class: the colours of Cityscapes where it has the class."""
GOING, COMING, STILL = bgr("#5db8ff"), bgr("#ff5a4a"), bgr("#e9e9e9")


def heat(share: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Colours of a map from blue (0) to red (1), (…, 3)."""
    levels = (np.clip(share, 0.0, 1.0) * 255.0).astype(np.uint8)
    coloured = cv2.applyColorMap(levels.reshape(-1, 1), cv2.COLORMAP_TURBO)
    return np.asarray(coloured, np.uint8).reshape(*share.shape, 3)


def depth_view(depth_m: NDArray[np.float32]) -> Picture:
    """Depth by the logarithm of the distance: warm is near, the sky is dark."""
    with np.errstate(divide="ignore"):
        share = np.log(depth_m / DEPTH_NEAR_M) / math.log(DEPTH_FAR_M / DEPTH_NEAR_M)
    out = heat(1.0 - np.where(np.isfinite(depth_m), share, 1.0).astype(np.float64))
    out[~np.isfinite(depth_m)] = DARK
    return out


def semantic_view(classes: NDArray[np.uint8]) -> Picture:
    """Classes in the colours of ``PALETTE``."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(SEMANTIC_CLASSES)] = [bgr(colour) for colour in PALETTE]
    out: Picture = table[classes]
    return out


def instance_view(rgb: NDArray[np.uint8], instances: NDArray[np.uint16]) -> Picture:
    """Every road user in a colour of its own over the greyed picture."""
    grey = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2BGR).astype(np.float64) * 0.55
    hue = (instances.astype(np.int64) * 77 % 180).astype(np.uint8)
    full = np.full_like(hue, 235)
    colours = cv2.cvtColor(np.stack([hue, full, full], -1), cv2.COLOR_HSV2BGR)
    mask = (instances > 0)[..., None]
    return np.where(mask, 0.25 * grey + 0.75 * colours, grey).astype(np.uint8)


def projected(points_m: NDArray[np.floating], camera: CameraModel) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Picture coordinates, (n, 2), of points in the ego frame, and which of them are in the picture."""
    x, y, z = (points_m[:, k] - offset for k, offset in enumerate((camera.x_m, camera.y_m, camera.z_m)))
    cos, sin = math.cos(camera.yaw_rad), math.sin(camera.yaw_rad)
    ahead, left = x * cos + y * sin, y * cos - x * sin
    level, down = math.cos(camera.pitch_rad), math.sin(camera.pitch_rad)
    depth, up = ahead * level - z * down, z * level + ahead * down
    seen = depth > 0.5
    safe = np.where(seen, depth, 1.0)
    u, v = camera.cx_px - camera.fx_px * left / safe, camera.cy_px - camera.fy_px * up / safe
    seen &= (u >= 0.0) & (u < camera.width_px) & (v >= 0.0) & (v < camera.height_px)
    return np.stack([u, v], 1), seen


def points_in_picture(
    background: Picture, own_m: NDArray[np.floating], camera: CameraModel, radius: int = 2
) -> Picture:
    """Points in the ego frame over a darkened picture, coloured by distance, the nearest on top."""
    out = (0.4 * background).astype(np.uint8)
    places, seen = projected(own_m, camera)
    away = np.linalg.norm(own_m, axis=1)
    colours = heat(1.0 - np.log(np.maximum(away, 3.0) / 3.0) / math.log(80.0 / 3.0))
    for k in np.flatnonzero(seen)[np.argsort(-away[seen], kind="stable")]:
        centre = int(places[k, 0]), int(places[k, 1])
        cv2.circle(out, centre, radius, tuple(int(c) for c in colours[k]), cv2.FILLED, cv2.LINE_AA)
    return out


def returns_in_picture(background: Picture, found: RadarReturns, camera: CameraModel, speed_mps: float) -> Picture:
    """Radar returns over a picture with range and speed over ground, the nearest labelled first."""
    out = (0.6 * background).astype(np.uint8)
    places, seen = projected(radar_points(found), camera)
    moving, labelled = over_ground(found, speed_mps), list[tuple[int, int]]()
    for k in np.flatnonzero(seen):
        x, y, speed = int(places[k, 0]), int(places[k, 1]), float(moving[k])
        colour = of_speed(speed)
        cv2.circle(out, (x, y), 8, colour, 2, cv2.LINE_AA)
        if any(abs(x - u) < 96 and abs(y - v) < 60 for u, v in labelled):
            continue
        labelled.append((x, y))
        cv2.line(out, (x, y - 8), (x, y - 40), colour, 2, cv2.LINE_AA)
        write(out, f"{float(found.range_m[k]):.0f} m", x - 20, y - 64, 20, WHITE)
        write(out, f"{speed:+.1f} m/s", x - 40, y - 45, 20, colour)
    return out


def over_ground(found: RadarReturns, speed_mps: float) -> NDArray[np.float64]:
    """Radial speeds with the motion of an ego that drives straight ahead taken out, (n,)."""
    ahead = np.cos(found.azimuth_rad + found.mount.yaw_rad) * np.cos(found.elevation_rad)
    return np.asarray(found.radial_speed_mps + speed_mps * ahead, np.float64)


def of_speed(radial_speed_mps: float) -> Colour:
    """The colour of a radial speed."""
    if abs(radial_speed_mps) < 0.5:
        return STILL
    return GOING if radial_speed_mps > 0.0 else COMING


def radar_points(found: RadarReturns) -> NDArray[np.float64]:
    """Returns in the ego frame, (n, 3)."""
    mount, reach = found.mount, found.range_m.astype(np.float64)
    azimuth, elevation = found.azimuth_rad + mount.yaw_rad, found.elevation_rad
    level = reach * np.cos(elevation)
    away = np.stack([level * np.cos(azimuth), level * np.sin(azimuth), reach * np.sin(elevation)], 1)
    return np.asarray(away + (mount.x_m, mount.y_m, mount.z_m))


def from_above(
    cloud: PointCloud, size: tuple[int, int], metres: float, ego: tuple[float, float], by: str = "intensity"
) -> Picture:
    """A sweep from above, the car's front to the right: ``metres`` across the picture's width, coloured by intensity.

    ego: speed and yaw rate, to undo the skew; by: ``intensity``, or ``instance`` for what is known to be a road user.
    """
    height, width = size
    out = np.full((height, width, 3), DARK, np.uint8)
    scale, centre = width / metres, (0.42 * width, 0.5 * height)
    rings(out, centre, scale)
    own = deskewed(cloud, *ego).astype(np.float64)
    column = (centre[0] + own[:, 0] * scale).astype(np.int64)
    row = (centre[1] - own[:, 1] * scale).astype(np.int64)
    inside = (column >= 0) & (column < width - 1) & (row >= 0) & (row < height - 1)
    order = np.flatnonzero(inside)[np.argsort(own[inside, 2], kind="stable")]
    share = np.sqrt(cloud.intensity[order].astype(np.float64))
    colours = heat(0.1 + 0.75 * share)
    if by == "instance" and cloud.instance is not None:
        users = cloud.instance[order] > 0
        colours = np.where(users[:, None], colours, (0.45 * colours).astype(np.uint8))
    for down, aside in ((0, 0), (0, 1), (1, 0), (1, 1)):
        out[row[order] + down, column[order] + aside] = colours
    car(out, centre, scale)
    return out


def radar_from_above(
    found: RadarReturns, size: tuple[int, int], metres: float, field_rad: float, speed_mps: float
) -> Picture:
    """Returns from above with their radial speeds over ground as strokes, and the field of view."""
    height, width = size
    out = np.full((height, width, 3), DARK, np.uint8)
    scale, centre = width / metres, (0.06 * width, 0.5 * height)
    rings(out, centre, scale)
    eye = centre[0] + found.mount.x_m * scale, centre[1] - found.mount.y_m * scale
    for sign in (-0.5, 0.5):
        angle = sign * field_rad
        end = int(eye[0] + width * math.cos(angle)), int(eye[1] - width * math.sin(angle))
        cv2.line(out, (int(eye[0]), int(eye[1])), end, (90, 90, 80), 2, cv2.LINE_AA)
    for (x, y, _), speed in zip(radar_points(found), over_ground(found, speed_mps), strict=True):
        at = centre[0] + x * scale, centre[1] - y * scale
        away = math.atan2(y - found.mount.y_m, x - found.mount.x_m)
        tip = at[0] + 6.0 * float(speed) * math.cos(away), at[1] - 6.0 * float(speed) * math.sin(away)
        colour = of_speed(float(speed))
        cv2.line(out, _pixel(at), _pixel(tip), colour, 2, cv2.LINE_AA)
        cv2.circle(out, _pixel(at), 5, colour, cv2.FILLED, cv2.LINE_AA)
    car(out, centre, scale)
    return out


def rings(out: Picture, centre: tuple[float, float], scale: float) -> None:
    """Circles every 20 m with their distance."""
    for metres in range(20, 201, 20):
        cv2.circle(out, _pixel(centre), int(metres * scale), (58, 53, 48), 2, cv2.LINE_AA)
        x = int(centre[0] + metres * scale * 0.7071) + 3
        write(out, f"{metres} m", x, int(centre[1] + metres * scale * 0.7071) + 4, 20, DIM)


def car(out: Picture, centre: tuple[float, float], scale: float) -> None:
    """The ego's outline."""
    corners = [(-0.95, 0.95), (3.75, 0.95), (3.75, -0.95), (-0.95, -0.95)]
    points = np.array([_pixel((centre[0] + x * scale, centre[1] - y * scale)) for x, y in corners], np.int32)
    cv2.polylines(out, [points], True, WHITE, 2, cv2.LINE_AA)


def curves(
    size: tuple[int, int],
    lines: Sequence[tuple[str, Colour, NDArray[np.float64], NDArray[np.float64]]],
    unit: str,
) -> Picture:
    """Curves over time: (name, colour, time in s, value) each; gaps where a value is not finite."""
    height, width = size
    out = np.full((height, width, 3), DARK, np.uint8)
    finite = np.concatenate([value[np.isfinite(value)] for _, _, _, value in lines])
    low, high = float(finite.min()), float(finite.max())
    margin = 0.08 * max(high - low, 1e-6)
    low, high = low - margin, high + margin
    until = max(float(time[-1]) for _, _, time, _ in lines)
    left, right, top, bottom = 44, width - 10, 30, height - 22
    for value in ticks(low, high):
        y = int(bottom - (value - low) / (high - low) * (bottom - top))
        cv2.line(out, (left, y), (right, y), (46, 42, 38), 1)
        write(out, f"{value:g}", left - 8 - text_width(f"{value:g}", 12), y + 4, 12, DIM)
    for second in range(0, int(until) + 1, max(1, int(until / 6))):
        x = int(left + second / until * (right - left))
        write(out, f"{second} s", x - 6, height - 7, 11, DIM)
    at = left
    for name, colour, time, values in lines:
        columns = left + time / until * (right - left)
        rows = bottom - (values - low) / (high - low) * (bottom - top)
        for start, end in _runs(np.isfinite(values)):
            path = np.stack([columns[start:end], rows[start:end]], 1).round().astype(np.int32)
            cv2.polylines(out, [path], False, colour, 1, cv2.LINE_AA)
        cv2.line(out, (at, 16), (at + 14, 16), colour, 2, cv2.LINE_AA)
        write(out, name, at + 19, 20, 12, WHITE)
        at += 34 + 7 * len(name)
    write(out, unit, width - 12 - 7 * len(unit), 20, 12, DIM)
    return out


def ticks(low: float, high: float) -> list[float]:
    """Three to seven round numbers between two values."""
    rough = (high - low) / 5.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1.0, 2.0, 5.0, 10.0) if power * factor >= rough)
    return [round(k * step, 9) for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _pixel(place: tuple[float, float]) -> tuple[int, int]:
    return int(round(place[0])), int(round(place[1]))
