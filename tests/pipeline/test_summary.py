"""The figures of a run follow from its events alone."""

from __future__ import annotations

from pipeline.events import Dropped, Missed, Sealed, Sent
from pipeline.messages import Quality
from pipeline.summary import Summary
from pipeline.timestamps import ms


def sent(t: int, took: int, *, stream: str = "plan.path", winner: str = "local", quality: str = "final") -> Sent:
    operator = stream.partition(".")[0]
    return Sent(
        at=t + took, operator=operator, t=t, stream=stream, origin=t, quality=quality, winner=winner, value=None
    )


def test_latency_runs_from_the_sensor_to_the_commit_on_the_response_stream() -> None:
    summary = Summary("plan.path")
    for n in range(100):
        summary.on_event(sent(ms(100) * n, ms(n + 1)))
        summary.on_event(sent(ms(100) * n, ms(500), stream="other.path"))
    figures = summary.figures()
    assert (figures["answers"], figures["latency_ms_p50"], figures["latency_ms_p99"]) == (100, 51.0, 100.0)
    assert figures["latency_ms_max"] == 100.0
    assert figures["streams"]["other.path"] == {"count": 100, "latency_ms_p50": 500.0, "latency_ms_p99": 500.0}


def test_a_stream_without_answers_has_no_latency() -> None:
    assert Summary("plan.path").figures()["latency_ms_p99"] is None


def test_only_operators_that_somebody_else_answered_for_have_winners() -> None:
    summary = Summary()
    summary.on_event(sent(0, 1, stream="alone.path"))
    for winner in ("local", "cloud", "cloud", "handler"):
        summary.on_event(sent(0, 1, stream="raced.path", winner=winner))
    summary.on_event(sent(0, 1, stream="fallen.path", winner="handler"))
    assert summary.figures()["winners"] == {
        "raced": {"cloud": 2, "handler": 1, "local": 1},
        "fallen": {"handler": 1},
    }


def test_misses_drops_and_silences_are_counted_by_name() -> None:
    summary = Summary()
    for deadline in ("a", "b", "a"):
        summary.on_event(
            Missed(at=1, operator="plan", t=0, deadline=deadline, budget=1, elapsed=1, finished=(), reason="deadline")
        )
    summary.on_event(Dropped(at=1, operator="plan", t=0, stream="plan.ego", reason="overload"))
    summary.on_event(Sealed(at=1, operator="plan", t=0, quality=Quality.MISSED, reason="deadline"))
    summary.on_event(Sealed(at=1, operator="plan", t=0, quality=Quality.FINAL, reason=""))
    figures = summary.figures()
    assert (figures["deadline_misses"], figures["misses"]) == (3, {"a": 2, "b": 1})
    assert figures["dropped"] == {"overload": 1}
    assert figures["without_answer"] == 1
