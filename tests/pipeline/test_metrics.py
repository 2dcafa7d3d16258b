"""The metrics endpoint: figures that Prometheus understands, on this machine only, and nothing left behind."""

from __future__ import annotations

import socket
import threading
import urllib.request
from collections.abc import Iterator

import pytest

pytest.importorskip("prometheus_client")

from prometheus_client.parser import text_string_to_metric_families

from pipeline import events as ev
from pipeline import ms
from pipeline.errors import UsageError
from pipeline.health import Health, HealthReport, ProcessStatus
from pipeline.metrics import BUCKETS_S, SERIES_MAX, Metrics, serving

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def sent(took: int, t: int = 0, quality: str = "final") -> ev.Sent:
    return ev.Sent(t + took, "plan", t, "plan.path", t, quality, "local", None)


def asked(url: str) -> Samples:
    """What Prometheus reads from the page."""
    with urllib.request.urlopen(url) as answer:
        text = answer.read().decode()
    families = text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def one(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


@pytest.fixture
def served() -> Iterator[tuple[Metrics, str]]:
    with serving(0) as (metrics, url):
        yield metrics, url


def test_events_are_counted_under_the_fields_names(served: tuple[Metrics, str]) -> None:
    metrics, url = served
    for event in (
        sent(ms(40)),
        sent(ms(60), quality="fallback"),
        ev.Missed(ms(80), "plan", 0, "e2e", ms(80), ms(80), (), "deadline"),
        ev.Handled(ms(81), "plan", 0, "answered"),
        ev.Dropped(ms(82), "plan", 0, "plan.ego", "overload"),
        ev.Dropped(ms(82), "plan", 0, "plan.ego", "overload"),
        ev.Sealed(ms(83), "plan", 0, "missed", "silent"),
        ev.Fault(ms(84), "", 0, "p", "killed", "SIGKILL"),
        ev.Recovered(ms(90), "", 0, "p", ms(6)),
    ):
        metrics.on_event(event)
    found = asked(url)
    assert one(found, "skylane_answers_total", stream="plan.path", quality="fallback") == 1
    assert one(found, "skylane_deadline_misses_total", operator="plan", deadline="e2e") == 1
    assert one(found, "skylane_handled_total", operator="plan", outcome="answered") == 1
    assert one(found, "skylane_drops_total", operator="plan", reason="overload") == 2
    assert one(found, "skylane_sealed_total", operator="plan", quality="missed") == 1
    assert one(found, "skylane_faults_total", operator="", process="p", kind="killed") == 1
    assert one(found, "skylane_recoveries_total", operator="", process="p") == 1
    assert one(found, "skylane_run_time_seconds") == 0.09


def test_response_times_are_a_histogram(served: tuple[Metrics, str]) -> None:
    metrics, url = served
    for took in (ms(1), ms(1.5), ms(40), ms(9000)):
        metrics.on_event(sent(took))
    found = asked(url)
    name = "skylane_response_latency_seconds"
    counts = [one(found, f"{name}_bucket", stream="plan.path", le=str(bound)) for bound in (*BUCKETS_S, "+Inf")]
    assert counts == [1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 4]
    assert one(found, f"{name}_count", stream="plan.path") == 4
    assert one(found, f"{name}_sum", stream="plan.path") == pytest.approx(9.0425)


def test_health_is_shown_as_reported(served: tuple[Metrics, str]) -> None:
    metrics, url = served
    good = Health(
        name="plan",
        process="p",
        alive=True,
        state="healthy",
        period_ns=ms(25),
        latency_ms_p50=10.0,
        latency_ms_p99=20.0,
        latency_ms_max=30.0,
        queued=2,
    )
    metrics.on_event(ev.Finished(ms(10), "plan", 0, "local", 0, "", "done"))
    metrics.on_event(ev.Finished(ms(90), "plan", 0, "cloud", 0, "", "done"))
    metrics.on_health(HealthReport(at=0, operators=(good, Health(name="see", process="s", alive=False, state="down"))))
    metrics.on_process(ProcessStatus(process="p", rss_bytes=4096, restarts=2, heartbeat_age_ns=ms(5)))
    metrics.on_process(ProcessStatus(process="s", state="down"))
    found = asked(url)
    latency = "skylane_operator_latency_seconds"
    assert [one(found, latency, operator="plan", quantile=q) for q in ("0.5", "0.99", "1")] == [0.01, 0.02, 0.03]
    assert (one(found, f"{latency}_count", operator="plan"), one(found, f"{latency}_sum", operator="plan")) == (1, 0.01)
    assert (latency, frozenset({("operator", "see"), ("quantile", "0.5")})) not in found
    for name, plan, see in (("up", 1, 0), ("healthy", 1, 0), ("period_seconds", 0.025, 0), ("queued", 2, 0)):
        assert one(found, f"skylane_operator_{name}", operator="plan") == plan
        assert one(found, f"skylane_operator_{name}", operator="see") == see
    assert [one(found, "skylane_process_up", process=name) for name in "ps"] == [1, 0]
    assert one(found, "skylane_process_rss_bytes", process="p") == 4096
    assert one(found, "skylane_process_restarts_total", process="p") == 2
    assert one(found, "skylane_process_heartbeat_age_seconds", process="p") == 0.005


def test_another_run_begins_at_zero(served: tuple[Metrics, str]) -> None:
    metrics, url = served
    metrics.on_event(sent(ms(40)))
    metrics.clear()
    assert not [name for name, labels in asked(url) if labels]


def test_the_number_of_series_is_bounded() -> None:
    metrics = Metrics()
    for n in range(2 * SERIES_MAX):
        metrics.on_event(ev.Dropped(0, "plan", 0, "plan.ego", f"reason {n}"))
    drops = metrics._counts["skylane_drops"]
    assert len(drops) == SERIES_MAX + 1 and sum(drops.values()) == 2 * SERIES_MAX


def test_it_listens_on_this_machine_only_and_leaves_neither_port_nor_thread() -> None:
    before = set(threading.enumerate())
    with serving(0) as (_, url):
        port = int(url.rpartition(":")[2].partition("/")[0])
        assert url == f"http://127.0.0.1:{port}/metrics"
        with pytest.raises(OSError), socket.create_connection(("127.0.0.2", port), timeout=1):
            pass
        asked(url)
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", port))
    assert not [thread for thread in set(threading.enumerate()) - before if not thread.daemon]
    with pytest.raises(OSError):
        asked(url)


def test_a_taken_port_is_one_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(UsageError, match=rf"port {port} cannot be used for metrics: Address already in use"),
            serving(port),
        ):
            pass
