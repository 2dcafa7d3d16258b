"""What can go wrong with a sensor for a while: which faults are active when. What they do is the sensor's business.

A fault acts on captures with ``from <= t < until``, both on the run's clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pipeline.errors import InvalidDuration, UsageError
from pipeline.latency import uniform
from pipeline.timestamps import TOP, parse_duration

FREEZE, BLACK, PARTIAL, DROPOUT, STAMP_SHIFT = "freeze", "black", "partial", "dropout", "stamp_shift"
KINDS: Mapping[str, str] = {
    FREEZE: "the last message before it is sent again and again, capture time and all",
    BLACK: "messages come, but nothing is measured: a dark picture, an empty sweep, no position",
    PARTIAL: "`share` of the field of view is missing: the lower rows of a picture, a sector of a sweep",
    DROPOUT: "`share` of the messages (all by default) are never sent",
    STAMP_SHIFT: "the capture time is wrong by `by`, such as 40ms or -1s",
}
EVERYWHERE = tuple(KINDS)
WITHOUT_FIELD = tuple(kind for kind in KINDS if kind != PARTIAL)
"""What can happen to a sensor that has no field of view."""
FIELDS = ("kind", "from", "until", "share", "by")


class Fault(msgspec.Struct, frozen=True):
    """One fault as a launch file gives it: ``{kind: dropout, from: 2s, until: 3s, share: 0.5}``."""

    kind: str
    from_ns: int
    until_ns: int
    share: float
    by_ns: int


class Faults:
    """The faults of one sensor. ``kinds``: those that make sense for it.

    Raises UsageError for an unknown field or kind, a share outside (0, 1], a time without unit, an empty interval, or
    a ``by`` where nothing is shifted.
    """

    def __init__(
        self, faults: Sequence[Mapping[str, Any]] | None, *, kinds: Sequence[str] = EVERYWHERE, seed: int = 0
    ) -> None:
        self.items = tuple(_read(row, f"fault {i}", kinds) for i, row in enumerate(faults or (), 1))
        self._seed = seed

    def active(self, t: int) -> tuple[Fault, ...]:
        """Those that act on a capture at ``t``, in the order in which they were given."""
        return tuple(fault for fault in self.items if fault.from_ns <= t < fault.until_ns)

    def drops(self, fault: Fault, sensor: str, t: int) -> bool:
        """Whether a dropout loses the message of ``t``: a pure function of (seed, sensor, t)."""
        return uniform(self._seed, "dropout", sensor, self.items.index(fault), t) < fault.share


def _read(row: Mapping[str, Any], where: str, kinds: Sequence[str]) -> Fault:
    if not isinstance(row, Mapping):
        raise UsageError(f"{row!r} is no fault", where=where, hint="write {kind: freeze, from: 2s, until: 3s}")
    unknown = [str(name) for name in row if name not in FIELDS]
    if unknown:
        raise UsageError(f"a fault has no field {unknown[0]!r}", where=where, hint=f"it has {', '.join(FIELDS)}")
    kind = row.get("kind")
    if kind not in kinds:
        known = kind in KINDS
        what = f"this sensor cannot have a {kind!r} fault" if known else f"there is no fault {kind!r}"
        raise UsageError(what, where=where, hint=f"use one of {', '.join(kinds)}")
    from_ns, until_ns = _time(row, "from", 0, where), _time(row, "until", TOP, where)
    if not 0 <= from_ns < until_ns:
        raise UsageError(
            f"no time lies from {row.get('from', '0s')} until {row.get('until', 'the end')}",
            where=where,
            hint="`from` must not be negative and must come before `until`",
        )
    share = row.get("share", 1.0 if kind != PARTIAL else 0.5)
    usable = isinstance(share, (int, float)) and not isinstance(share, bool) and math.isfinite(share)
    if not usable or not 0.0 < share <= 1.0:
        raise UsageError(f"share={share!r} is no share", where=where, hint="give a number above 0, at most 1")
    if "share" in row and kind not in (PARTIAL, DROPOUT):
        raise UsageError(f"a {kind} fault has no share", where=where, hint="it is whole; remove `share`")
    by_ns = _time(row, "by", 0, where)
    if (kind == STAMP_SHIFT) != ("by" in row):
        hint = "say by how much: by: -40ms" if kind == STAMP_SHIFT else "remove `by`"
        raise UsageError(f"`by` belongs to a {STAMP_SHIFT} fault", where=where, hint=hint)
    return Fault(kind=str(kind), from_ns=from_ns, until_ns=until_ns, share=float(share), by_ns=by_ns)


def _time(row: Mapping[str, Any], name: str, default: int, where: str) -> int:
    if name not in row:
        return default
    value = row[name]
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except InvalidDuration as error:
            raise UsageError(f"`{name}`: {error.what}", where=where, hint=error.hint) from error
    raise UsageError(f"`{name}` is {value!r}, no time", where=where, hint="write it with its unit: 2s, 80ms")
