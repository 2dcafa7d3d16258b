"""A run's figures for Prometheus: an endpoint of this machine alone, ``http://127.0.0.1:PORT/metrics``.

Counts events and passes health reports on; the figures are made when somebody asks. Needs ``prometheus-client``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.errors import MissingExtra, UsageError
from pipeline.events import Dropped, Event, Fault, Finished, Handled, Missed, Recovered, Sealed, Sent
from pipeline.graph import LOCAL
from pipeline.health import ALIVE, OTHER, Health, HealthReport, ProcessStatus

HOST = "127.0.0.1"
BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
SERIES_MAX = 1000
"""Combinations of labels per metric; whatever comes beyond is counted under ``other``."""

COUNTERS = {
    "skylane_answers": ("Values committed, by stream and quality.", ("stream", "quality")),
    "skylane_deadline_misses": ("Timestamps that passed their deadline.", ("operator", "deadline")),
    "skylane_handled": ("Times that a deadline handler ran, by outcome.", ("operator", "outcome")),
    "skylane_drops": ("Messages that were not used, by reason.", ("operator", "reason")),
    "skylane_sealed": ("Timestamps sealed without a value.", ("operator", "quality")),
    "skylane_faults": ("Faults by kind.", ("operator", "process", "kind")),
    "skylane_recoveries": ("Times that somebody worked again after a fault.", ("operator", "process")),
}
"""Name without ``_total`` → help, labels."""

OPERATOR_GAUGES = {
    "skylane_operator_up": "1 while the operator works, 0 while it is down, standing by or starting again.",
    "skylane_operator_healthy": "1 while nothing is known against the operator.",
    "skylane_operator_period_seconds": "Mean time between its recent answers.",
    "skylane_operator_queued": "Timestamps that wait for their turn.",
}
PROCESS_GAUGES = {
    "skylane_process_up": "1 while the process works.",
    "skylane_process_rss_bytes": "Resident memory of the process.",
    "skylane_process_heartbeat_age_seconds": "Time since the process last said that it is alive.",
}


class _Histogram:
    def __init__(self) -> None:
        self.counts, self.sum_s = [0] * (len(BUCKETS_S) + 1), 0.0

    def observe(self, value_s: float) -> None:
        self.counts[bisect_left(BUCKETS_S, value_s)] += 1
        self.sum_s += value_s

    def buckets(self) -> list[tuple[str, float]]:
        """(upper bound, how many up to it), as Prometheus wants them."""
        total, found = 0, []
        for bound, count in zip([*map(str, BUCKETS_S), "+Inf"], list(self.counts), strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class Metrics:
    """An observer and a Prometheus collector. ``clear`` when another run begins."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything: another run begins."""
        self._counts: dict[str, dict[tuple[str, ...], int]] = {name: {} for name in COUNTERS}
        self._callbacks: dict[str, tuple[int, int]] = {}
        """Operator → how many, nanoseconds altogether."""
        self._responses: dict[str, _Histogram] = {}
        self._operators: tuple[Health, ...] = ()
        self._processes: dict[str, ProcessStatus] = {}
        self._now = 0

    # -- the run's side ----------------------------------------------------------------------------------------------

    def on_event(self, event: Event) -> None:
        """Count one event."""
        self._now = event.at
        if isinstance(event, Sent):
            self._count("skylane_answers", event.stream, event.quality)
            if event.stream not in self._responses:
                self._responses = {**self._responses, event.stream: _Histogram()}
            self._responses[event.stream].observe((event.at - event.origin) / 1e9)
        elif isinstance(event, Finished):
            if event.candidate == LOCAL:
                count, total = self._callbacks.get(event.operator, (0, 0))
                self._callbacks[event.operator] = (count + 1, total + event.at - event.started)
        elif isinstance(event, Missed):
            self._count("skylane_deadline_misses", event.operator, event.deadline)
        elif isinstance(event, Handled):
            self._count("skylane_handled", event.operator, event.outcome)
        elif isinstance(event, Dropped):
            self._count("skylane_drops", event.operator, event.reason)
        elif isinstance(event, Sealed):
            self._count("skylane_sealed", event.operator, event.quality)
        elif isinstance(event, Fault):
            self._count("skylane_faults", event.operator, event.process, event.kind)
        elif isinstance(event, Recovered):
            self._count("skylane_recoveries", event.operator, event.process)

    def on_health(self, report: HealthReport) -> None:
        """Everybody's health, once per period; none on virtual time."""
        self._operators = report.operators

    def on_process(self, status: ProcessStatus) -> None:
        """How a process is."""
        self._processes[status.process] = status

    def _count(self, name: str, *labels: str) -> None:
        series = self._counts[name]
        if labels not in series and len(series) >= SERIES_MAX:
            labels = (OTHER,) * len(labels)
        series[labels] = series.get(labels, 0) + 1

    # -- Prometheus' side --------------------------------------------------------------------------------------------

    def collect(self) -> Iterator[Any]:
        """The metrics as they stand. Called on the server's threads: reads copies only."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        yield GaugeMetricFamily("skylane_run_time_seconds", "The run's clock.", value=self._now / 1e9)
        for name, (text, labels) in COUNTERS.items():
            counter = CounterMetricFamily(name, text, labels=labels)
            for values, count in dict(self._counts[name]).items():
                counter.add_metric(values, count)
            yield counter
        responses = HistogramMetricFamily(
            "skylane_response_latency_seconds", "From the sensor to the commit, by stream.", labels=["stream"]
        )
        for stream, histogram in dict(self._responses).items():
            responses.add_metric([stream], histogram.buckets(), histogram.sum_s)
        yield responses
        yield self._latencies()
        yield from self._gauges()

    def _latencies(self) -> Any:
        from prometheus_client import Metric

        name = "skylane_operator_latency_seconds"
        found = Metric(name, "What the operator's own recent callbacks took, stopped ones included.", "summary")
        for row in self._operators:
            for quantile, value in (
                ("0.5", row.latency_ms_p50),
                ("0.99", row.latency_ms_p99),
                ("1", row.latency_ms_max),
            ):
                if value is not None:
                    found.add_sample(name, {"operator": row.name, "quantile": quantile}, value / 1e3)
        for operator, (count, total) in dict(self._callbacks).items():
            found.add_sample(f"{name}_count", {"operator": operator}, count)
            found.add_sample(f"{name}_sum", {"operator": operator}, total / 1e9)
        return found

    def _gauges(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        operators = [GaugeMetricFamily(name, text, labels=["operator"]) for name, text in OPERATOR_GAUGES.items()]
        for row in self._operators:
            values = (row.alive, row.state == "healthy", row.period_ns / 1e9, row.queued)
            for gauge, value in zip(operators, values, strict=True):
                gauge.add_metric([row.name], float(value))
        processes = [GaugeMetricFamily(name, text, labels=["process"]) for name, text in PROCESS_GAUGES.items()]
        restarts = CounterMetricFamily("skylane_process_restarts", "Times it was started again.", labels=["process"])
        for status in dict(self._processes).values():
            figures = (status.state in ALIVE, status.rss_bytes, status.heartbeat_age_ns / 1e9)
            for gauge, value in zip(processes, figures, strict=True):
                gauge.add_metric([status.process], float(value))
            restarts.add_metric([status.process], status.restarts)
        yield from (*operators, *processes, restarts)


@contextmanager
def serving(port: int) -> Iterator[tuple[Metrics, str]]:
    """Metrics and where they are served, until the block ends; port 0 takes any free one.

    Raises MissingExtra, and UsageError when the port is taken.
    """
    try:
        from prometheus_client import CollectorRegistry, start_http_server
    except ImportError as error:
        raise MissingExtra(
            "--metrics needs prometheus-client, which is not installed", hint="pip install 'skylane[health]'"
        ) from error
    metrics, registry = Metrics(), CollectorRegistry()
    registry.register(metrics)
    try:
        server, thread = start_http_server(port, addr=HOST, registry=registry)
    except OSError as error:
        what = f"port {port} cannot be used for metrics: {error.strerror or error}"
        raise UsageError(what, where="--metrics", hint="choose another one, or 0 for any that is free") from error
    try:
        yield metrics, f"http://{HOST}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
