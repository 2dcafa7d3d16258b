"""What an operator did follows from its events alone."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.events import Armed, Dropped, Event, Finished, Handled, Late, Missed, Refused, Sealed, Sent, Started
from pipeline.statistics import RunStatistics
from pipeline.timestamps import ms


def sent(t: int, took: int = 0, *, stream: str = "plan.path", winner: str = "local", origin: int | None = None) -> Sent:
    origin = t if origin is None else origin
    return Sent(t + took, stream.partition(".")[0], t, stream, origin, "final", winner, None)


def follow(*events: Event) -> RunStatistics:
    statistics = RunStatistics()
    for event in events:
        statistics.on_event(event)
    return statistics


def test_latency_runs_from_the_sensor_not_from_the_timestamp() -> None:
    statistics = follow(sent(ms(100), ms(20), origin=ms(70)))
    assert statistics.end_to_end("plan.path") == (50.0, 50.0)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=200))
def test_quantiles_are_latencies_that_occurred_and_lie_in_order(latencies: list[int]) -> None:
    statistics = follow(*(sent(t, took) for t, took in enumerate(latencies)))
    told = statistics.as_dict()["streams"]["plan.path"]
    p50, p99 = statistics.end_to_end("plan.path")
    assert told["count"] == len(latencies)
    assert p50 <= p99 <= told["latency_ms_max"] == max(latencies) / 1e6
    assert {p50, p99} <= {took / 1e6 for took in latencies}
    assert np.mean(np.array(latencies) / 1e6 <= p99) >= 0.99
    assert np.mean(np.array(latencies) / 1e6 <= p50) >= 0.5


def test_one_commit_on_several_outputs_answers_one_timestamp() -> None:
    row = follow(sent(0), sent(0, stream="plan.speed"), sent(1), sent(1, stream="plan.speed")).operators["plan"]
    assert (row.committed, len(row.latencies_ns)) == (2, 2)
    assert row.winners == {"local": 2}


def test_streams_and_operators_do_not_mix() -> None:
    statistics = follow(sent(0, ms(1)), sent(0, ms(9), stream="gate.command"))
    assert statistics.end_to_end("plan.path") == (1.0, 1.0)
    assert statistics.end_to_end("gate.command") == (9.0, 9.0)
    assert {name: row.committed for name, row in statistics.operators.items()} == {"plan": 1, "gate": 1}


def test_busy_time_is_that_of_every_candidate_whatever_it_came_to() -> None:
    row = follow(
        Started(ms(0), "plan", 0, "local"),
        Started(ms(1), "plan", 0, "cloud"),
        Finished(ms(30), "plan", 0, "local", ms(0), "fine", "done"),
        Finished(ms(40), "plan", 0, "cloud", ms(1), "", "cancelled", "lost the race"),
        Started(ms(50), "plan", 1, "local"),
    ).operators["plan"]
    assert row.started == 3
    assert row.busy_ns == {"local": ms(30), "cloud": ms(39)}
    assert row.outcomes == {"done": 1, "cancelled": 1}


def test_misses_losses_and_silences_are_counted_by_name() -> None:
    row = follow(
        *(Missed(1, "plan", 0, deadline, 1, 1, (), "deadline") for deadline in ("a", "b", "a")),
        Handled(1, "plan", 0, "answered"),
        Handled(1, "plan", 1, "raised", "ZeroDivisionError"),
        *(Dropped(1, "plan", 0, "plan.ego", reason) for reason in ("stale", "stale", "overload")),
        Sealed(1, "plan", 0, "missed", "deadline"),
        Sealed(1, "plan", 1, "superseded", ""),
        Late(1, "plan", 0, "cloud", 5),
        Refused(1, "plan", 0, "after the watermark"),
        Armed(1, "plan", 0, "a", 9),
    ).operators["plan"]
    assert row.misses == {"a": 2, "b": 1}
    assert row.handled == {"answered": 1, "raised": 1}
    assert row.dropped == {"stale": 2, "overload": 1}
    assert row.silent == {"missed": 1, "superseded": 1}
    assert (row.late, row.refused, row.committed) == (1, 1, 0)


def test_the_winners_are_counted_per_timestamp() -> None:
    row = follow(*(sent(t, winner=name) for t, name in enumerate(("local", "cloud", "cloud", "handler")))).operators
    assert row["plan"].winners == {"cloud": 2, "handler": 1, "local": 1}


def test_an_operator_that_never_answered_has_no_latency() -> None:
    told = follow(Started(0, "plan", 0, "local")).as_dict()["operators"]["plan"]
    assert (told["latency_ms_p50"], told["latency_ms_p99"], told["latency_ms_max"]) == (None, None, None)


def test_a_stream_that_carried_nothing_is_named_with_one_that_did() -> None:
    with pytest.raises(UsageError, match=r"'plan\.pth' carried nothing.*plan\.path"):
        follow(sent(0)).end_to_end("plan.pth")
    with pytest.raises(UsageError, match="no stream did"):
        follow().end_to_end("plan.path")


def test_the_figures_are_plain_and_sorted() -> None:
    events = [sent(0, stream="z.out"), sent(0, stream="a.out"), sent(1, stream="a.out", winner="cloud")]
    told: dict[str, Any] = follow(*events, Finished(9, "a", 0, "local", 0, "", "done")).as_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert list(told["operators"]) == ["a", "z"]
    assert list(told["operators"]["a"]["winners"]) == ["cloud", "local"]


def test_asking_on_the_way_does_not_stop_the_count() -> None:
    statistics = follow(sent(0, ms(1)))
    before = statistics.as_dict()
    statistics.on_event(sent(1, ms(3)))
    assert statistics.as_dict() != before
    assert statistics.end_to_end("plan.path") == (3.0, 3.0)
