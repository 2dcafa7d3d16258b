"""One vertex: where it lands in the picture and how much light falls on it.

Decides nothing about triangles: ``raster`` asks for what they need.
"""

from __future__ import annotations

import math

from scenarios.world.kernels import Array, inlined

NEAR_M = 0.25
COLUMN, ROW, INVERSE, POSED, LIT = range(6, 11)
"""Columns of ``Frame.vertex`` behind camera coordinates and light; POSED, LIT: ``Frame.turn`` when it was computed."""
VERTEX_COLUMNS = 11


@inlined
def mirrored(nx: float, ny: float, nz: float, ex: float, ey: float, ez: float, sun: Array, share: float) -> float:
    """Share of mirrored sky and sun on paint or glass with this normal; (ex, ey, ez) points to the eye."""
    cosine = nx * ex + ny * ey + nz * ez
    up = 2.0 * cosine * nz - ez
    edge = 1.0 - min(1.0, max(0.0, cosine))
    fresnel = 0.05 + 0.75 * edge * edge * edge * edge
    bright = 0.95 - 0.35 * up if up > 0.0 else 0.25 + 0.4 * max(0.0, 1.0 + 8.0 * up)
    along = 2.0 * cosine * (nx * sun[0] + ny * sun[1] + nz * sun[2]) - ex * sun[0] - ey * sun[1] - ez * sun[2]
    glint = max(0.0, along)
    for _ in range(4):
        glint *= glint
    return float(fresnel * bright + 0.45 * glint * share)


@inlined
def pose_vertex(
    vertex: Array, pose: Array, cos: float, sin: float, turn: Array, eye: Array, lens: Array, out: Array
) -> None:
    """Into a row of ``Frame.vertex``: camera coordinates (3) of a vertex, its place in the picture and its inverse
    depth."""
    vx, vy, vz = vertex[0] * pose[4], vertex[1] * pose[4], vertex[2] * pose[4]
    x, y, z = pose[0] + cos * vx - sin * vy - eye[0], pose[1] + sin * vx + cos * vy - eye[1], pose[2] + vz - eye[2]
    out[0] = turn[0, 0] * x + turn[0, 1] * y + turn[0, 2] * z
    out[1] = turn[1, 0] * x + turn[1, 1] * y + turn[1, 2] * z
    out[2] = turn[2, 0] * x + turn[2, 1] * y + turn[2, 2] * z
    inverse = 1.0 / out[2] if out[2] > NEAR_M else 0.0
    out[COLUMN] = lens[0] * out[0] * inverse + lens[2]
    out[ROW] = lens[1] * out[1] * inverse + lens[3]
    out[INVERSE] = inverse


@inlined
def light_vertex(
    vertex: Array,
    normal: Array,
    pose: Array,
    cos: float,
    sin: float,
    shaded: bool,
    share: float,
    eye: Array,
    sun: Array,
    out: Array,
) -> None:
    """Into a row of ``Frame.vertex``: sun, sky and mirrored light of a vertex. Only what is seen needs it."""
    nx = cos * normal[0] - sin * normal[1]
    ny = sin * normal[0] + cos * normal[1]
    nz = normal[2]
    out[3] = max(0.0, nx * sun[0] + ny * sun[1] + nz * sun[2]) * share
    out[4] = 0.78 + 0.22 * nz
    if shaded:
        vx, vy, vz = (
            vertex[0] * pose[4],
            vertex[1] * pose[4],
            vertex[2] * pose[4],
        )
        x, y, z = pose[0] + cos * vx - sin * vy - eye[0], pose[1] + sin * vx + cos * vy - eye[1], pose[2] + vz - eye[2]
        out[4] *= 0.6 + 0.4 * min(1.0, max(0.0, vz) / 0.8)
        away = 1.0 / math.sqrt(x * x + y * y + z * z)
        out[5] = mirrored(nx, ny, nz, -x * away, -y * away, -z * away, sun, share)
