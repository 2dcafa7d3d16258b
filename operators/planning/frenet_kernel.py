"""The Frenet planner's inner loops: candidate profiles, and the search for the cheapest feasible one.

Profiles are polynomials up to their end time and go on at constant speed after it. Costs are Pylot's; positions of ego
and obstacle are compared at the same instant. Source: Werling et al., ICRA 2010; Pylot's Frenet planner.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from operators.geometry.kernels import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

INFINITE = math.inf
COST_RANGE_M = 6.0
GAP_MIN_M = 0.1
TRAVEL_MIN_M = 1.0
"""Curvature is a change of heading over at least this much travel; below it a crawling car's heading means little."""
STANDING_MPS = 0.1


@kernel
def to_speed(s: float, v: float, a: float, speed: float, T: float, out: Floats) -> None:
    """Quartic from (s, v, a) to ``speed`` without acceleration after T seconds; 6 coefficients into ``out``."""
    out[0], out[1], out[2] = s, v, a / 2.0
    dv, da = speed - v - a * T, -a
    out[3] = (3.0 * dv - da * T) / (3.0 * T**2)
    out[4] = (da * T - 2.0 * dv) / (4.0 * T**3)
    out[5] = 0.0


@kernel
def to_point(s: float, v: float, a: float, end: float, T: float, out: Floats) -> None:
    """Quintic from (s, v, a) to rest at ``end`` after T seconds; 6 coefficients into ``out``."""
    out[0], out[1], out[2] = s, v, a / 2.0
    p = end - s - v * T - a / 2.0 * T**2
    q, r = -(v + a * T), -a
    out[3] = (20.0 * p - 8.0 * q * T + r * T**2) / (2.0 * T**3)
    out[4] = (-30.0 * p + 14.0 * q * T - 2.0 * r * T**2) / (2.0 * T**4)
    out[5] = (12.0 * p - 6.0 * q * T + r * T**2) / (2.0 * T**5)


@kernel
def fill_to_speeds(s: float, v: float, a: float, speeds: Floats, ends: Floats, out: Floats) -> None:
    """Quartics for every (end time, speed), end times outermost; out (ends · speeds, 6)."""
    for e in range(ends.shape[0]):
        for i in range(speeds.shape[0]):
            to_speed(s, v, a, speeds[i], ends[e], out[e * speeds.shape[0] + i])


@kernel
def fill_to_points(s: float, v: float, a: float, points: Floats, ends: Floats, out: Floats) -> None:
    """Quintics to rest for every (end time, point), end times outermost; out (ends · points, 6)."""
    for e in range(ends.shape[0]):
        for i in range(points.shape[0]):
            to_point(s, v, a, points[i], ends[e], out[e * points.shape[0] + i])


@kernel
def sample(c: Floats, T: float, dt: float, out: Floats) -> None:
    """Position and three derivatives, out (4, n), at k·dt; constant speed after T."""
    for k in range(out.shape[1]):
        t = min(k * dt, T)
        out[0, k] = c[0] + t * (c[1] + t * (c[2] + t * (c[3] + t * (c[4] + t * c[5]))))
        out[1, k] = c[1] + t * (2.0 * c[2] + t * (3.0 * c[3] + t * (4.0 * c[4] + t * 5.0 * c[5])))
        out[2, k] = 2.0 * c[2] + t * (6.0 * c[3] + t * (12.0 * c[4] + t * 20.0 * c[5]))
        out[3, k] = 6.0 * c[3] + t * (24.0 * c[4] + t * 60.0 * c[5])
        if k * dt > T + 1e-9:
            out[0, k] += out[1, k] * (k * dt - T)
            out[2, k] = 0.0
            out[3, k] = 0.0


@kernel
def longitudinal(
    coefficients: Floats,
    ends: Floats,
    end_speeds: Floats,
    accel_now: float,
    dt: float,
    limits: Floats,
    weights: Floats,
    out: Floats,
    costs: Floats,
) -> None:
    """Sample all profiles, out (profiles, 4, n), and cost them; infinite where a limit is broken.

    limits: top speed, acceleration, deceleration. weights: ka, kj, kt, kd, target speed, weight of
    harshness, and the acceleration from which it counts.
    """
    for i in range(coefficients.shape[0]):
        if ends[i] <= 0.0:
            costs[i] = INFINITE
            continue
        sample(coefficients[i], ends[i], dt, out[i])
        accel_sum, harsh_sum = 0.0, 0.0
        jerk_sum = abs(2.0 * coefficients[i, 2] - accel_now) / dt
        feasible = True
        for k in range(out.shape[2]):
            v, a = out[i, 1, k], out[i, 2, k]
            if v < -0.05 or v > limits[0] or a > limits[1] or (a < -limits[2] and k > 0):
                feasible = False
                break
            if k * dt <= ends[i]:
                accel_sum += abs(a)
                harsh_sum += max(abs(a) - weights[6], 0.0) ** 2
                jerk_sum += abs(out[i, 3, k])
        missing = abs(end_speeds[i] - weights[4])
        cost = weights[0] * accel_sum + weights[1] * jerk_sum + weights[2] * ends[i] + weights[3] * missing
        cost += weights[5] * harsh_sum
        costs[i] = cost if feasible else INFINITE


@kernel
def lateral(coefficients: Floats, ends: Floats, dt: float, weights: Floats, out: Floats, costs: Floats) -> None:
    """Sample all lateral profiles, out (profiles, 4, n), and cost them up to their end. weights: kd, kv, ka, kj."""
    for i in range(coefficients.shape[0]):
        sample(coefficients[i], ends[i], dt, out[i])
        cost = 0.0
        for k in range(out.shape[2]):
            if k * dt > ends[i]:
                break
            for order in range(4):
                cost += weights[order] * abs(out[i, order, k])
        costs[i] = cost


@kernel
def on_line(line: Floats, step: float, s: float, out: Floats) -> None:
    """x, y, cosine, sine and curvature of the line, rows of (nodes, 5), at ``s``; straight beyond its ends."""
    position = s / step
    k = min(max(int(math.floor(position)), 0), line.shape[0] - 2)
    f = min(max(position - k, 0.0), 1.0)
    for column in range(5):
        out[column] = line[k, column] + f * (line[k + 1, column] - line[k, column])
    norm = math.sqrt(out[2] ** 2 + out[3] ** 2)
    out[2] /= norm
    out[3] /= norm
    beyond = (position - k - f) * step
    if beyond != 0.0:
        out[0] += beyond * out[2]
        out[1] += beyond * out[3]
        out[4] = 0.0


@kernel
def separation(
    x: float, y: float, cos: float, sin: float, half_length: float, half_width: float, box: Floats, margin: float
) -> float:
    """Lower bound of the distance between the ego's outline and a box, negative on overlap (separating axes).

    box: x, y, cosine, sine, half length, half width; ``margin`` is added on all its sides.
    """
    dx, dy = box[0] - x, box[1] - y
    along, across = abs(cos * box[2] + sin * box[3]), abs(cos * box[3] - sin * box[2])
    length, width = box[4] + margin, box[5] + margin
    a = abs(dx * cos + dy * sin) - half_length - length * along - width * across
    b = abs(dy * cos - dx * sin) - half_width - length * across - width * along
    c = abs(dx * box[2] + dy * box[3]) - length - half_length * along - half_width * across
    d = abs(dy * box[2] - dx * box[3]) - width - half_length * across - half_width * along
    widest: float = max(max(a, b), max(c, d))
    return widest


@kernel
def obstacle_cost(
    x: float, y: float, cos: float, sin: float, ego: Floats, boxes: Floats, margins: Floats, k: int
) -> float:
    """Sum of 1 / gap to the obstacles at sample k; infinite on a collision.

    ego: half length, half width, from axle to centre, free space kept in front. boxes (obstacles, 6 + 2·n): cosine,
    sine, half length, half width, radius, whether the space in front is kept; then x and y for every sample.
    """
    cost = 0.0
    box = np.empty(6)
    for j in range(boxes.shape[0]):
        n = (boxes.shape[1] - 6) // 2
        front = ego[3] * boxes[j, 5]
        half_length = ego[0] + front / 2.0
        cx, cy = x + (ego[2] + front / 2.0) * cos, y + (ego[2] + front / 2.0) * sin
        box[0], box[1] = boxes[j, 6 + k], boxes[j, 6 + n + k]
        reach = half_length + ego[1] + boxes[j, 4] + margins[j, k] + COST_RANGE_M
        if (box[0] - cx) ** 2 + (box[1] - cy) ** 2 > reach * reach:
            continue
        box[2], box[3], box[4], box[5] = boxes[j, 0], boxes[j, 1], boxes[j, 2], boxes[j, 3]
        gap = separation(cx, cy, cos, sin, half_length, ego[1], box, margins[j, k])
        if gap < 0.0:
            return INFINITE
        if gap < COST_RANGE_M:
            cost += 1.0 / max(gap, GAP_MIN_M)
    return cost


@kernel
def gap_now(x: float, y: float, cos: float, sin: float, ego: Floats, obstacle: Floats, front: float) -> float:
    """Separation at the first sample between one row of ``boxes`` and the ego with ``front`` of its front space."""
    n = (obstacle.shape[0] - 6) // 2
    box = np.empty(6)
    box[0], box[1] = obstacle[6], obstacle[6 + n]
    box[2:] = obstacle[:4]
    ahead = front * ego[3] / 2.0
    cx, cy = x + (ego[2] + ahead) * cos, y + (ego[2] + ahead) * sin
    return separation(cx, cy, cos, sin, ego[0] + ahead, ego[1], box, 0.0)


@kernel
def walk(
    s: Floats,
    d: Floats,
    n: int,
    line: Floats,
    step: float,
    heading: Floats,
    ego: Floats,
    limits: Floats,
    boxes: Floats,
    margins: Floats,
    allowance: float,
) -> float:
    """Obstacle cost of one candidate, s and d (4, n): infinite when it collides or bends or slides too much.

    heading: cosine and sine now. limits: curvature, lateral acceleration. Gives up beyond ``allowance``.
    """
    node = np.empty(5)
    cos, sin = heading[0], heading[1]
    bend_cos, bend_sin, travelled = cos, sin, 0.0
    last_x, last_y = 0.0, 0.0
    cost = 0.0
    for k in range(n):
        on_line(line, step, s[0, k], node)
        x, y = node[0] - d[0, k] * node[3], node[1] + d[0, k] * node[2]
        forward, left = s[1, k] * (1.0 - node[4] * d[0, k]), d[1, k]
        v = math.sqrt(forward**2 + left**2)
        if v > STANDING_MPS:
            if forward <= 0.0:
                return INFINITE
            cos, sin = (forward * node[2] - left * node[3]) / v, (forward * node[3] + left * node[2]) / v
        if k > 0:
            travelled += math.sqrt((x - last_x) ** 2 + (y - last_y) ** 2)
            if travelled >= TRAVEL_MIN_M:
                turn = abs(math.atan2(bend_cos * sin - bend_sin * cos, bend_cos * cos + bend_sin * sin))
                if turn > limits[0] * travelled or v * v * turn > limits[1] * travelled:
                    return INFINITE
                bend_cos, bend_sin, travelled = cos, sin, 0.0
        last_x, last_y = x, y
        cost += obstacle_cost(x, y, cos, sin, ego, boxes, margins, k)
        if cost > allowance:
            return INFINITE
    return cost


@kernel
def search(
    order: Ints,
    base: Floats,
    lon_of: Ints,
    lat_of: Ints,
    s: Floats,
    d: Floats,
    n: int,
    line: Floats,
    step: float,
    heading: Floats,
    ego: Floats,
    limits: Floats,
    boxes: Floats,
    margins: Floats,
    ko: float,
    best_cost: float,
) -> tuple[int, float, int]:
    """The cheapest feasible candidate below ``best_cost`` (-1 if none), its cost, and how many were examined.

    ``order`` sorts by ``base``, a lower bound of the cost, so the first candidate whose bound is not better ends it.
    """
    best, examined = -1, 0
    for i in range(order.shape[0]):
        c = order[i]
        if base[c] >= best_cost:
            break
        examined += 1
        allowance = (best_cost - base[c]) / ko if best_cost < INFINITE else 1e30
        near = walk(s[lon_of[c]], d[lat_of[c]], n, line, step, heading, ego, limits, boxes, margins, allowance)
        if near < INFINITE and base[c] + ko * near < best_cost:
            best, best_cost = c, base[c] + ko * near
    return best, best_cost, examined


@kernel
def first_conflict(x: Floats, y: Floats, yaw: Floats, ego: Floats, boxes: Floats, margins: Floats) -> int:
    """Index of the first sample at which the ego's outline overlaps an obstacle's, -1 if none does."""
    for k in range(x.shape[0]):
        if obstacle_cost(x[k], y[k], math.cos(yaw[k]), math.sin(yaw[k]), ego, boxes, margins, k) == INFINITE:
            return k
    return -1
