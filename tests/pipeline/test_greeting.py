"""Whoever takes over waits until everybody who writes to it knows it: no message falls between two of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from pipeline import Recipe, ms
from pipeline.engines.processes.greeting import Greeter, await_greeting
from pipeline.engines.processes.heart import BEATS
from pipeline.engines.processes.plan import Plan, RunOn, Supervision, place
from pipeline.engines.processes.table import GREETED, StatusTable
from tests.pipeline.live_car import car

HOUR = Supervision(heartbeat=ms(3_600_000 // BEATS))


@pytest.fixture
def plan() -> Plan:
    graph = car(10)
    home = {name: RunOn("world") for name in ("sensor", "vehicle")}
    placed = place(graph, Recipe("x:y", {}), home, fragile=frozenset(home), supervision=HOUR)
    return Plan("test", placed.recipe, placed.processes, placed.streams, HOUR, until=0, seed=0, watched=False)


@pytest.fixture
def table(plan: Plan) -> Iterator[StatusTable]:
    table = StatusTable.create(plan)
    yield table
    table.close()


class Exit:
    """Counts looks."""

    looks = 0

    def greet(self) -> None:
        self.looks += 1


def waiting(plan: Plan, table: StatusTable, process: str) -> threading.Thread:
    thread = threading.Thread(target=await_greeting, args=(plan, table, [process]), daemon=True)
    thread.start()
    return thread


def test_a_process_that_looks_for_new_readers_counts_it(table: StatusTable) -> None:
    way_out = Exit()
    greeter = Greeter(table, 1, [way_out])  # type: ignore[list-item]
    for _ in range(3):
        greeter.look()
    assert way_out.looks == 3
    assert table.get(1, GREETED) == 3


def test_a_new_process_waits_for_a_whole_look_of_its_writer_and_of_the_writer_s_standby(
    plan: Plan, table: StatusTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda s, nap=time.sleep: nap(0.001))
    thread = waiting(plan, table, "gate")
    rows = [plan.row("controller"), len(plan.processes)]
    for row, count in ((rows[0], 1), (rows[0], 2), (rows[1], 1)):
        table.set(row, GREETED, count)
        thread.join(0.05)
        assert thread.is_alive()
    table.set(rows[1], GREETED, 2)
    thread.join(10)
    assert not thread.is_alive()


def test_a_writer_without_a_standby_is_waited_for_alone(
    plan: Plan, table: StatusTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda s, nap=time.sleep: nap(0.001))
    thread = waiting(plan, table, "controller")
    table.set(plan.row("world"), GREETED, 2)
    thread.join(10)
    assert not thread.is_alive()


def test_a_writer_that_is_down_is_not_waited_for_for_ever(
    plan: Plan, table: StatusTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: list[float] = []
    began = time.monotonic()
    monkeypatch.setattr(time, "sleep", naps.append)
    monkeypatch.setattr(time, "monotonic", lambda: began + sum(naps))
    await_greeting(plan, table, ["gate"])
    assert sum(naps) == pytest.approx(6 * 3600, rel=0.1)
