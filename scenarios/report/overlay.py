"""Draws what the car saw, knew and did onto its camera pictures: one tile per variant and instant.

The picture is the newest frame; the boxes are those of the newest committed answer, so that its age can be seen.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from operators.geometry.cameras import map_to_ego, project
from scenarios.report.drawing import (
    AMBER,
    DIM,
    GREEN,
    RED,
    WHITE,
    Colour,
    Picture,
    bar,
    bgr,
    plate,
    text_width,
    write,
    write_centred,
)
from scenarios.report.drive import FRONT_M, NAMES, STANDING_MPS, Drive, Gap, metres

MODEL_COLOURS = {
    "small": bgr("#4fd1ff"),
    "medium": bgr("#7ee06a"),
    "large": bgr("#ffd23f"),
    "cloud": bgr("#ff7ad9"),
}
"""Who answered. Others, such as the truth, are white."""

HEADER_PX = 42
RIBBON_HALF_M = 0.85
RIBBON_NEAR_M, RIBBON_FAR_M, RIBBON_STEP_M = 2.4, 45.0, 0.6
RIBBON_COVER = 0.42
HARD_BRAKING_MPS2 = 6.0
BOX_SHARE_MIN = 0.3
TAG_WIDTH_PX, TAG_HEIGHT_PX = 80, 17
TAGGED_PX = 32.0
"""Height from which a person's box carries its track and age."""
NS_PER_MS = 1_000_000


def model_colour(model: str) -> Colour:
    """The colour of a model's answers; ``cloud.large`` counts as the cloud's."""
    return MODEL_COLOURS.get(model.partition(".")[0], WHITE)


def draw(drive: Drive, now_ns: int, *, blink: bool = True) -> Picture:
    """The tile of a drive at a time, BGR, of the camera's size. ``blink``: whether flashing things are lit."""
    now = min(now_ns, drive.end_ns)
    found = drive.picture(now)
    if found is None:
        tile: Picture = np.full((drive.camera.height_px, drive.camera.width_px, 3), 40, np.uint8)
    else:
        tile = np.asarray(cv2.imdecode(np.frombuffer(found[2], np.uint8), cv2.IMREAD_COLOR), np.uint8)
    taken = found[0] if found else now
    gap = drive.gap(now)
    _ribbon(tile, drive, now, taken)
    _boxes(tile, drive, now, gap)
    _header(tile, drive, now, gap, blink)
    _verdict(tile, drive, now, gap)
    return tile


def _ribbon(tile: Picture, drive: Drive, now: int, taken: int) -> None:
    """The road that the car will use, up to where its bumper will be: green at constant speed, red where it brakes."""
    plan = drive.trajectories.newest(now)
    if plan is None or len(plan.value["x_m"]) < 2:
        return
    value = plan.value
    points = map_to_ego(drive.ego(taken), np.stack([value["x_m"], value["y_m"]], axis=1).astype(float))
    steps = np.hypot(*np.diff(points, axis=0).T)
    arc = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.append(np.arange(0.0, arc[-1] + FRONT_M, RIBBON_STEP_M), arc[-1] + FRONT_M)
    heading = float(value["yaw_rad"][-1]) - drive.ego(taken).yaw_rad
    beyond = np.maximum(0.0, at - arc[-1])
    x = np.interp(at, arc, points[:, 0]) + beyond * np.cos(heading)
    y = np.interp(at, arc, points[:, 1]) + beyond * np.sin(heading)
    decel = -np.gradient(np.asarray(value["speed_mps"], float), np.asarray(value["time_s"], float))
    # The bumper is ahead of the axle that the speeds are of.
    braking = np.interp(at - FRONT_M, arc, decel)
    keep = (x > RIBBON_NEAR_M + drive.camera.x_m) & (x < RIBBON_FAR_M)
    if keep.sum() < 2:
        return
    x, y, braking = x[keep], y[keep], braking[keep]
    yaw = np.arctan2(np.gradient(y), np.gradient(x))
    edges = [
        _on_road(drive, x - side * np.sin(yaw), y + side * np.cos(yaw)) for side in (RIBBON_HALF_M, -RIBBON_HALF_M)
    ]
    _fill(tile, edges[0], edges[1], braking)


def _on_road(drive: Drive, x_m: NDArray[np.float64], y_m: NDArray[np.float64]) -> NDArray[np.int32]:
    """Pixels (n, 2) of ego-frame points on the road, in 1/16 px."""
    seen = project(drive.camera, np.stack([x_m, y_m, np.zeros_like(x_m)], axis=1))[:, :2]
    return np.asarray(np.rint(np.clip(seen, -4000.0, 4000.0) * 16.0), np.int32)


def _fill(tile: Picture, left: NDArray[np.int32], right: NDArray[np.int32], braking: NDArray[np.float64]) -> None:
    top = max(0, int(min(left[:, 1].min(), right[:, 1].min()) // 16) - 2)
    area = tile[top:]
    if not area.size:
        return
    painted = area.copy()
    shift = np.array((0, top * 16), np.int32)
    for i in reversed(range(len(left) - 1)):
        quad = np.stack([left[i], left[i + 1], right[i + 1], right[i]]) - shift
        cv2.fillConvexPoly(painted, quad, _brake_colour(float(braking[i])), cv2.LINE_AA, 4)
    cv2.addWeighted(area, 1.0 - RIBBON_COVER, painted, RIBBON_COVER, 0.0, dst=area)
    for edge in (left, right):
        cv2.polylines(area, [edge - shift], False, WHITE, 1, cv2.LINE_AA, 4)


def _brake_colour(decel_mps2: float) -> Colour:
    share = min(1.0, max(0.0, decel_mps2 / HARD_BRAKING_MPS2))
    low, high, part = (GREEN, AMBER, 2.0 * share) if share < 0.5 else (AMBER, RED, 2.0 * share - 1.0)
    mixed = [round(a + (b - a) * part) for a, b in zip(low, high, strict=True)]
    return mixed[0], mixed[1], mixed[2]


def _boxes(tile: Picture, drive: Drive, now: int, gap: Gap | None) -> None:
    """Detections in the colour of who answered; people and the one in the way stand out, with their age."""
    answer = drive.detections.newest(now)
    if answer is None:
        return
    colour = model_colour(answer.value["model"])
    tracks = drive.tracks.newest(now)
    age = f"{(now - answer.origin) // NS_PER_MS} ms"
    tags = []
    for item in answer.value["items"]:
        box = item["box"]
        track = _track_of(box, tracks.value["items"] if tracks else [])
        in_way = gap is not None and track == gap.who.track_id
        corners = [round(box[name] * 16) for name in ("x0_px", "y0_px", "x1_px", "y1_px")]
        is_person = item["label"] == "pedestrian"
        cv2.rectangle(tile, tuple(corners[:2]), tuple(corners[2:]), colour, 1 + (in_way or is_person), cv2.LINE_AA, 4)
        if in_way or is_person and box["y1_px"] - box["y0_px"] >= TAGGED_PX:
            tags.append((in_way, corners[0] // 16, corners[1] // 16, "" if track is None else f"#{track}  "))
    placed: list[tuple[int, int]] = []
    for _, x, y, name in sorted(tags, reverse=True):
        y = max(y, HEADER_PX + TAG_HEIGHT_PX)
        while any(abs(x - x0) < TAG_WIDTH_PX and abs(y - y0) < TAG_HEIGHT_PX for x0, y0 in placed):
            y -= 1
        placed.append((x, y))
        _tag(tile, x, y, f"{name}{age}", colour)


def _track_of(box: dict[str, float], tracks: list[dict[str, Any]]) -> int | None:
    """The track that covers a detection best; None when none does."""
    best, found = BOX_SHARE_MIN, None
    for track in tracks:
        share = _overlap(box, track["box"])
        if share > best:
            best, found = share, int(track["track_id"])
    return found


def _overlap(a: dict[str, float], b: dict[str, float]) -> float:
    wide = min(a["x1_px"], b["x1_px"]) - max(a["x0_px"], b["x0_px"])
    high = min(a["y1_px"], b["y1_px"]) - max(a["y0_px"], b["y0_px"])
    if wide <= 0.0 or high <= 0.0:
        return 0.0
    areas = sum((box["x1_px"] - box["x0_px"]) * (box["y1_px"] - box["y0_px"]) for box in (a, b))
    return wide * high / (areas - wide * high)


def _tag(tile: Picture, x: int, y: int, text: str, colour: Colour) -> None:
    plate(tile, x - 1, y - 16, x + text_width(text, 11) + 3, y - 1, cover=0.72)
    write(tile, text, x + 2, y - 5, 11, colour)


def _header(tile: Picture, drive: Drive, now: int, gap: Gap | None, blink: bool) -> None:
    missed = drive.missed(now)
    width = tile.shape[1]
    plate(tile, 0, 0, width, HEADER_PX, cover=0.78)
    write(tile, drive.name, 12, 18, 17, bold=True)
    answer = drive.detections.newest(now)
    if answer is not None:
        model = answer.value["model"]
        plate(tile, 12, 27, 20, 35, model_colour(model), 1.0)
        write(tile, f"{model}, {(now - answer.origin) // NS_PER_MS} ms old", 25, 35, 12, DIM)
    speed = drive.ego(now).speed_mps
    _figure(tile, 232, "speed", f"{abs(speed):.1f} m/s", WHITE)
    hit = drive.collided and now >= drive.end_ns
    free = "0.0 m" if hit else f"{gap.distance_m:.1f} m" if gap else "free"
    _figure(tile, 316, "gap", free, WHITE if gap or hit else DIM)
    _pedals(tile, drive, now, 394)
    _deadline(tile, drive, now, 500, missed and blink, missed)


def _figure(tile: Picture, x: int, caption: str, value: str, colour: Colour) -> None:
    write(tile, caption, x, 15, 11, DIM)
    write(tile, value, x, 34, 16, colour, bold=True)


def _pedals(tile: Picture, drive: Drive, now: int, x: int) -> None:
    """Brake to the left in red, throttle to the right in green."""
    command = drive.commands.newest(now)
    brake, throttle = (command.value["brake"], command.value["throttle"]) if command else (0.0, 0.0)
    write(tile, "brake", x, 15, 11, RED if brake > 0.0 else DIM)
    right = x + 88
    write(tile, "throttle", right - text_width("throttle", 11), 15, 11, GREEN if throttle > 0.0 else DIM)
    middle, half = x + 44, 43
    plate(tile, x, 24, right, 34, WHITE, 0.18)
    for share, sign, colour in ((brake, -1, RED), (throttle, 1, GREEN)):
        end = middle + sign * round(min(1.0, max(0.0, share)) * half)
        if end != middle:
            cv2.rectangle(tile, (min(middle, end), 24), (max(middle, end), 33), colour, cv2.FILLED)
    cv2.line(tile, (middle, 22), (middle, 35), WHITE, 1)


def _deadline(tile: Picture, drive: Drive, now: int, x: int, lit: bool, missed: bool) -> None:
    """The time that the answer in the making has used of its budget."""
    used, limit = drive.response(now)
    width = tile.shape[1] - x - 12
    if limit is None:
        write(tile, "response, no deadline", x, 15, 11, DIM)
        if used is not None:
            write(tile, f"{used // NS_PER_MS} ms", x, 34, 16, WHITE, bold=True)
        return
    if lit:
        plate(tile, x - 8, 0, tile.shape[1], HEADER_PX, RED, 0.85)
    caption = "deadline missed" if missed else "response"
    write(tile, caption, x, 15, 11, WHITE if missed else DIM, bold=missed)
    if not missed:
        text = f"of {limit // NS_PER_MS} ms"
        write(tile, text, x + width - text_width(text, 11), 15, 11, WHITE)
    share = (used or 0) / max(1, limit)
    bar(tile, x, 24, width, 10, share, RED if share >= 1.0 or missed and not lit else AMBER if share > 0.8 else GREEN)


def _verdict(tile: Picture, drive: Drive, now: int, gap: Gap | None) -> None:
    """How it ended: a red frame after a contact, a green one as long as the car stands before somebody."""
    if drive.collided and now >= drive.end_ns:
        _frame(tile, RED, f"hit at {drive.outcome.get('impact_speed_mps', 0.0):.1f} m/s", tint=0.15)
    elif gap is not None and abs(drive.ego(now).speed_mps) < STANDING_MPS:
        who = NAMES.get(gap.who.label, gap.who.label)
        _frame(tile, GREEN, f"stopped {metres(drive.standing_gap_m(gap))} before the {who}", tint=0.0)


def _frame(tile: Picture, colour: Colour, text: str, *, tint: float) -> None:
    height, width = tile.shape[:2]
    if tint:
        plate(tile, 0, HEADER_PX, width, height, colour, tint)
    cv2.rectangle(tile, (3, HEADER_PX + 3), (width - 4, height - 4), colour, 6)
    half = text_width(text, 26, bold=True) // 2 + 18
    plate(tile, width // 2 - half, height - 72, width // 2 + half, height - 28, colour, 0.92)
    write_centred(tile, text, width // 2, height - 41, 26, WHITE if colour == RED else (20, 30, 20), bold=True)
