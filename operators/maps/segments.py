"""Finds the nearest of many short segments for many points at once: uniform grids in numpy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

_PAIRS_MAX = 1_500_000
_CELLS_M = (2.0, 8.0, 24.0)
_FAR_CELLS = 4000
_EVEN_M = 1e-9


class Found(NamedTuple):
    """For every point: the segment, where on it (0 … 1), and the distance (m) with the turn's price."""

    segment: Indices
    share: Array
    cost_m: Array


class _Grid:
    """Segments by the cell of their middle. A row of cells in y is one range of ``order``."""

    def __init__(self, middles: Array, cell_m: float) -> None:
        self.cell_m = cell_m
        self.origin = middles.min(axis=0) - cell_m
        cells = self.cells(middles)
        self.rows = int(cells[:, 1].max()) + 3
        keys = cells[:, 0] * self.rows + cells[:, 1]
        self.order = np.argsort(keys, kind="stable")
        self.keys = keys[self.order]

    def cells(self, points: Array) -> Indices:
        cells: Indices = np.floor((points - self.origin) / self.cell_m).astype(np.int64)
        return cells

    def around(self, points: Array) -> tuple[Indices, Indices]:
        """(n, 3) first and last+1 positions in ``order`` of the 3 × 3 cells around each point."""
        cells = self.cells(points)
        columns = cells[:, :1] + np.array([-1, 0, 1])
        low = np.clip(cells[:, 1:] - 1, 0, self.rows)
        high = np.clip(cells[:, 1:] + 2, 0, self.rows)
        base = columns * self.rows
        first = np.searchsorted(self.keys, base + low)
        return first, np.maximum(first, np.searchsorted(self.keys, base + high))


class SegmentIndex:
    """``starts``, ``ends``: (n, 2) m; ``yaw_rad``: (n,) direction of each. n >= 1."""

    def __init__(self, starts: Array, ends: Array, yaw_rad: Array) -> None:
        self.starts, self.yaw_rad = starts, yaw_rad
        self.along = ends - starts
        self.squared = np.maximum((self.along**2).sum(axis=1), 1e-18)
        middles = starts + 0.5 * self.along
        self.half_m = 0.5 * float(np.sqrt(self.squared.max()))
        self.grids = [_Grid(middles, cell + 2.0 * self.half_m) for cell in _CELLS_M]
        span = np.ptp(middles, axis=0)
        coarse = max(12.0, float(np.sqrt(span[0] * span[1] / _FAR_CELLS)), float(span.max()) / _FAR_CELLS)
        self.far = _Grid(middles, coarse)
        self.far_keys, self.far_first = np.unique(self.far.keys, return_index=True)
        self.far_last = np.append(self.far_first[1:], len(self.far.keys))
        cells = np.stack(np.divmod(self.far_keys, self.far.rows), axis=1)
        self.far_centres = self.far.origin + (cells + 0.5) * coarse

    def nearest(self, points: Array, yaw_rad: Array | None, turn_m: float) -> Found:
        """The nearest segment to each of ``points`` (n, 2).

        With ``yaw_rad`` (n,), a difference of direction costs up to 2 ``turn_m`` of distance.
        """
        found = Found(np.full(len(points), -1), np.zeros(len(points)), np.full(len(points), np.inf))
        question = _Question(points, yaw_rad, turn_m, found)
        todo = np.arange(len(points))
        for grid in self.grids:
            first, last = grid.around(points[todo])
            self._search(question, grid.order, first.ravel(), last.ravel(), np.repeat(todo, 3))
            todo = todo[found.cost_m[todo] > grid.cell_m - self.half_m]
            if not len(todo):
                return found
        self._search_far(question, todo)
        return found

    def _search_far(self, question: _Question, todo: Indices) -> None:
        """First the cell whose centre is nearest, then every cell that may hold something nearer."""
        # A segment's middle lies within half a diagonal of its cell's centre.
        slack = self.far.cell_m * 0.7072 + self.half_m
        block = max(1, _PAIRS_MAX // len(self.far_centres))
        for start in range(0, len(todo), block):
            some = todo[start : start + block]
            at = question.points[some, None]
            away = np.hypot(at[..., 0] - self.far_centres[:, 0], at[..., 1] - self.far_centres[:, 1])
            nearest = away.argmin(axis=1)
            self._search(question, self.far.order, self.far_first[nearest], self.far_last[nearest], some)
            away[np.arange(len(some)), nearest] = np.inf
            row, cell = np.nonzero(away - slack <= question.found.cost_m[some, None])
            self._search(question, self.far.order, self.far_first[cell], self.far_last[cell], some[row])

    def _search(self, question: _Question, order: Indices, first: Indices, last: Indices, owner: Indices) -> None:
        """Looks at ranges of ``order``; ``owner``: the point that each range is for, equal ones side by side."""
        some = last > first
        first, last, owner = first[some], last[some], owner[some]
        ends = np.cumsum(last - first)
        begin = 0
        while begin < len(owner):
            done = ends[begin - 1] if begin else 0
            stop = max(begin + 1, int(np.searchsorted(ends, done + _PAIRS_MAX, side="right")))
            self._best(question, order, first[begin:stop], last[begin:stop], owner[begin:stop])
            begin = stop

    def _best(self, question: _Question, order: Indices, first: Indices, last: Indices, owner: Indices) -> None:
        counts = last - first
        ends = np.cumsum(counts)
        segment = order[np.arange(ends[-1]) + np.repeat(first - (ends - counts), counts)]
        row = np.repeat(owner, counts)
        delta, along = question.points[row] - self.starts[segment], self.along[segment]
        share = np.clip((delta * along).sum(axis=1) / self.squared[segment], 0.0, 1.0)
        cost = np.hypot(delta[:, 0] - share * along[:, 0], delta[:, 1] - share * along[:, 1])
        if question.yaw_rad is not None:
            cost += question.turn_m * (1.0 - np.cos(question.yaw_rad[row] - self.yaw_rad[segment]))
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        rows, least = row[starts], np.minimum.reduceat(cost, starts)
        # Among equals the first of the map counts, so that the answer does not depend on the grid.
        even = cost <= np.repeat(least, np.diff(starts, append=len(row))) + _EVEN_M
        ranked = np.where(even, segment, len(self.starts))
        chosen = np.minimum.reduceat(ranked, starts)
        best = np.flatnonzero(ranked == np.repeat(chosen, np.diff(starts, append=len(row))))
        best = best[np.searchsorted(best, starts)]
        found = question.found
        better = least < found.cost_m[rows] - _EVEN_M
        found.segment[rows[better]] = segment[best[better]]
        found.share[rows[better]] = share[best[better]]
        found.cost_m[rows[better]] = least[better]


class _Question(NamedTuple):
    points: Array
    yaw_rad: Array | None
    turn_m: float
    found: Found
