"""What rain does to a picture: the wet ground mirrors what stands on it, vehicles throw up spray, drops fall.

Decides looks only; the ground's darkness is ``shading``'s and the grey sky ``light``'s.
"""

from __future__ import annotations

import math

from scenarios.world.drawing.classes import GUARD_RAIL, PAVEMENT, ROAD, ROAD_LINE
from scenarios.world.drawing.raster import View
from scenarios.world.drawing.surfaces import blended, hash_cell, lookup
from scenarios.world.kernels import Array, inlined, kernel

STEPS, SHARED = 14, 2
"""Steps along a mirrored ray, and neighbours that share one."""
DROP_FALL_MPS = 8.5
DROP_SHUTTER_S = 0.014


@inlined
def mirrors(kind: int) -> bool:
    """Whether ground of this class shines when wet."""
    return kind in (ROAD, ROAD_LINE, PAVEMENT)


@kernel
def seen_in(
    rgb: Array, depth: Array, semantic: Array, view: View, dx: float, dy: float, dz: float, z: float, late: float
) -> tuple[int, int]:
    """Row and column of what the ground at depth ``z`` along (dx, dy, dz) mirrors; (-1, -1) for the open sky."""
    height, width = depth.shape
    turn, lens = view.turn, view.lens
    for step in range(STEPS):
        part = (step + late) / STEPS
        far = part / (1.0 - min(0.98, part))
        # The mirrored ray, ``far`` times as long as the way to the ground.
        hx, hy, hz = dx * z * (1.0 + far), dy * z * (1.0 + far), dz * z * (1.0 - far)
        zc = turn[2, 0] * hx + turn[2, 1] * hy + turn[2, 2] * hz
        if zc < 0.5:
            break
        i = int(lens[1] * (turn[1, 0] * hx + turn[1, 1] * hy + turn[1, 2] * hz) / zc + lens[3])
        j = int(lens[0] * (turn[0, 0] * hx + turn[0, 1] * hy) / zc + lens[2])
        if i < 0 or i >= height or j < 0 or j >= width:
            break
        if depth[i, j] <= zc or step == STEPS - 1:
            if semantic[i, j] == GUARD_RAIL:
                continue
            if not mirrors(semantic[i, j]) and depth[i, j] > 0.9 * z:
                return i, j
    return -1, -1


@kernel
def mirror_ground(
    rgb: Array, depth: Array, semantic: Array, noise: Array, view: View, wet: float, above: Array
) -> None:
    """Mirror what stands above wet road and pavement in them, in place; ``above``: colour of the sky overhead.

    Source: McGuire, Mara 2014 (screen-space ray tracing).
    """
    height, width = depth.shape
    turn, lens, eye = view.turn, view.lens, view.eye
    for y in range(height):
        v = (y + 0.5 - lens[3]) / lens[1]
        dz = turn[1, 2] * v + turn[2, 2]
        if dz > -0.004:
            continue
        until, i, j = 0, -1, -1
        for x in range(width):
            kind = semantic[y, x]
            if not mirrors(kind):
                until = 0
                continue
            u, z = (x + 0.5 - lens[2]) / lens[0], float(depth[y, x])
            dx, dy = turn[0, 0] * u + turn[1, 0] * v + turn[2, 0], turn[0, 1] * u + turn[1, 1] * v + turn[2, 1]
            slope = -dz / math.sqrt(dx * dx + dy * dy + dz * dz)
            graze = (1.0 - slope) * (1.0 - slope)
            puddle = min(
                1.0, max(0.0, 0.55 + 1.5 * blended(noise, 2, (eye[0] + dx * z) * 3.1, (eye[1] + dy * z) * 3.1))
            )
            share = wet * (0.35 + 0.65 * puddle) * (0.03 + 0.62 * graze * graze * graze)
            if kind == PAVEMENT:
                share *= 0.5
            if x >= until:
                until = x + SHARED
                late = 0.35 + 0.5 * (0.5 + 0.5 * lookup(noise, 0, x * 1.0, y * 1.0))
                i, j = seen_in(rgb, depth, semantic, view, dx, dy, dz, z, late)
            if i >= 0:
                share = min(0.85, share * 1.25)
                red, green, blue = float(rgb[i, j, 0]), float(rgb[i, j, 1]), float(rgb[i, j, 2])
            else:
                red, green, blue = above[0], above[1], above[2]
            rgb[y, x, 0] = int(rgb[y, x, 0] + (red - rgb[y, x, 0]) * share)
            rgb[y, x, 1] = int(rgb[y, x, 1] + (green - rgb[y, x, 1]) * share)
            rgb[y, x, 2] = int(rgb[y, x, 2] + (blue - rgb[y, x, 2]) * share)


@kernel
def spray(rgb: Array, depth: Array, view: View, puffs: Array, noise: Array, colour: Array) -> None:
    """Blend clouds of spray into the picture. puffs: (n, 5) of x, y, z, radius (m) and density."""
    height, width = depth.shape
    turn, lens, eye = view.turn, view.lens, view.eye
    for n in range(puffs.shape[0]):
        rx, ry, rz = puffs[n, 0] - eye[0], puffs[n, 1] - eye[1], puffs[n, 2] - eye[2]
        z = turn[2, 0] * rx + turn[2, 1] * ry + turn[2, 2] * rz
        if z < 2.0 or z > 120.0:
            continue
        cx = lens[0] * (turn[0, 0] * rx + turn[0, 1] * ry + turn[0, 2] * rz) / z + lens[2]
        cy = lens[1] * (turn[1, 0] * rx + turn[1, 1] * ry + turn[1, 2] * rz) / z + lens[3]
        size = lens[0] * puffs[n, 3] / z
        for y in range(max(0, int(cy - size)), min(height, int(cy + size) + 1)):
            for x in range(max(0, int(cx - size)), min(width, int(cx + size) + 1)):
                if depth[y, x] < z - 0.3:
                    continue
                a, b = (x + 0.5 - cx) / size, (y + 0.5 - cy) / size
                inner = 1.0 - a * a - b * b
                if inner > 0.0:
                    cloud = 0.7 + 0.5 * blended(noise, 1, a * 14.0 + n * 37.0, b * 14.0)
                    share = min(0.8, puffs[n, 4] * inner * inner * cloud)
                    for c in range(3):
                        rgb[y, x, c] = int(rgb[y, x, c] + (colour[c] - rgb[y, x, c]) * share)


@kernel
def streaks(rgb: Array, depth: Array, view: View, drops: Array, speed: float, colour: Array) -> None:
    """Draw falling drops as short lines. drops: (n, 3) place in the picture in [0, 1) and distance (m); ``speed``: the
    eye's own, which makes them come at it."""
    height, width = depth.shape
    lens = view.lens
    for n in range(drops.shape[0]):
        x, y, z = drops[n, 0] * width, drops[n, 1] * height, drops[n, 2]
        u, v = (x - lens[2]) / lens[0], (y - lens[3]) / lens[1]
        du = lens[0] * u * speed / z * DROP_SHUTTER_S
        dv = lens[1] * (v * speed + DROP_FALL_MPS) / z * DROP_SHUTTER_S
        length = math.sqrt(du * du + dv * dv)
        if length < 1.0:
            continue
        count = min(60, int(length) + 1)
        strength = min(0.30, 0.10 + 0.5 / z) * (0.55 + 0.45 * hash_cell(n, 3, 7.0))
        for k in range(count):
            share = (k + 0.5) / count
            px, py = x + (share - 0.5) * du, y + (share - 0.5) * dv
            j, i = int(math.floor(px)), int(math.floor(py))
            if i < 0 or i >= height or j < 0 or j + 1 >= width or depth[i, j] < z:
                continue
            weight = strength * (1.0 - abs(2.0 * share - 1.0))
            right = px - j
            for c in range(3):
                rgb[i, j, c] = int(rgb[i, j, c] + (colour[c] - rgb[i, j, c]) * weight * (1.0 - right))
                rgb[i, j + 1, c] = int(rgb[i, j + 1, c] + (colour[c] - rgb[i, j + 1, c]) * weight * right)
