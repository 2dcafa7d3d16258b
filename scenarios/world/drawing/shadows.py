"""Shadows on the ground: the convex parts of objects, projected along the sun, filled into a mask.

Source: Blinn 1988 (planar projected shadows). Objects receive shadow as a share of their footprint, not per pixel.
"""

from __future__ import annotations

import math

import numpy as np

from scenarios.world.drawing.raster import Frame, Library, Objects, View, bounds, crossings
from scenarios.world.drawing.vertices import NEAR_M
from scenarios.world.kernels import Array, allocating, kernel

SUN_SHADOW, UNDER = 1, 2
REACH_M = 130.0


@kernel
def hull(points: Array, count: int, out: Array) -> int:
    """Convex hull (counter-clockwise) of ``points[:count]`` by monotone chains; returns its corner count."""
    for i in range(1, count):
        x, y = points[i, 0], points[i, 1]
        j = i - 1
        while j >= 0 and (points[j, 0] > x or (points[j, 0] == x and points[j, 1] > y)):
            points[j + 1, 0], points[j + 1, 1] = points[j, 0], points[j, 1]
            j -= 1
        points[j + 1, 0], points[j + 1, 1] = x, y
    k = 0
    for turn in range(2):
        floor = k + 1 if turn else 1
        for step in range(count - turn):
            i = step if turn == 0 else count - 2 - step
            while k > floor and (out[k - 1, 0] - out[k - 2, 0]) * (points[i, 1] - out[k - 2, 1]) <= (
                out[k - 1, 1] - out[k - 2, 1]
            ) * (points[i, 0] - out[k - 2, 0]):
                k -= 1
            out[k, 0], out[k, 1] = points[i, 0], points[i, 1]
            k += 1
    return k - 1


@kernel
def inside(polygon: Array, count: int, x: float, y: float) -> bool:
    """Whether a point lies in a counter-clockwise convex polygon."""
    for i in range(count):
        j = i + 1 if i + 1 < count else 0
        edge = (polygon[j, 0] - polygon[i, 0]) * (y - polygon[i, 1]) - (polygon[j, 1] - polygon[i, 1]) * (
            x - polygon[i, 0]
        )
        if edge < 0.0:
            return False
    return count >= 3


@kernel
def cast(library: Library, row: int, pose: Array, sun: Array, points: Array, out: Array) -> int:
    """Shadow outline on z = 0 of one convex part of an object, into ``out``; returns its corner count."""
    first, end = library.caster_ranges[row, 0], library.caster_ranges[row, 1]
    cos, sin, scale = math.cos(pose[3]), math.sin(pose[3]), pose[4]
    for i in range(first, end):
        vx, vy, vz = (
            library.caster_points[i, 0] * scale,
            library.caster_points[i, 1] * scale,
            library.caster_points[i, 2] * scale,
        )
        points[i - first, 0] = pose[0] + cos * vx - sin * vy - sun[0] / sun[2] * vz
        points[i - first, 1] = pose[1] + sin * vx + cos * vy - sun[1] / sun[2] * vz
    return int(hull(points, end - first, out))


@kernel
def fill_mask(polygon: Array, count: int, view: View, mask: Array, value: int, picture: Array) -> None:
    """Fill a ground polygon (map coordinates) into the mask."""
    height, width = mask.shape
    corners, top, bottom = 0, 1e30, -1e30
    turn, eye, lens = view.turn, view.eye, view.lens
    for i in range(count):
        j = i + 1 if i + 1 < count else 0
        ax, ay, bx, by = polygon[i, 0] - eye[0], polygon[i, 1] - eye[1], polygon[j, 0] - eye[0], polygon[j, 1] - eye[1]
        az = turn[2, 0] * ax + turn[2, 1] * ay - turn[2, 2] * eye[2]
        bz = turn[2, 0] * bx + turn[2, 1] * by - turn[2, 2] * eye[2]
        for cut in range(2):
            if cut == 0 and az <= NEAR_M or cut == 1 and (az > NEAR_M) == (bz > NEAR_M):
                continue
            share = 0.0 if cut == 0 else (NEAR_M - az) / (bz - az)
            x, y = ax + share * (bx - ax), ay + share * (by - ay)
            z = az if cut == 0 else NEAR_M
            right = turn[0, 0] * x + turn[0, 1] * y - turn[0, 2] * eye[2]
            down = turn[1, 0] * x + turn[1, 1] * y - turn[1, 2] * eye[2]
            picture[corners, 0], picture[corners, 1] = lens[0] * right / z + lens[2], lens[1] * down / z + lens[3]
            top, bottom = min(top, picture[corners, 1]), max(bottom, picture[corners, 1])
            corners += 1
    if corners < 3:
        return
    first, end = bounds(top, bottom, height)
    for y in range(first, end):
        low, high = crossings(picture, corners, y + 0.5)
        if high > low:
            begin, stop = bounds(low, high, width)
            for x in range(begin, stop):
                mask[y, x] |= value


@kernel
def under(pose: Array, size: Array, out: Array) -> int:
    """Outline of the dark ground beneath a vehicle of that length and width; 0 corners when the size is 0."""
    cos, sin = math.cos(pose[3]), math.sin(pose[3])
    for i in range(4):
        along = 0.47 * size[0] * (1.0 if i == 0 or i == 3 else -1.0)
        across = 0.46 * size[1] * (1.0 if i < 2 else -1.0)
        out[i, 0], out[i, 1] = pose[0] + cos * along - sin * across, pose[1] + sin * along + cos * across
    return 4 if size[0] > 0.0 else 0


@allocating
def draw_shadows(library: Library, objects: Objects, footprint: Array, view: View, sun: Array, frame: Frame) -> None:
    """Draw the shadows of near objects into a cleared mask; ``footprint``: (n, 2) length and width, 0 for none."""
    points, outline, picture = np.empty((256, 2)), np.empty((512, 2)), np.empty((516, 2))
    for o in range(objects.mesh.shape[0]):
        mesh, pose = objects.mesh[o], objects.pose[o]
        if mesh < 0:
            continue
        forward = view.turn[2, 0] * (pose[0] - view.eye[0]) + view.turn[2, 1] * (pose[1] - view.eye[1])
        if forward > REACH_M or forward < -40.0:
            continue
        parts = library.ranges[mesh, 5]
        for row in range(library.ranges[mesh, 4], parts + 1):
            if row < parts:
                count, value = cast(library, row, pose, sun, points, outline), SUN_SHADOW
            else:
                count, value = under(pose, footprint[o], outline), UNDER
            fill_mask(outline, count, view, frame.shadow, value, picture)


@allocating
def sun_shares(library: Library, objects: Objects, casters: Array, receivers: Array, sun: Array) -> None:
    """Set ``objects.sun`` of the receivers (rows): how much of their footprint the casters leave in the sun."""
    points, outline = np.empty((256, 2)), np.empty((512, 2))
    hidden = np.zeros((receivers.shape[0], 5), np.bool_)
    for o in casters:
        pose = objects.pose[o]
        near = False
        for k in range(receivers.shape[0]):
            other = objects.pose[receivers[k]]
            near |= receivers[k] != o and abs(other[0] - pose[0]) <= 60.0 and abs(other[1] - pose[1]) <= 60.0
        if not near:
            continue
        for row in range(library.ranges[objects.mesh[o], 4], library.ranges[objects.mesh[o], 5]):
            count = cast(library, row, pose, sun, points, outline)
            for k in range(receivers.shape[0]):
                other = objects.pose[receivers[k]]
                if receivers[k] == o or abs(other[0] - pose[0]) > 60.0 or abs(other[1] - pose[1]) > 60.0:
                    continue
                cos, sin, reach = math.cos(other[3]), math.sin(other[3]), library.radii[objects.mesh[receivers[k]]]
                for i in range(5):
                    along = 0.35 * (i - 2) * reach
                    hidden[k, i] |= inside(outline, count, other[0] + cos * along, other[1] + sin * along)
    for k in range(receivers.shape[0]):
        objects.sun[receivers[k]] = 1.0 - 0.17 * hidden[k].sum()
