"""A slow and obvious model of a chain: source → stage → stage …, each with latencies, one deadline and one queue rule.

Shares no code with the engines: each stage is played through alone, from what the stage before it said.
Nothing but the end of a stage's own work may fall on the same instant as its own deadline (the strategy sees to it).
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline.testing.strategies import ChainStage, RandomChain


class Said(NamedTuple):
    at: int
    t: int
    value: str
    quality: str


class Played(NamedTuple):
    said: list[Said]
    never_begun: set[int]
    """Timestamps that arrived and were dropped, or answered by the handler, before their work began."""


def play(chain: RandomChain) -> list[Played]:
    """What every stage says, and when."""
    arrivals = [Said(chain.period * i, chain.period * i, str(i), "final") for i in range(chain.count)]
    played = []
    for number, spec in enumerate(chain.stages):
        played.append(_play_stage(chain, number, spec, arrivals))
        arrivals = played[-1].said
    return played


def _play_stage(chain: RandomChain, number: int, spec: ChainStage, arrivals: list[Said]) -> Played:
    said: list[Said] = []
    never_begun: set[int] = set()
    coming, waiting = list(arrivals), list[Said]()
    open_: list[Said] = []  # arrived and not answered yet
    working: Said | None = None
    until = 0
    while coming or open_ or working is not None:
        moments: list[tuple[int, int, str]] = []
        if working is not None:
            moments.append((until, 0, "end of work"))
        if open_ and spec.deadline is not None:
            moments.append((open_[0].at + spec.deadline, 1, "deadline"))
        if coming:
            moments.append((coming[0].at, 2, "arrival"))
        now, _, what = min(moments)
        if what == "end of work":
            assert working is not None
            if working in open_:
                open_.remove(working)
                said.append(Said(now, working.t, f"{working.value}/{number}", "final"))
            working = None
        elif what == "deadline":
            missed = open_.pop(0)
            said.append(Said(now, missed.t, f"fallback/{number}", "fallback"))
            if missed in waiting:
                waiting.remove(missed)
                never_begun.add(missed.t)
            elif spec.abort:
                working = None
        else:
            arrived = coming.pop(0)
            open_.append(arrived)
            waiting.append(arrived)
            if working is not None and len(waiting) > spec.depth:
                loser = waiting.pop(0 if spec.queue == "keep_last" else -1)
                open_.remove(loser)
                never_begun.add(loser.t)
        if working is None and waiting:
            working = waiting.pop(0)
            until = now + spec.latencies[working.t // chain.period]
    return Played(said, never_begun)
