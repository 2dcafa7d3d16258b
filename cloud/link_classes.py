"""Link classes by name: makes the two directions of a modelled link from ``link_classes.yaml``, traces and outages.

Decides the parameters; how a link behaves is in ``links``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import msgspec
import yaml

from cloud import traces
from cloud.links import Link, Quantiles, Rate, SteppedRate, TraceRate
from cloud.silences import Recurring, Scheduled, Silences
from pipeline.errors import UsageError
from pipeline.timestamps import FOREVER, Duration, ms, parse_duration

SHIPPED = Path(__file__).with_name("link_classes.yaml")


class Direction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One direction of a class: nominal rate, one-way delay quantiles in ms, spread of the rate."""

    mbps: float
    delay: list[tuple[float, float]]
    spread: list[tuple[float, float]] | None = None


class Recurrence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Silences at random: shortest and longest pause between them, shortest and longest silence."""

    every: tuple[str, str]
    lasting: tuple[str, str]


class LinkClass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of link, as measured or assumed; ``about`` says which."""

    about: str
    uplink: Direction
    downlink: Direction
    handovers: Recurrence | None = None
    outages: Recurrence | None = None
    loss: float = 0.0
    notice: str = "300ms"
    queue_max: int = 30
    down: bool = False


class Connection(NamedTuple):
    """Both directions; their silences are the same, their queues and delays are not."""

    up: Link
    down: Link


@lru_cache(maxsize=1)
def classes() -> dict[str, LinkClass]:
    """The shipped classes by name."""
    return msgspec.convert(yaml.safe_load(SHIPPED.read_text(encoding="utf-8")), dict[str, LinkClass])


def connect(
    name: str,
    *,
    seed: int = 0,
    outages: Sequence[tuple[Duration, Duration]] = (),
    uplink_trace: Path | None = None,
    downlink_trace: Path | None = None,
) -> Connection:
    """A link of the named class, with its own random course for every ``seed``.

    Args:
        outages: (start, end) of further outages, counted from the start of the run.
        uplink_trace: Mahimahi trace that replaces the uplink's rate.
        downlink_trace: the same for the downlink.

    Raises UsageError for an unknown class, and InvalidTrace.
    """
    found = classes().get(name)
    if found is None:
        raise UsageError(f"there is no link class {name!r}", hint=f"choose one of {', '.join(sorted(classes()))}")
    silences = _silences(found, seed, outages)
    notice = Duration(1) if found.down else parse_duration(found.notice)

    def link(direction: Direction, trace: Path | None, side: str) -> Link:
        return Link(
            _rate(direction, trace, seed, side),
            delay_ns=Quantiles([(u, value * 1e6) for u, value in direction.delay]),
            loss=found.loss,
            silences=silences,
            notice=notice,
            queue_max=found.queue_max,
            seed=seed,
            name=f"{name}.{side}",
        )

    return Connection(link(found.uplink, uplink_trace, "up"), link(found.downlink, downlink_trace, "down"))


def _rate(direction: Direction, trace: Path | None, seed: int, side: str) -> Rate:
    if trace is not None:
        return TraceRate(traces.load(trace))
    factor = Quantiles(direction.spread) if direction.spread else None
    return SteppedRate(round(direction.mbps * 1e6), factor=factor, period=ms(500), seed=seed, name=side)


def _silences(found: LinkClass, seed: int, outages: Sequence[tuple[Duration, Duration]]) -> Silences:
    scheduled: list[tuple[int, int]] = [(start, end) for start, end in outages]
    if found.down:
        # Before the start, so that it has been noticed by then.
        scheduled.append((-1, FOREVER))
    kinds: list[Scheduled | Recurring] = [Scheduled(scheduled)] if scheduled else []
    for recurrence, kind in ((found.handovers, "handover"), (found.outages, "outage")):
        if recurrence is not None:
            every = (parse_duration(recurrence.every[0]), parse_duration(recurrence.every[1]))
            lasting = (parse_duration(recurrence.lasting[0]), parse_duration(recurrence.lasting[1]))
            kinds.append(Recurring(every, lasting, seed=seed, name=kind))
    return Silences(*kinds)
