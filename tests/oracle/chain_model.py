"""A slow and obvious model of a chain: source → stage → stage …, each with its latencies, one deadline and one queue rule.

Shares no code with the engines: each stage is played through alone, from the arrivals that the stage before it produces.
Nothing but the end of a stage's own work may fall on the same instant as its own deadline (``Chain`` sees to it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple


class Said(NamedTuple):
    at: int
    t: int
    value: str
    quality: str


@dataclass(frozen=True)
class StageSpec:
    latencies: tuple[int, ...]
    """By number of the tick."""
    deadline: int | None
    queue: Literal["keep_last", "drop_newest"]
    depth: int
    abort: bool


@dataclass(frozen=True)
class Chain:
    period: int
    count: int
    stages: tuple[StageSpec, ...]


class Played(NamedTuple):
    said: list[Said]
    dropped: set[int]
    """Timestamps that were never begun."""


def play(chain: Chain) -> list[Played]:
    """What every stage says, and when."""
    arrivals = [Said(chain.period * i, chain.period * i, str(i), "final") for i in range(chain.count)]
    played = []
    for number, spec in enumerate(chain.stages):
        played.append(_play_stage(chain, number, spec, arrivals))
        arrivals = played[-1].said
    return played


def _play_stage(chain: Chain, number: int, spec: StageSpec, arrivals: list[Said]) -> Played:
    said: list[Said] = []
    dropped: set[int] = set()
    coming, waiting = list(arrivals), []
    working: tuple[Said, int] | None = None  # (what, until)
    answered: set[int] = set()
    while coming or waiting or working:
        if working is None and waiting:
            # Nothing is between two works; the start falls on the instant at which the one before ended.
            nxt = waiting.pop(0)
            working = (nxt, _now(said, dropped, coming, nxt, clock) + _latency(chain, spec, nxt))  # noqa: F821
    return Played(said, dropped)


def _latency(chain: Chain, spec: StageSpec, message: Said) -> int:
    return spec.latencies[message.t // chain.period]
