"""Geometry of many oriented outlines at once: gaps, and when they touch if everybody goes on as now.

Outlines are rows (…, 5) of centre x, centre y, heading, length, width; velocities (…, 2) in the same axes.
"""

from __future__ import annotations

import numpy as np

from scenarios.metrics.frames import Bools, Floats

CHUNK = 20_000
"""Pairs of outlines looked at together: enough to be fast, few enough to need no memory to speak of."""


def corners(outlines: Floats) -> Floats:
    """(…, 4, 2), counter-clockwise from the front left."""
    cos, sin = np.cos(outlines[..., 2, None]), np.sin(outlines[..., 2, None])
    along = 0.5 * outlines[..., 3, None] * np.array([1.0, -1.0, -1.0, 1.0])
    across = 0.5 * outlines[..., 4, None] * np.array([1.0, 1.0, -1.0, -1.0])
    x = outlines[..., 0, None] + along * cos - across * sin
    y = outlines[..., 1, None] + along * sin + across * cos
    return np.stack([x, y], axis=-1)


def gaps(first: Floats, second: Floats) -> Floats:
    """Shortest distance between outlines (…, 5), broadcast; 0 when they overlap or touch."""
    first, second = np.broadcast_arrays(first, second)
    if first.ndim == 2 and len(first) > CHUNK:
        parts = range(0, len(first), CHUNK)
        return np.concatenate([gaps(first[k : k + CHUNK], second[k : k + CHUNK]) for k in parts])
    a, b = corners(first), corners(second)
    separate = ~_overlapping(first, second)
    distance = np.minimum(_to_edges(a, b), _to_edges(b, a))
    return np.where(separate, distance, 0.0)


def times_to_touch(first: Floats, first_mps: Floats, second: Floats, second_mps: Floats) -> Floats:
    """Seconds until outlines (…, 5) touch if both keep their velocity (…, 2) and heading; 0 if they do, inf if never.

    Exact: on every axis that could separate two rectangles, the interval of time in which it does not.
    """
    first, second = np.broadcast_arrays(first, second)
    enter, leave = np.full(first.shape[:-1], -np.inf), np.full(first.shape[:-1], np.inf)
    relative = second_mps - first_mps
    for axis in _axes(first, second):
        reach = _reach(first, axis) + _reach(second, axis)
        apart = ((second[..., :2] - first[..., :2]) * axis).sum(-1)
        rate = (relative * axis).sum(-1)
        moving = np.abs(rate) > 1e-12
        safe = np.where(moving, rate, 1.0)
        one, other = (-reach - apart) / safe, (reach - apart) / safe
        never = ~moving & (np.abs(apart) > reach)
        enter = np.maximum(enter, np.where(moving, np.minimum(one, other), np.where(never, np.inf, -np.inf)))
        leave = np.minimum(leave, np.where(moving, np.maximum(one, other), np.where(never, -np.inf, np.inf)))
    return np.where((enter <= leave) & (leave >= 0.0), np.maximum(enter, 0.0), np.inf)


def _axes(first: Floats, second: Floats) -> list[Floats]:
    found = []
    for outlines in (first, second):
        cos, sin = np.cos(outlines[..., 2]), np.sin(outlines[..., 2])
        found += [np.stack([cos, sin], -1), np.stack([-sin, cos], -1)]
    return found


def _reach(outlines: Floats, axis: Floats) -> Floats:
    """Half the extent of outlines along an axis."""
    cos, sin = np.cos(outlines[..., 2]), np.sin(outlines[..., 2])
    along = np.abs(cos * axis[..., 0] + sin * axis[..., 1])
    across = np.abs(cos * axis[..., 1] - sin * axis[..., 0])
    return np.asarray(0.5 * (outlines[..., 3] * along + outlines[..., 4] * across))


def _overlapping(first: Floats, second: Floats) -> Bools:
    inside = np.ones(first.shape[:-1], np.bool_)
    for axis in _axes(first, second):
        apart = np.abs(((second[..., :2] - first[..., :2]) * axis).sum(-1))
        inside &= apart <= _reach(first, axis) + _reach(second, axis)
    return inside


def _to_edges(points: Floats, polygon: Floats) -> Floats:
    """(…,) smallest distance of any of the points (…, 4, 2) from any edge of the polygon (…, 4, 2)."""
    starts = polygon[..., None, :, :]
    edges = np.roll(polygon, -1, axis=-2)[..., None, :, :] - starts
    offset = points[..., :, None, :] - starts
    squared = np.maximum((edges**2).sum(-1), 1e-18)
    share = np.clip((offset * edges).sum(-1) / squared, 0.0, 1.0)
    return np.asarray(np.sqrt(((offset - share[..., None] * edges) ** 2).sum(-1)).min(axis=(-2, -1)))
