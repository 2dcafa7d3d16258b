"""From objects to a visibility buffer: poses and lights vertices, clips, and fills inverse depth and triangle number.

Decides what is seen where. What colour it has is ``shading``'s decision.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from scenarios.world.drawing.meshes import FACADE, GLASS, GLOWING, HEAD_LAMP, LANTERN, MATTE, PAINT, SIGNAL, TAIL_LAMP
from scenarios.world.drawing.vertices import (
    COLUMN,
    INVERSE,
    LIT,
    NEAR_M,
    POSED,
    ROW,
    light_vertex,
    pose_vertex,
)
from scenarios.world.kernels import Array, inlined, kernel

RED, AMBER, GREEN, DARK, LIGHTS_ON = 1, 2, 4, 8, 16
"""Bits of ``Objects.state``: which lenses of a signal are lit; that it is dark; that a road user has its lights on."""
OWNER, MATERIAL, SLOT, TAG = range(4)
"""Columns of ``Frame.label``; the tag is instance + 65536 · class."""

AWAY_M3 = -1e-6
"""A triangle whose plane lies so far behind the eye (times twice its area) certainly shows its back."""


class Library(NamedTuple):
    """All meshes in one set of arrays. ranges: (meshes, 6) of vertex, triangle and caster row begins and ends; planes:
    (triangles, 4) of each one's normal (as long as twice its area) and its product with a corner."""

    vertices: Array
    normals: Array
    triangles: Array
    slots: Array
    materials: Array
    ranges: Array
    radii: Array
    caster_points: Array
    caster_ranges: Array
    planes: Array


class Objects(NamedTuple):
    """What stands in the scene, one row each. pose: x, y, z, yaw, scale; mesh: library row or -1; tag: see ``TAG``;
    shaded: whether ground closeness darkens it; sun: share of direct light; palette (n, 8, 3); state: see ``RED``."""

    pose: Array
    mesh: Array
    tag: Array
    braking: Array
    shaded: Array
    sun: Array
    palette: Array
    state: Array


class View(NamedTuple):
    """eye (3,), turn (3, 3) map to optical frame, lens (fx, fy, cx, cy)."""

    eye: Array
    turn: Array
    lens: Array


class Frame(NamedTuple):
    """Buffers of one picture size. record: (n, 12) light planes (sun, sky, mirror) and colour of each drawn triangle;
    label: (n, 4) integers; vertex: scratch, see ``COLUMN``; polygon: scratch corners; turn: objects drawn so far."""

    inverse_depth: Array
    triangle: Array
    shadow: Array
    record: Array
    label: Array
    vertex: Array
    polygon: Array
    turn: Array


@inlined
def fill_span(row_depth: Array, row_index: Array, first: int, end: int, start: float, slope: float, index: int) -> None:
    """One row of a triangle against the depth buffer; inverse depth is affine in the picture."""
    base, rise = np.float32(start), np.float32(slope)
    for x in range(first, end):
        value = base + rise * np.float32(x)
        if value > row_depth[x]:
            row_depth[x] = value
            row_index[x] = index


@kernel
def crossings(polygon: Array, count: int, yc: float) -> tuple[float, float]:
    """Where the line y = ``yc`` crosses a convex polygon; edges are taken top to bottom so that neighbours agree."""
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


@kernel
def bounds(low: float, high: float, size: int) -> tuple[int, int]:
    """First and one past the last pixel whose centre lies in [low, high), within the picture."""
    first = int(math.ceil(min(max(low, 0.0), size + 1.0) - 0.5))
    end = int(math.ceil(min(max(high, 0.0), size + 0.5) - 0.5))
    return first, min(end, size)


@kernel
def fill(polygon: Array, count: int, a: float, b: float, c: float, index: int, depth: Array, owner: Array) -> bool:
    """Fill a convex polygon (picture coordinates) of inverse depth a·x + b·y + c; False when no row is touched."""
    height, width = depth.shape
    top, bottom, left, right = 1e30, -1e30, 1e30, -1e30
    for i in range(count):
        left, right = min(left, polygon[i, 0]), max(right, polygon[i, 0])
        top, bottom = min(top, polygon[i, 1]), max(bottom, polygon[i, 1])
    first, end = bounds(top, bottom, height)
    begin, stop = bounds(left, right, width)
    if first >= end or begin >= stop:
        return False
    for y in range(first, end):
        low, high = crossings(polygon, count, y + 0.5)
        if high > low:
            begin, stop = bounds(low, high, width)
            fill_span(depth[y], owner[y], begin, stop, b * (y + 0.5) + c + 0.5 * a, a, index)
    return True


@kernel
def clip_near(vertex: Array, rows: tuple[int, int, int], lens: Array, polygon: Array) -> int:
    """Project a triangle (rows of ``vertex``), cut at the near plane, into ``polygon``; returns its corner count."""
    count = 0
    for k in range(3):
        a, b = rows[k], rows[k + 1 if k < 2 else 0]
        near_a, near_b = vertex[a, 2] > NEAR_M, vertex[b, 2] > NEAR_M
        if near_a:
            polygon[count, 0], polygon[count, 1] = vertex[a, COLUMN], vertex[a, ROW]
            count += 1
        if near_a != near_b:
            share = (NEAR_M - vertex[a, 2]) / (vertex[b, 2] - vertex[a, 2])
            x = vertex[a, 0] + share * (vertex[b, 0] - vertex[a, 0])
            y = vertex[a, 1] + share * (vertex[b, 1] - vertex[a, 1])
            polygon[count, 0], polygon[count, 1] = lens[0] * x / NEAR_M + lens[2], lens[1] * y / NEAR_M + lens[3]
            count += 1
    return count


@kernel
def in_view(pose: Array, radius: float, view: View, width: int) -> bool:
    """Whether a sphere around the object's origin can touch the picture."""
    x, y, z = pose[0] - view.eye[0], pose[1] - view.eye[1], pose[2] - view.eye[2]
    forward = view.turn[2, 0] * x + view.turn[2, 1] * y + view.turn[2, 2] * z
    right = view.turn[0, 0] * x + view.turn[0, 1] * y + view.turn[0, 2] * z
    to_left, to_right = view.lens[2] / view.lens[0], (width - view.lens[2]) / view.lens[0]
    beyond_left = -right - forward * to_left > radius * math.sqrt(1.0 + to_left * to_left)
    beyond_right = right - forward * to_right > radius * math.sqrt(1.0 + to_right * to_right)
    return forward > -radius and not beyond_left and not beyond_right


@kernel
def draw_clipped(vertex: Array, rows: tuple[int, int, int], mirror: bool, view: View, frame: Frame, drawn: int) -> bool:
    """A triangle that reaches behind the near plane: like ``draw_triangle``, by way of camera coordinates."""
    p, q, r = rows
    px, py, pz = vertex[p, 0], vertex[p, 1], vertex[p, 2]
    qx, qy, qz = vertex[q, 0], vertex[q, 1], vertex[q, 2]
    rx, ry, rz = vertex[r, 0], vertex[r, 1], vertex[r, 2]
    ax, ay, az = qy * rz - qz * ry, qz * rx - qx * rz, qx * ry - qy * rx
    determinant = px * ax + py * ay + pz * az
    if determinant > -1e-9 or (pz <= NEAR_M and qz <= NEAR_M and rz <= NEAR_M):
        return False
    bx, by, bz = ry * pz - rz * py, rz * px - rx * pz, rx * py - ry * px
    cx, cy, cz = py * qz - pz * qy, pz * qx - px * qz, px * qy - py * qx
    count = clip_near(vertex, rows, view.lens, frame.polygon)
    # A quantity that is linear in space, divided by depth, is affine in the picture: weights are its corner values.
    across, down, whole = 1.0 / (determinant * view.lens[0]), 1.0 / (determinant * view.lens[1]), 1.0 / determinant
    a, b = (ax + bx + cx) * across, (ay + by + cy) * down
    c = (az + bz + cz) * whole - a * view.lens[2] - b * view.lens[3]
    if not fill(frame.polygon, count, a, b, c, drawn, frame.inverse_depth, frame.triangle):
        return False
    for k in range(3 if mirror else 2):
        wp, wq, wr = vertex[p, 3 + k], vertex[q, 3 + k], vertex[r, 3 + k]
        a, b = (wp * ax + wq * bx + wr * cx) * across, (wp * ay + wq * by + wr * cy) * down
        frame.record[drawn, 3 * k], frame.record[drawn, 3 * k + 1] = a, b
        frame.record[drawn, 3 * k + 2] = (wp * az + wq * bz + wr * cz) * whole - a * view.lens[2] - b * view.lens[3]
    return True


@inlined
def fill_triangle(
    vertex: Array, p: int, q: int, r: int, a: float, b: float, c: float, frame: Frame, drawn: int
) -> None:
    """Fill a triangle of projected vertices; edges run top to bottom so that neighbours agree on every pixel."""
    if vertex[q, ROW] < vertex[p, ROW]:
        p, q = q, p
    if vertex[r, ROW] < vertex[q, ROW]:
        q, r = r, q
        if vertex[q, ROW] < vertex[p, ROW]:
            p, q = q, p
    x0, y0, x1, y1, x2, y2 = (
        vertex[p, COLUMN], vertex[p, ROW], vertex[q, COLUMN], vertex[q, ROW], vertex[r, COLUMN], vertex[r, ROW],
    )  # fmt: skip
    height, width = frame.inverse_depth.shape
    first, end = bounds(y0, y2, height)
    if first >= end:
        return
    whole = (x2 - x0) / (y2 - y0)
    upper = (x1 - x0) / (y1 - y0) if y1 > y0 else 0.0
    lower = (x2 - x1) / (y2 - y1) if y2 > y1 else 0.0
    for y in range(first, end):
        yc = y + 0.5
        low = x0 + (yc - y0) * whole
        high = x0 + (yc - y0) * upper if yc < y1 else x1 + (yc - y1) * lower
        if low > high:
            low, high = high, low
        begin, stop = bounds(low, high, width)
        if begin < stop:
            fill_span(frame.inverse_depth[y], frame.triangle[y], begin, stop, b * yc + c + 0.5 * a, a, drawn)


@inlined
def faces(vertex: Array, p: int, q: int, r: int, width: int, height: int) -> bool:
    """Whether a triangle may be seen: it faces the eye and covers a pixel's centre, or crosses the near plane."""
    if vertex[p, 2] <= NEAR_M or vertex[q, 2] <= NEAR_M or vertex[r, 2] <= NEAR_M:
        return max(float(vertex[p, 2]), float(vertex[q, 2]), float(vertex[r, 2])) > NEAR_M
    x0, y0, x1, y1 = vertex[p, COLUMN], vertex[p, ROW], vertex[q, COLUMN], vertex[q, ROW]
    x2, y2 = vertex[r, COLUMN], vertex[r, ROW]
    if (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0) > -1e-9:
        return False
    begin, stop = bounds(min(x0, x1, x2), max(x0, x1, x2), width)
    first, end = bounds(min(y0, y1, y2), max(y0, y1, y2), height)
    return begin < stop and first < end


@inlined
def draw_triangle(
    vertex: Array, rows: tuple[int, int, int], mirror: bool, view: View, frame: Frame, drawn: int
) -> bool:
    """Fill a triangle that ``faces`` the eye, write its light planes to record ``drawn``; False if none of it shows."""
    p, q, r = rows
    if vertex[p, 2] <= NEAR_M or vertex[q, 2] <= NEAR_M or vertex[r, 2] <= NEAR_M:
        return draw_clipped(vertex, rows, mirror, view, frame, drawn)
    x0, y0 = vertex[p, COLUMN], vertex[p, ROW]
    ux, uy, vx, vy = vertex[q, COLUMN] - x0, vertex[q, ROW] - y0, vertex[r, COLUMN] - x0, vertex[r, ROW] - y0
    area = ux * vy - uy * vx
    whole = 1.0 / area
    w0, w1, w2 = vertex[p, INVERSE], vertex[q, INVERSE], vertex[r, INVERSE]
    a = ((w1 - w0) * vy - (w2 - w0) * uy) * whole
    b = ((w2 - w0) * ux - (w1 - w0) * vx) * whole
    fill_triangle(vertex, p, q, r, a, b, w0 - a * x0 - b * y0, frame, drawn)
    # A quantity that is linear in space, divided by depth, is affine in the picture.
    for k in range(3 if mirror else 2):
        q0, q1, q2 = w0 * vertex[p, 3 + k], w1 * vertex[q, 3 + k], w2 * vertex[r, 3 + k]
        a = ((q1 - q0) * vy - (q2 - q0) * uy) * whole
        b = ((q2 - q0) * ux - (q1 - q0) * vx) * whole
        frame.record[drawn, 3 * k], frame.record[drawn, 3 * k + 1] = a, b
        frame.record[drawn, 3 * k + 2] = q0 - a * x0 - b * y0
    return True


@kernel
def lamp(record: Array, drawn: int, material: int, slot: int, braking: bool, state: int) -> int:
    """Colour a lamp; returns the material it is drawn with."""
    red, green, blue, glows = 246.0, 247.0, 240.0, True
    if material == TAIL_LAMP:
        glows = braking
        red, green, blue = (255.0, 38.0, 24.0) if braking else (120.0, 16.0, 18.0)
        if not braking and state & DARK and state & LIGHTS_ON:
            red, green, blue, glows = 196.0, 20.0, 16.0, True
    elif material == HEAD_LAMP:
        if state & DARK and not state & LIGHTS_ON:
            red, green, blue, glows = 170.0, 172.0, 168.0, False
    elif material == SIGNAL:
        glows = state & (1 << slot) != 0
        if slot == 0:
            red, green, blue = (255.0, 44.0, 30.0) if glows else (64.0, 18.0, 16.0)
        elif slot == 1:
            red, green, blue = (255.0, 176.0, 32.0) if glows else (66.0, 46.0, 14.0)
        else:
            red, green, blue = (60.0, 255.0, 150.0) if glows else (14.0, 58.0, 40.0)
    else:
        glows = state & DARK != 0
        if not glows:
            return MATTE
        red, green, blue = 255.0, 226.0, 170.0
    record[drawn, 9], record[drawn, 10], record[drawn, 11] = red, green, blue
    return GLOWING if glows else MATTE


@inlined
def name(library: Library, objects: Objects, o: int, t: int, frame: Frame, drawn: int) -> None:
    """Record what triangle ``t`` of object ``o`` is made of, which colour it has, and whose it is."""
    material, slot = library.materials[t], library.slots[t]
    for k in range(3):
        frame.record[drawn, 9 + k] = objects.palette[o, slot, k]
    if material in (HEAD_LAMP, TAIL_LAMP, SIGNAL, LANTERN):
        material = lamp(frame.record, drawn, material, slot, objects.braking[o], objects.state[o])
    frame.label[drawn, OWNER], frame.label[drawn, MATERIAL] = o, material
    frame.label[drawn, SLOT], frame.label[drawn, TAG] = slot, objects.tag[o]


@kernel
def draw_object(library: Library, objects: Objects, o: int, view: View, sun: Array, frame: Frame, drawn: int) -> int:
    """Draw one object; ``drawn`` triangles have been recorded before, the new count is returned."""
    mesh, pose = objects.mesh[o], objects.pose[o]
    frame.turn[0] += 1.0
    first, now = library.ranges[mesh, 0], frame.turn[0]
    cos, sin = math.cos(pose[3]), math.sin(pose[3])
    dx, dy = pose[0] - view.eye[0], pose[1] - view.eye[1]
    # The eye as the mesh has it.
    ex, ey, ez = -(cos * dx + sin * dy) / pose[4], (sin * dx - cos * dy) / pose[4], (view.eye[2] - pose[2]) / pose[4]
    height, width = frame.triangle.shape
    for t in range(library.ranges[mesh, 2], library.ranges[mesh, 3]):
        plane = library.planes[t]
        if plane[0] * ex + plane[1] * ey + plane[2] * ez - plane[3] < AWAY_M3:
            continue
        p, q, r = library.triangles[t, 0] - first, library.triangles[t, 1] - first, library.triangles[t, 2] - first
        for i in (p, q, r):
            if frame.vertex[i, POSED] != now:
                frame.vertex[i, POSED] = now
                pose_vertex(
                    library.vertices[i + first], pose, cos, sin, view.turn, view.eye, view.lens, frame.vertex[i]
                )
        if not faces(frame.vertex, p, q, r, width, height) or drawn >= frame.label.shape[0]:
            continue
        for i in (p, q, r):
            if frame.vertex[i, LIT] != now:
                frame.vertex[i, LIT] = now
                light_vertex(
                    library.vertices[i + first], library.normals[i + first], pose, cos, sin, objects.shaded[o],
                    objects.sun[o], view.eye, sun, frame.vertex[i],
                )  # fmt: skip
        mirror = library.materials[t] in (PAINT, GLASS)
        if not draw_triangle(frame.vertex, (p, q, r), mirror, view, frame, drawn):
            continue
        name(library, objects, o, t, frame, drawn)
        if library.materials[t] == FACADE:
            # The wall's distance from the eye, for the footprint of its pixels.
            corner, front = library.vertices[p + first], library.slots[t] == 0
            offset = -corner[1] if front else -corner[0]
            away = sin * dx - cos * dy if front else -cos * dx - sin * dy
            frame.record[drawn, 6] = 1.0 / max(0.05, abs(away + offset))
        drawn += 1
    return drawn


@kernel
def draw(library: Library, objects: Objects, order: Array, view: View, sun: Array, frame: Frame, drawn: int) -> int:
    """Draw every object in view into cleared buffers, in ``order`` (near ones first saves work).

    ``drawn`` triangles are recorded already (0 at first); returns their number afterwards.
    """
    for o in order:
        mesh = objects.mesh[o]
        if mesh >= 0 and in_view(
            objects.pose[o], library.radii[mesh] * objects.pose[o, 4], view, frame.triangle.shape[1]
        ):
            drawn = draw_object(library, objects, o, view, sun, frame, drawn)
    return drawn
