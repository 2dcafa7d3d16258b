"""A slow and obvious model of joining: after every arrival everything is decided anew from all that has arrived.

Shares no code with ``pipeline.joining``. Arrivals are (input, kind, t) with kind ``message`` or ``watermark``.
"""

from __future__ import annotations

from typing import NamedTuple

Row = tuple[int, tuple["int | None", ...]]
"""(t, the chosen message's timestamp per input)."""


class Port(NamedTuple):
    kind: str
    within: int | None = None
    required: bool = True


class Arrival(NamedTuple):
    index: int
    kind: str
    t: int


def watermark(arrivals: list[Arrival], index: int) -> int:
    """Nothing at or before this follows on the input: a message seals its own timestamp."""
    return max([-1, *(a.t for a in arrivals if a.index == index)])


def messages(arrivals: list[Arrival], index: int) -> list[int]:
    return [a.t for a in arrivals if a.index == index and a.kind == "message"]


def complete(ports: list[Port], arrivals: list[Arrival]) -> list[int]:
    """Timestamps that every exact input has a message for."""
    exact = [i for i, port in enumerate(ports) if port.kind == "exact"]
    return sorted(set.intersection(*(set(messages(arrivals, i)) for i in exact)))


def choice(port: Port, t: int, held: list[int], sealed: int) -> int | str | None:
    """The message for t, ``wait`` while that is open, ``stale`` if a required one cannot be had, else None."""
    if port.kind == "latest":
        fits = [m for m in held if m <= t and (port.within is None or t - m <= port.within)]
        if fits:
            return max(fits)
        if port.required:
            return "wait" if sealed < t else "stale"
        return None
    assert port.within is not None
    fits = [m for m in held if abs(m - t) <= port.within]
    best = min(fits, key=lambda m: (abs(m - t), m), default=None)
    could_come = range(sealed + 1, t + port.within + 1)
    better = [m for m in could_come if best is None or (abs(m - t), m) < (abs(best - t), best)]
    if any(abs(m - t) <= port.within for m in better):
        return "wait"
    return best if best is not None else ("stale" if port.required else None)


def joined(ports: list[Port], arrivals: list[Arrival]) -> list[list[Row]]:
    """The rows that come out after each arrival."""
    decided: dict[int, Row | None] = {}
    out: list[list[Row]] = []
    for count in range(1, len(arrivals) + 1):
        seen = arrivals[:count]
        out.append([])
        for t in complete(ports, seen):
            if t in decided:
                continue
            picks = [
                t if port.kind == "exact" else choice(port, t, messages(seen, i), watermark(seen, i))
                for i, port in enumerate(ports)
            ]
            if "wait" in picks and not _stale_first(picks):
                break  # later timestamps do not overtake
            if "stale" in picks:
                decided[t] = None
                continue
            row: Row = (t, tuple(picks))  # type: ignore[arg-type]
            decided[t] = row
            out[-1].append(row)
    return out


def _stale_first(picks: list[int | str | None]) -> bool:
    """A required input that cannot be had settles it, whatever the inputs behind it wait for."""
    return "stale" in picks and picks.index("stale") < (picks.index("wait") if "wait" in picks else len(picks))
