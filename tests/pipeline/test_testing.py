"""The test kit itself: drive, Script, and every animal of the zoo under a deadline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

from pipeline import Context, DeadlineMissed, Input, Operator, Output, State, Wait, latest, ms, readonly, seconds
from pipeline.errors import OperatorFailed, UsageError
from pipeline.latency import constant
from pipeline.testing import Script, drive, zoo

NUMBERS = [(ms(100 * i), i) for i in range(5)]


class Doubles(Operator):
    numbers = Input(int)
    answers = Output(int)

    def on_watermark(self, ctx: Context) -> int:
        return 2 * ctx[self.numbers]


class Sums(Operator):
    left = Input(int)
    right = Input(int, join=latest(), required=False)
    answers = Output(int)
    total: State[int] = State(int)

    def on_watermark(self, ctx: Context) -> int:
        ctx[self.total] = ctx[self.total] + ctx[self.left] + (ctx.get(self.right) or 0)
        return ctx[self.total]


class Both(NamedTuple):
    small: int
    large: int | None


class Splits(Operator):
    numbers = Input(int)
    small = Output(int)
    large = Output(int)

    def on_watermark(self, ctx: Context) -> Both:
        number = ctx[self.numbers]
        return Both(number, number * 1000 if number % 2 else None)


class Anytime(Operator):
    numbers = Input(int)
    answers = Output(str)

    def on_watermark(self, ctx: Context) -> Iterator[Any]:
        for step in ("coarse", "middle", "fine"):
            ctx.work(step)
            yield step

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> str:
        return miss.best or "nothing"


def test_drives_an_operator_on_scripted_values() -> None:
    assert drive(Doubles(), {"numbers": NUMBERS}).values == [(ms(100 * i), 2 * i) for i in range(5)]


def test_inputs_arrive_when_their_latency_says() -> None:
    driven = drive(
        Sums(), {"left": NUMBERS, "right": [(ms(100), 10)]}, arrivals={"right": ms(150), "left": constant(ms(7))}
    )
    assert [value for _, value in driven.values] == [0, 1, 3, 16, 30]
    assert [answer.at - answer.t for answer in driven.answers] == [ms(7)] * 5


def test_latency_and_deadline_decide_what_an_anytime_operator_says() -> None:
    latency = {step: constant(ms(20)) for step in ("coarse", "middle", "fine")}
    said = {}
    for budget in (10, 20, 59, 60):
        driven = drive(Anytime(), {"numbers": NUMBERS}, latency=latency, deadline=ms(budget))
        said[budget] = {(value, driven.qualities[t]) for t, value in driven.values}
        assert len(driven.values) == 5
    assert said == {
        10: {("nothing", "fallback")},
        20: {("coarse", "partial")},
        59: {("middle", "partial")},
        60: {("fine", "final")},
    }


def test_several_outputs_are_told_apart() -> None:
    driven = drive(Splits(), {"numbers": NUMBERS})
    assert [a.value for a in driven.outputs["small"]] == [0, 1, 2, 3, 4]
    assert [(a.t, a.value) for a in driven.outputs["large"]] == [(ms(100), 1000), (ms(300), 3000)]
    with pytest.raises(UsageError, match="2 outputs"):
        _ = driven.answers


def test_two_drives_have_one_hash_and_another_latency_another() -> None:
    hashes = [drive(Doubles(), {"numbers": NUMBERS}, latency=ms(x)).hash for x in (1, 1, 2)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_an_unknown_port_and_a_script_that_goes_back_are_refused() -> None:
    with pytest.raises(UsageError, match="no input 'words'"):
        drive(Doubles(), {"words": NUMBERS})
    with pytest.raises(UsageError, match="increase"):
        Script(int, [(ms(2), 1), (ms(1), 2)])
    with pytest.raises(UsageError, match="step"):
        Script(int, [(0, 1), (seconds(9) + 1, 2), (seconds(10), 3)])


def driven_zoo(animal: type[zoo.Bad], **settings: Any) -> Any:
    latency = {"on_miss": constant(ms(50))} if animal is zoo.SlowHandler else None
    bad = [ms(100), ms(300)]
    return drive(animal(bad), {"numbers": NUMBERS}, deadline=ms(40), latency=latency, **settings)


@pytest.mark.parametrize("policy", ["abort", "continue"])
@pytest.mark.parametrize("animal", zoo.ALL, ids=lambda animal: animal.__name__)
def test_a_bad_operator_with_a_deadline_never_keeps_its_good_timestamps_from_being_answered(
    animal: type[zoo.Bad], policy: str
) -> None:
    driven = driven_zoo(animal, policy=policy, until=seconds(2))
    good = [0, 2] if policy == "continue" and animal in CONTINUES_FOR_EVER else [0, 2, 4]
    said = dict(driven.values)
    sealed = {s.t for s in driven.sealed}
    assert set(said) | sealed == {t for t, _ in NUMBERS}
    for i in good:
        if not (policy == "continue" and animal in CONTINUES_FOR_EVER and i > 1):
            assert driven.qualities[ms(100 * i)] == "final"
    assert all(type(value) is int for value in said.values())


CONTINUES_FOR_EVER = {
    zoo.Hangs,
    zoo.RaisesInHandler,
    zoo.WrongTypeInHandler,
    zoo.NeverStops,
    zoo.SwallowsAborted,
    zoo.RaisesWhenAborted,
    zoo.SlowHandler,
    zoo.SilentHandler,
    zoo.HandlerIsAGenerator,
    zoo.LeaksState,
}
"""Under the continue policy their work goes on, as the policy says, and later timestamps find them busy."""


@pytest.mark.parametrize(
    "animal, quality",
    [
        (zoo.Hangs, "fallback"),
        (zoo.Raises, "fallback"),
        (zoo.RaisesMidway, "fallback"),
        (zoo.RaisesInHandler, "missed"),
        (zoo.YieldsNothing, "final"),
        (zoo.WrongType, "fallback"),
        (zoo.WrongTypeInHandler, "missed"),
        (zoo.NeverStops, "fallback"),
        (zoo.Floods, "fallback"),
        (zoo.SwallowsAborted, "fallback"),
        (zoo.RaisesWhenAborted, "fallback"),
        (zoo.SlowHandler, "missed"),
        (zoo.SilentHandler, "missed"),
        (zoo.HandlerIsAGenerator, "missed"),
        (zoo.ReadsTheClock, "fallback"),
        (zoo.LeaksState, "fallback"),
    ],
    ids=lambda x: getattr(x, "__name__", x),
)
def test_a_bad_timestamp_is_sealed_with_the_quality_it_deserves(animal: type[zoo.Bad], quality: str) -> None:
    driven = driven_zoo(animal)
    assert driven.qualities[ms(100)] == driven.qualities[ms(300)] == quality


def test_state_changed_in_place_by_an_aborted_timestamp_is_rolled_back() -> None:
    said = dict(driven_zoo(zoo.LeaksState).values)
    assert [said[ms(100 * i)] for i in (0, 2, 4)] == [1, 2, 3]


def test_state_cannot_be_written_through_a_context_that_is_over() -> None:
    driven = drive(zoo.KeepsItsContext([ms(0), ms(100)]), {"numbers": NUMBERS}, deadline=ms(40))
    said = dict(driven.values)
    assert said[0] == 1
    assert all(value < 1_000_000 for value in said.values())


def test_an_array_of_a_message_cannot_be_written_by_its_reader() -> None:
    sweep = zoo.Sweep(ranges_m=readonly(np.ones(3)))
    driven = drive(zoo.MutatesInput(), {"sweeps": [(0, sweep)]}, deadline=ms(10))
    assert driven.values == [(0, 1.0)]
    assert driven.qualities == {0: "fallback"}


def test_not_a_number_hashes_like_itself() -> None:
    hashes = {drive(zoo.NaNOutput(), {"numbers": NUMBERS}).hash for _ in range(2)}
    assert len(hashes) == 1


def test_an_operator_without_a_handler_that_raises_ends_the_run_with_its_name() -> None:
    class Careless(Doubles):
        def on_watermark(self, ctx: Context) -> int:
            raise ZeroDivisionError("on purpose")

    with pytest.raises(OperatorFailed, match="operator.*on purpose") as failure:
        drive(Careless(), {"numbers": NUMBERS})
    assert isinstance(failure.value.__cause__, ZeroDivisionError)


def test_a_wait_is_no_answer() -> None:
    class Waits(Doubles):
        def on_watermark(self, ctx: Context) -> Any:
            yield Wait(ms(30))
            yield 1

    driven = drive(Waits(), {"numbers": NUMBERS})
    assert [(answer.value, answer.at - answer.t) for answer in driven.answers] == [(1, ms(30))] * 5
