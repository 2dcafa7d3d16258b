"""Places the cells of a layered drawing: few crossings, near their neighbours, long ways straight. Knows no graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

GAP_X = 26.0
SWEEPS = 12


@dataclass(eq=False)
class Cell:
    """A box in its layer, or the lane on which a way passes one. ``x`` is its centre, ``y`` its top."""

    key: str
    """Lanes of one way have one key."""
    width: float
    height: float
    is_box: bool
    above: list[Cell] = field(default_factory=list)
    below: list[Cell] = field(default_factory=list)
    reach: float = 0.0
    """How far to the right of its centre what is written below it goes."""
    x: float = 0.0
    y: float = 0.0


def join(above: Cell, below: Cell) -> None:
    """Connect two cells of neighbouring layers."""
    above.below.append(below)
    below.above.append(above)


def sort_rows(rows: list[list[Cell]]) -> None:
    """Barycentre sweeps, down and up in turn; keeps the order with the fewest crossings."""
    best, fewest = [list(row) for row in rows], crossings(rows)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            place = {id(cell): i for others in rows for i, cell in enumerate(others)}
            keys: dict[int, float] = {}
            for cell in row:
                seen = cell.above if down else cell.below
                keys[id(cell)] = _mean([place[id(other)] for other in seen], place[id(cell)])
            row.sort(key=lambda cell: keys[id(cell)])
        count = crossings(rows)
        if count < fewest:
            best, fewest = [list(row) for row in rows], count
    for row, order in zip(rows, best, strict=True):
        row[:] = order


def crossings(rows: list[list[Cell]]) -> int:
    """How many pairs of connections between neighbouring layers cross."""
    count = 0
    for upper, lower in zip(rows, rows[1:], strict=False):
        place = {id(cell): i for i, cell in enumerate(lower)}
        ends = [place[id(below)] for cell in upper for below in sorted(cell.below, key=lambda c: place[id(c)])]
        count += sum(a > b for i, a in enumerate(ends) for b in ends[i + 1 :])
    return count


def place_rows(rows: list[list[Cell]]) -> None:
    """Pull every cell towards its neighbours, without changing the order or letting boxes touch."""
    for row in rows:
        _settle(row, [0.0] * len(row))
    for sweep in range(SWEEPS + 1):
        last = sweep == SWEEPS
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = []
            for cell in row:
                near = cell.above + cell.below if last else cell.above if sweep % 2 == 0 else cell.below
                # A lane that goes on straight is easier to follow than a box in the middle of its neighbours.
                straight = [other.x for other in near if not cell.is_box and not other.is_box]
                wanted.append(_mean(straight or [other.x for other in near], cell.x))
            _settle(row, wanted)
    _straighten(rows)


def _straighten(rows: list[list[Cell]]) -> None:
    """Put the lanes of a way on one line where there is room in all their layers."""
    ways: dict[str, list[tuple[Cell, float, float]]] = {}
    for row in rows:
        for i, cell in enumerate(row):
            if not cell.is_box:
                low = row[i - 1].x + _apart(row[i - 1], cell) if i else float("-inf")
                high = row[i + 1].x - _apart(cell, row[i + 1]) if i + 1 < len(row) else float("inf")
                ways.setdefault(cell.key, []).append((cell, low, high))
    for way in ways.values():
        low, high = max(row[1] for row in way), min(row[2] for row in way)
        if low <= high:
            line = min(high, max(low, _mean([cell.x for cell, _, _ in way], 0.0)))
            for cell, _, _ in way:
                cell.x = line


def _apart(left: Cell, right: Cell) -> float:
    """The smallest distance between the centres of two neighbours."""
    return max((left.width + right.width) / 2 + GAP_X, left.reach + 14.0)


def _settle(row: list[Cell], wanted: list[float]) -> None:
    """Closest positions to the wanted ones in the given order and with gaps: pool adjacent violators."""
    offset, offsets = 0.0, []
    for i, cell in enumerate(row):
        offset += _apart(row[i - 1], cell) if i else 0.0
        offsets.append(offset)
    blocks: list[tuple[float, int]] = []
    for want, off in zip(wanted, offsets, strict=True):
        total, count = want - off, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / count:
            before, size = blocks.pop()
            total, count = total + before, count + size
        blocks.append((total, count))
    places = [total / count for total, count in blocks for _ in range(count)]
    for cell, place, off in zip(row, places, offsets, strict=True):
        cell.x = place + off


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else float(otherwise)
