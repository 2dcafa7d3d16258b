"""From objects to a visibility buffer: poses and lights vertices, clips, and fills inverse depth and triangle number.

Decides what is seen where. What colour it has is ``shading``'s decision. Strict floating point: equal input, equal buffer.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from scenarios.world.meshes import GLASS, PAINT

NEAR_M = 0.25

Array = NDArray[Any]


class Library(NamedTuple):
    """All meshes in one set of arrays. ranges: (meshes, 7) of first vertex, end, first triangle, end, and caster rows."""

    vertices: Array
    normals: Array
    triangles: Array
    slots: Array
    materials: Array
    ranges: Array
    radii: Array
    caster_points: Array
    caster_ranges: Array


class Objects(NamedTuple):
    """What stands in the scene, one row each: pose (x, y, z, yaw, scale), mesh, id, class, flags, sun share, palette."""

    pose: Array
    mesh: Array
    instance: Array
    semantic: Array
    braking: Array
    sun: Array
    palette: Array
    style: Array


class View(NamedTuple):
    """eye (3,), turn (3, 3) map to optical frame, lens (fx, fy, cx, cy)."""

    eye: Array
    turn: Array
    lens: Array


class Frame(NamedTuple):
    """Buffers of one picture size: inverse depth, triangle number, ground shadow, and the drawn triangles' records."""

    inverse_depth: Array
    triangle: Array
    shadow: Array
    light: Array
    owner: Array
    source: Array
    scratch: Array


@njit(cache=True, error_model="numpy")
def fill_span(row_depth: Array, row_index: Array, first: int, end: int, start: float, slope: float, index: int) -> None:
    """One row of a triangle against the depth buffer; inverse depth is affine in the picture."""
    base, rise = np.float32(start), np.float32(slope)
    for x in range(first, end):
        value = base + rise * np.float32(x)
        if value > row_depth[x]:
            row_depth[x] = value
            row_index[x] = index


@njit(cache=True, error_model="numpy")
def row_interval(polygon: Array, count: int, yc: float) -> tuple[float, float]:
    """Where the horizontal line ``yc`` crosses a convex polygon; edges are taken top to bottom so that neighbours agree."""
    low, high = 1e30, -1e30
    for i in range(count):
        j = i + 1 if i + 1 < count else 0
        ya, yb = polygon[i, 1], polygon[j, 1]
        if (ya <= yc) != (yb <= yc):
            if ya < yb:
                x = polygon[i, 0] + (yc - ya) * (polygon[j, 0] - polygon[i, 0]) / (yb - ya)
            else:
                x = polygon[j, 0] + (yc - yb) * (polygon[i, 0] - polygon[j, 0]) / (ya - yb)
            low, high = min(low, x), max(high, x)
    return low, high


@njit(cache=True, error_model="numpy")
def fill(polygon: Array, count: int, plane: tuple[float, float, float], index: int, depth: Array, owner: Array) -> None:
    """Fill a convex polygon (picture coordinates) whose inverse depth is a·x + b·y + c at pixel centres."""
    height, width = depth.shape
    top, bottom = 1e30, -1e30
    for i in range(count):
        top, bottom = min(top, polygon[i, 1]), max(bottom, polygon[i, 1])
    first = max(0, int(math.ceil(max(top, -1.0) - 0.5)))
    last = min(height - 1, int(math.ceil(min(bottom, height + 1.0) - 0.5)) - 1)
    for y in range(first, last + 1):
        low, high = row_interval(polygon, count, y + 0.5)
        if high <= low:
            continue
        begin = max(0, int(math.ceil(max(low, -1.0) - 0.5)))
        end = min(width, int(math.ceil(min(high, width + 1.0) - 0.5)))
        fill_span(depth[y], owner[y], begin, end, plane[1] * (y + 0.5) + plane[2] + 0.5 * plane[0], plane[0], index)


@njit(cache=True, error_model="numpy")
def vertex_light(n: Array, to_eye: Array, sun: Array, sun_share: float, z: float) -> tuple[float, float, float]:
    """Sun light, sky light and mirrored sky of a vertex with normal ``n``; ``z`` is its height over the ground."""
    direct = max(0.0, n[0] * sun[0] + n[1] * sun[1] + n[2] * sun[2]) * sun_share
    near_ground = min(1.0, max(0.0, z) / 0.7)
    sky = (0.62 + 0.38 * n[2]) * (0.62 + 0.38 * near_ground)
    cosine = n[0] * to_eye[0] + n[1] * to_eye[1] + n[2] * to_eye[2]
    up = 2.0 * cosine * n[2] - to_eye[2]
    edge = 1.0 - min(1.0, max(0.0, cosine))
    fresnel = 0.05 + 0.75 * edge * edge * edge * edge
    bright = 0.95 - 0.35 * up if up > 0.0 else 0.28 + 0.3 * max(0.0, 1.0 + 8.0 * up)
    glint = 0.0
    if direct > 0.0:
        along = 2.0 * cosine * (n[0] * sun[0] + n[1] * sun[1] + n[2] * sun[2])
        along -= to_eye[0] * sun[0] + to_eye[1] * sun[1] + to_eye[2] * sun[2]
        glint = 1.3 * max(0.0, along) ** 24 * sun_share
    return direct, sky, fresnel * bright + 0.35 * glint * (0.3 + fresnel)


@njit(cache=True, error_model="numpy")
def pose_vertices(library: Library, first: int, end: int, pose: Array, view: View, sun: Array, share: float, out: Array) -> None:
    """Rows of ``out``: camera coordinates (3), then sun, sky and mirrored light of each vertex."""
    cos, sin, scale = math.cos(pose[3]), math.sin(pose[3]), pose[4]
    n, to_eye = np.empty(3), np.empty(3)
    turn, eye = view.turn, view.eye
    for i in range(first, end):
        vx, vy, vz = library.vertices[i, 0] * scale, library.vertices[i, 1] * scale, library.vertices[i, 2] * scale
        x, y, z = pose[0] + cos * vx - sin * vy - eye[0], pose[1] + sin * vx + cos * vy - eye[1], pose[2] + vz - eye[2]
        row = out[i - first]
        row[0] = turn[0, 0] * x + turn[0, 1] * y + turn[0, 2] * z
        row[1] = turn[1, 0] * x + turn[1, 1] * y + turn[1, 2] * z
        row[2] = turn[2, 0] * x + turn[2, 1] * y + turn[2, 2] * z
        n[0] = cos * library.normals[i, 0] - sin * library.normals[i, 1]
        n[1] = sin * library.normals[i, 0] + cos * library.normals[i, 1]
        n[2] = library.normals[i, 2]
        distance = math.sqrt(x * x + y * y + z * z)
        to_eye[0], to_eye[1], to_eye[2] = -x / distance, -y / distance, -z / distance
        row[3], row[4], row[5] = vertex_light(n, to_eye, sun, share, z + eye[2])


@njit(cache=True, error_model="numpy")
def clip_near(p: Array, q: Array, r: Array, lens: Array, polygon: Array) -> int:
    """Project a triangle (camera coordinates), cut at the near plane, into ``polygon``; returns its corner count."""
    count = 0
    for k in range(3):
        a = p if k == 0 else (q if k == 1 else r)
        b = q if k == 0 else (r if k == 1 else p)
        if a[2] > NEAR_M:
            polygon[count, 0] = lens[0] * a[0] / a[2] + lens[2]
            polygon[count, 1] = lens[1] * a[1] / a[2] + lens[3]
            count += 1
        if (a[2] > NEAR_M) != (b[2] > NEAR_M):
            share = (NEAR_M - a[2]) / (b[2] - a[2])
            polygon[count, 0] = lens[0] * (a[0] + share * (b[0] - a[0])) / NEAR_M + lens[2]
            polygon[count, 1] = lens[1] * (a[1] + share * (b[1] - a[1])) / NEAR_M + lens[3]
            count += 1
    return count


@njit(cache=True, error_model="numpy")
def affine(weights: tuple[float, float, float], cross: Array, scale: float, lens: Array) -> tuple[float, float, float]:
    """Coefficients a, b, c of (a·x + b·y + c) = quantity / depth, from the quantity's values at the three corners."""
    mx = (weights[0] * cross[0, 0] + weights[1] * cross[1, 0] + weights[2] * cross[2, 0]) * scale
    my = (weights[0] * cross[0, 1] + weights[1] * cross[1, 1] + weights[2] * cross[2, 1]) * scale
    mz = (weights[0] * cross[0, 2] + weights[1] * cross[1, 2] + weights[2] * cross[2, 2]) * scale
    a, b = mx / lens[0], my / lens[1]
    return a, b, mz - a * lens[2] - b * lens[3]


@njit(cache=True, error_model="numpy")
def crosses(p: Array, q: Array, r: Array, out: Array) -> float:
    """q×r, r×p, p×q into ``out`` and the determinant p·(q×r): negative when the triangle faces the camera."""
    out[0, 0], out[0, 1], out[0, 2] = q[1] * r[2] - q[2] * r[1], q[2] * r[0] - q[0] * r[2], q[0] * r[1] - q[1] * r[0]
    out[1, 0], out[1, 1], out[1, 2] = r[1] * p[2] - r[2] * p[1], r[2] * p[0] - r[0] * p[2], r[0] * p[1] - r[1] * p[0]
    out[2, 0], out[2, 1], out[2, 2] = p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0]
    return p[0] * out[0, 0] + p[1] * out[0, 1] + p[2] * out[0, 2]


@njit(cache=True, error_model="numpy")
def in_view(pose: Array, radius: float, view: View, width: int, height: int) -> bool:
    """Whether a sphere around the object's origin can touch the picture."""
    x, y, z = pose[0] - view.eye[0], pose[1] - view.eye[1], pose[2] - view.eye[2]
    forward = view.turn[2, 0] * x + view.turn[2, 1] * y + view.turn[2, 2] * z
    if forward < -radius:
        return False
    right = view.turn[0, 0] * x + view.turn[0, 1] * y + view.turn[0, 2] * z
    for side in (-1.0, 1.0):
        tangent = (view.lens[2] if side < 0.0 else width - view.lens[2]) / view.lens[0]
        if side * right - forward * tangent > radius * math.sqrt(1.0 + tangent * tangent):
            return False
    return height > 0


@njit(cache=True, error_model="numpy")
def draw_object(library: Library, objects: Objects, o: int, view: View, sun: Array, frame: Frame, drawn: int) -> int:
    """Draw one object; ``drawn`` triangles have been recorded before, the new count is returned."""
    ranges = library.ranges[objects.mesh[o]]
    first = ranges[0]
    vertices = frame.scratch
    pose_vertices(library, first, ranges[1], objects.pose[o], view, sun, objects.sun[o], vertices)
    polygon, cross = np.empty((4, 2)), np.empty((3, 3))
    for t in range(ranges[2], ranges[3]):
        corners = library.triangles[t]
        p, q, r = vertices[corners[0] - first], vertices[corners[1] - first], vertices[corners[2] - first]
        if p[2] <= NEAR_M and q[2] <= NEAR_M and r[2] <= NEAR_M:
            continue
        determinant = crosses(p, q, r, cross)
        if determinant > -1e-9:
            continue
        count = clip_near(p, q, r, view.lens, polygon)
        if count < 3 or drawn >= frame.owner.shape[0]:
            continue
        scale = 1.0 / determinant
        light = frame.light[drawn]
        for k in range(3):
            if k < 2 or library.materials[t] == PAINT or library.materials[t] == GLASS:
                light[3 * k], light[3 * k + 1], light[3 * k + 2] = affine((p[3 + k], q[3 + k], r[3 + k]), cross, scale, view.lens)
        frame.owner[drawn] = o
        frame.source[drawn] = t
        fill(polygon, count, affine((1.0, 1.0, 1.0), cross, scale, view.lens), drawn, frame.inverse_depth, frame.triangle)
        drawn += 1
    return drawn


@njit(cache=True, error_model="numpy")
def draw(library: Library, objects: Objects, view: View, sun: Array, frame: Frame) -> int:
    """Clear the buffers and draw every object in view; returns the number of triangles recorded."""
    height, width = frame.inverse_depth.shape
    frame.inverse_depth[:] = 0.0
    frame.triangle[:] = -1
    drawn = 0
    for o in range(objects.mesh.shape[0]):
        mesh = objects.mesh[o]
        if mesh >= 0 and in_view(objects.pose[o], library.radii[mesh] * objects.pose[o, 4], view, width, height):
            drawn = draw_object(library, objects, o, view, sun, frame, drawn)
    return drawn
