"""Health follows from events and status updates alone, in bounded memory, and names what nobody else names."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import events as ev
from pipeline import ms, seconds
from pipeline.events import FAULTS, Event
from pipeline.health import (
    FATAL,
    FIRST_HUNG_AFTER,
    QUIET,
    REASONS_MAX,
    RECENT,
    Health,
    HealthMonitor,
    ProcessStatus,
    Recent,
)
from pipeline.incidents import INCIDENTS_MAX, Incidents
from pipeline.logschema import stream_schema
from pipeline.summary import Summary


def sent(at: int, t: int, quality: str = "final", operator: str = "plan", port: str = "path") -> ev.Sent:
    return ev.Sent(at, operator, t, f"{operator}.{port}", t, quality, "local", None)


def callback(t: int, took: int, operator: str = "plan", candidate: str = "local") -> list[Event]:
    return [
        ev.Started(t, operator, t, candidate),
        ev.Finished(t + took, operator, t, candidate, t, "", "done"),
    ]


def missed(at: int, t: int = 0) -> ev.Missed:
    return ev.Missed(at, "plan", t, "d", ms(80), ms(80), (), "deadline")


def fault(at: int, kind: str, *, operator: str = "", process: str = "", t: int = 0) -> ev.Fault:
    return ev.Fault(at, operator, t, process, kind, f"why {kind}")


def gap(at: int) -> ev.Dropped:
    return ev.Dropped(at, "plan", at, "plan.scan", "gap")


def monitor(*events: Event, operators: dict[str, str] | None = None) -> HealthMonitor:
    made = HealthMonitor(operators if operators is not None else {"plan": ""})
    for event in events:
        made.on_event(event)
    return made


def health(of: HealthMonitor, name: str = "plan", now: int = seconds(1)) -> Health:
    return next(row for row in of.report(now).operators if row.name == name)


# -- figures ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 10**12), max_size=60), st.integers(1, 20))
def test_quantiles_are_those_of_the_last_values(values: list[int], size: int) -> None:
    recent = Recent(size)
    for value in values:
        recent.add(value)
    kept = values[-size:]
    expected = tuple(int(np.quantile(kept, q, method="higher")) for q in (0.0, 0.5, 0.99, 1.0)) if kept else ()
    assert recent.quantiles(0, 50, 99, 100) == expected


@given(st.lists(st.integers(1, 10**9), max_size=60), st.integers(2, 20))
def test_the_mean_step_is_that_of_the_last_values(steps: list[int], size: int) -> None:
    times = [int(n) for n in np.cumsum(steps)] if steps else []
    recent = Recent(size)
    for time in times:
        recent.add(time)
    kept = times[-size:]
    assert recent.mean_step() == ((kept[-1] - kept[0]) // (len(kept) - 1) if len(kept) > 1 else 0)


def test_latency_and_period_are_those_of_its_own_callbacks_and_answers() -> None:
    of = monitor()
    for n in range(101):
        for event in [*callback(ms(10) * n, ms(1) + n, candidate="local"), *callback(ms(10) * n, ms(900), "plan", "c")]:
            of.on_event(event)
        of.on_event(sent(ms(10) * n + ms(2), ms(10) * n))
        of.on_event(sent(ms(10) * n + ms(2), ms(10) * n, port="other"))
    row = health(of)
    assert (row.answers, row.period_ns) == (101, ms(10))
    assert (row.latency_ms_p50, row.latency_ms_p99, row.latency_ms_max) == (1.00005, 1.000099, 1.0001)


def test_misses_handled_and_drops_are_counted_by_reason() -> None:
    of = monitor(
        missed(ms(80)),
        ev.Handled(ms(80), "plan", 0, "answered"),
        ev.Handled(ms(80), "plan", 0, "silent"),
        *(ev.Dropped(ms(90), "plan", 0, "plan.ego", reason) for reason in ("overload", "overload", "late")),
    )
    row = health(of)
    assert (row.misses, row.handled, row.dropped) == (1, 1, 3)
    assert row.drops == {"overload": 2, "late": 1}


def test_what_is_kept_does_not_grow_with_the_run() -> None:
    of = monitor()

    def size() -> int:
        row = of._rows["plan"]
        return sum(map(sys.getsizeof, (row.latencies._values, row.at._values, row.drops, of._named, of._rows)))

    def play(ticks: range) -> None:
        for n in ticks:
            for event in (*callback(ms(n), 100), sent(ms(n), ms(n)), fault(ms(n), "raised", operator="plan")):
                of.on_event(event)
            of.on_event(ev.Dropped(ms(n), "plan", 0, "plan.ego", f"reason {n}"))
            of.named(ms(n))

    play(range(2 * RECENT))
    before = size()
    play(range(2 * RECENT, 6 * RECENT))
    assert size() == before
    assert len(health(of).drops) == REASONS_MAX + 1 and sum(health(of).drops.values()) == 6 * RECENT


# -- states ----------------------------------------------------------------------------------------------------------


def test_an_operator_is_starting_until_something_is_seen_of_it() -> None:
    of = monitor()
    assert (health(of).state, health(of).alive) == ("starting", True)
    of.on_event(sent(0, 0))
    assert (health(of).state, health(of).alive) == ("healthy", True)


def test_a_missed_timestamp_makes_it_suspect_until_it_answers_itself_again() -> None:
    of = monitor(sent(0, 0), missed(ms(90), ms(10)))
    assert health(of).state == "suspect"
    of.on_event(sent(ms(91), ms(10), "fallback"))
    assert health(of).state == "suspect"
    of.on_event(sent(ms(120), ms(100)))
    assert health(of).state == "healthy"


def test_a_fault_makes_it_suspect_until_it_has_recovered_and_stays_its_last_fault() -> None:
    of = monitor(sent(0, 0), fault(ms(10), "not_finite", operator="plan"))
    row = health(of)
    assert (row.state, row.fault, row.fault_reason, row.fault_at) == ("suspect", "not_finite", "why not_finite", ms(10))
    of.on_event(ev.Recovered(ms(20), "plan", 0, "", ms(10)))
    row = health(of)
    assert (row.state, row.fault, row.faults) == ("healthy", "not_finite", 1)


def test_who_answers_for_a_second_without_a_further_fault_is_well_again() -> None:
    of = monitor(fault(ms(10), "shm_full", operator="plan", process="p"), sent(ms(20), 0), sent(ms(1000), ms(990)))
    assert of.named(ms(1010)) == [] and health(of).state == "suspect"
    of.on_event(sent(ms(1011), ms(1000)))
    (back,) = of.named(ms(1500))
    assert isinstance(back, ev.Recovered) and (back.operator, back.process, back.after) == ("plan", "p", ms(1001))
    assert of.named(ms(2000)) == [] and health(of).state == "healthy"


@pytest.mark.parametrize("kind", FATAL)
def test_a_process_that_is_gone_takes_its_operators_along_until_it_is_back(kind: str) -> None:
    of = monitor(operators={"plan": "p", "see": "s"})
    for event in (sent(0, 0), sent(0, 0, operator="see"), fault(ms(5), kind, process="p")):
        of.on_event(event)
    assert (health(of).state, health(of).alive, health(of).fault) == (FATAL[kind], False, kind)
    assert health(of, "see").state == "healthy"
    of.on_event(ev.Recovered(ms(90), "", 0, "p", ms(85)))
    assert (health(of).state, health(of).fault) == ("healthy", "")


def test_the_supervisors_word_on_the_process_counts() -> None:
    of = monitor(sent(0, 0), operators={"plan": "p"})
    of.on_process(ProcessStatus(process="p", pid=7, state="restarting", rss_bytes=5, restarts=2, queued={"plan": 3}))
    row = health(of)
    assert (row.state, row.alive, row.rss_bytes, row.restarts, row.queued) == ("restarting", False, 5, 2, 3)
    of.on_process(ProcessStatus(process="p", pid=8, rss_bytes=6, restarts=3))
    assert (health(of).state, health(of).rss_bytes) == ("healthy", 6)
    assert [status.pid for status in of.report(0).processes] == [8]


# -- faults that the monitor names -----------------------------------------------------------------------------------


def kinds(events: list[Event]) -> list[str]:
    return [event.kind if isinstance(event, ev.Fault) else "recovered" for event in events]


def test_a_callback_that_takes_much_longer_than_before_hangs_and_is_named_once() -> None:
    of = monitor(*callback(0, ms(20)), ev.Started(ms(100), "plan", ms(100), "local"))
    assert of.named(ms(500)) == []
    assert kinds(of.named(ms(501))) == ["hung"]
    assert of.named(ms(900)) == []
    of.on_event(ev.Finished(ms(950), "plan", ms(100), "local", ms(100), "", "done"))
    (back,) = of.named(ms(1000))
    assert isinstance(back, ev.Recovered) and back.after == ms(850)


def test_an_operator_that_is_slow_by_nature_does_not_hang() -> None:
    of = monitor(*callback(0, ms(300)), ev.Started(ms(400), "plan", ms(400), "local"))
    assert of.named(ms(400 + 1500)) == []
    assert kinds(of.named(ms(400 + 1501))) == ["hung"]


def test_the_first_callback_may_load_and_compile() -> None:
    of = monitor(ev.Started(0, "plan", 0, "local"))
    assert of.named(FIRST_HUNG_AFTER) == []
    assert kinds(of.named(FIRST_HUNG_AFTER + 1)) == ["hung"]


def test_callbacks_in_a_supervised_process_are_its_supervisors_business() -> None:
    of = monitor(ev.Started(0, "plan", 0, "local"), operators={"plan": "p"})
    assert of.named(seconds(60)) == []


def test_a_reader_that_loses_messages_is_named_once_until_it_keeps_up() -> None:
    of = monitor(gap(ms(10)), gap(ms(20)), gap(ms(30)))
    assert kinds(of.named(ms(40))) == ["slow_reader"]
    assert health(of).state == "suspect"
    assert of.named(ms(30) + QUIET) == []
    (back,) = of.named(ms(30) + QUIET + 1)
    assert isinstance(back, ev.Recovered) and back.after == ms(20)
    assert health(of).state == "healthy"


def test_what_the_monitor_names_is_what_the_events_document() -> None:
    of = monitor(gap(0), *callback(0, ms(1)), ev.Started(ms(1), "plan", ms(1), "local"))
    found = [event for event in of.named(seconds(9)) if isinstance(event, ev.Fault)]
    assert {event.kind for event in found} == {"slow_reader", "hung"} <= set(FAULTS)
    assert set(FATAL) <= set(FAULTS)


def test_no_figure_of_a_report_is_nan_for_operators_that_did_nothing() -> None:
    row = health(monitor())
    assert row.latency_ms_p99 is None
    assert not [v for v in (row.period_ns, row.rss_bytes, row.queued) if math.isnan(v)]


# -- incidents -------------------------------------------------------------------------------------------------------


def test_faults_of_one_kind_in_one_place_are_one_incident_until_it_is_over() -> None:
    incidents = Incidents()
    for at in (10, 20, 30):
        incidents.on_event(fault(ms(at), "raised", operator="plan"))
    incidents.on_event(fault(ms(35), "killed", process="p"))
    incidents.on_event(ev.Recovered(ms(40), "plan", 0, "", ms(30)))
    incidents.on_event(fault(ms(50), "raised", operator="plan"))
    found = [(i.kind, i.count, i.at, i.last_at, i.recovered_at) for i in incidents.all]
    assert found == [
        ("raised", 3, ms(10), ms(30), ms(40)),
        ("killed", 1, ms(35), ms(35), None),
        ("raised", 1, ms(50), ms(50), None),
    ]


def test_incidents_beyond_the_limit_are_counted() -> None:
    incidents = Incidents()
    for n in range(INCIDENTS_MAX + 3):
        incidents.on_event(fault(ms(n), "killed", process=f"p{n}"))
    assert (len(incidents.all), incidents.left_out) == (INCIDENTS_MAX, 3)


def test_the_result_lists_the_incidents() -> None:
    summary = Summary()
    summary.on_event(fault(ms(10), "killed", process="p"))
    summary.on_event(ev.Recovered(ms(60), "", 0, "p", ms(50)))
    (row,) = summary.figures()["faults"]
    assert (row["kind"], row["process"], row["at_s"], row["recovered_s"]) == ("killed", "p", 0.01, 0.06)


def test_viewers_know_the_fields_of_a_report_that_they_may_plot() -> None:
    of = monitor(sent(0, 0))
    of.on_process(ProcessStatus(process="main", queued={"plan": 1}))
    name, schema = stream_schema(of.report(0), is_picture=False, inline=0)
    value = schema["properties"]["value"]["properties"]
    assert name == "skylane.HealthReport"
    assert {"name", "state", "latency_ms_p99", "misses", "rss_bytes"} <= set(value["operators"]["items"]["properties"])
    assert {"process", "rss_bytes", "restarts"} <= set(value["processes"]["items"]["properties"])
