"""Random chains with random latencies, deadlines and queues: every answer, when and how good, as the model says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given

from pipeline import Context, DeadlineMissed, Duration, Graph, Input, Operator, Output, Wait, seconds
from pipeline.events import Sent, Started
from pipeline.ports import Queue
from pipeline.testing.strategies import ChainStage, RandomChain, chains
from tests.oracle.blocks import Ticks, checked, of
from tests.oracle.chain_model import Said, play
from tests.oracle.profiles import ci, few


class Stage(Operator):
    inp = Input(object)
    out = Output(str)

    def __init__(self, number: int, spec: ChainStage, period: int) -> None:
        self.number, self.spec, self.step = number, spec, period

    def on_watermark(self, ctx: Context) -> Iterator[Any]:
        yield Wait(Duration(self.spec.latencies[ctx.t // self.step]))
        yield f"{ctx[self.inp]}/{self.number}"

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> str:
        return f"fallback/{self.number}"


def graph_of(case: RandomChain) -> Graph:
    graph = Graph("chain")
    previous: Any = graph.add(Ticks(case.count, Duration(case.period)), "source")
    for number, spec in enumerate(case.stages):
        stage = Stage(number, spec, case.period)
        graph.add(stage, f"stage{number}")
        graph.connect(previous.out, stage.inp)
        graph.queues[f"stage{number}.inp"] = Queue(spec.queue, spec.depth)
        if spec.deadline is not None:
            graph.deadline(stage.out, within=Duration(spec.deadline), policy="abort" if spec.abort else "continue")
        previous = stage
    return graph


@few(0.5)
@given(chains())
def test_a_chain_says_what_the_model_says_when_it_says_it(case: RandomChain) -> None:
    _, checker = checked(graph_of(case), until=seconds(20))
    for number, expected in enumerate(play(case)):
        name = f"stage{number}"
        sent = [Said(e.at, e.t, e.value, e.quality) for e in of(checker, Sent, name)]
        assert sent == expected.said, name
        begun = {e.t for e in of(checker, Started, name)}
        previous = "source" if number == 0 else f"stage{number - 1}"
        arrived = {e.t for e in of(checker, Sent, previous)}
        assert arrived - begun == expected.never_begun, name
        assert set(checker.dropped[f"{name}.inp"]) == expected.never_begun, name


@few(0.2)
@given(chains())
def test_two_runs_of_one_chain_are_the_same_to_the_last_event(case: RandomChain) -> None:
    first, second = (checked(graph_of(case), until=seconds(20))[0].hash for _ in range(2))
    assert first == second


def test_the_examples_cover_what_they_should() -> None:
    """Misses, overload, late work and exact hits on a deadline all occur among them."""
    seen: set[str] = set()

    @ci
    @given(chains())
    def look(case: RandomChain) -> None:
        for spec, played in zip(case.stages, play(case), strict=True):
            qualities = {said.quality for said in played.said}
            seen.update(qualities)
            seen.add("overload" if len(played.said) < case.count and spec.depth else "")
            exact = spec.deadline is not None and spec.deadline in spec.latencies
            seen.add("exactly at the deadline" if exact and "final" in qualities else "")

    look()
    assert {"final", "fallback", "overload", "exactly at the deadline"} <= seen
