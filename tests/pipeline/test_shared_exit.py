"""Whoever is fenced off says nothing; when it answers again, it says what nobody came to."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.engines.processes.plan import StreamPlan
from pipeline.engines.processes.traffic import WITHHELD_MAX, SharedExit
from pipeline.messages import Envelope
from pipeline.timestamps import BOTTOM, TOP, Timestamp

MINE, THEIRS = 3, 4


class Writer:
    """Notes what is sent."""

    def __init__(self) -> None:
        self.sent: list[int] = []

    def prepare(self, value: Any) -> Any:
        return value

    def send(self, head: Any, prepared: Any) -> None:
        self.sent.append(head.t)


class Table:
    """One process, one stream."""

    epoch, said = MINE, int(BOTTOM)

    def get(self, process: int, cell: int) -> int:
        return self.epoch

    def answered(self, cell: int) -> int:
        return self.said

    def set_answered(self, cell: int, t: int) -> None:
        self.said = t


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def way_out(table: Table) -> SharedExit:
    plan = StreamPlan("a.out", "a", ("b",))
    made = SharedExit(Writer(), plan, table, 0, [], 0, [])  # type: ignore[arg-type]
    made.epoch = MINE
    return made


def message(t: int) -> Envelope:
    at = Timestamp(t)
    return Envelope(at, float(t), at, "fallback", "local", at)


def sent(way_out: SharedExit) -> list[int]:
    return way_out._writer.sent  # type: ignore[attr-defined, no-any-return]


def test_what_is_withheld_is_said_when_the_other_did_not_survive_it(way_out: SharedExit, table: Table) -> None:
    way_out.send(message(10), ())
    table.epoch = THEIRS
    way_out.send(message(20), ())
    assert sent(way_out) == [10] and way_out.fenced == 1
    table.epoch = way_out.epoch = THEIRS + 1
    way_out.catch_up()
    way_out.catch_up()
    assert sent(way_out) == [10, 20]


def test_what_the_other_has_answered_is_not_said_again(way_out: SharedExit, table: Table) -> None:
    table.epoch = THEIRS
    way_out.send(message(20), ())
    table.said = 20
    table.epoch = way_out.epoch = THEIRS + 1
    way_out.catch_up()
    assert sent(way_out) == []


def test_the_end_of_an_engine_that_went_to_rest_is_not_the_end_of_the_stream(way_out: SharedExit, table: Table) -> None:
    table.epoch = THEIRS
    way_out.send(TOP, ())
    table.epoch = way_out.epoch = THEIRS + 1
    way_out.catch_up()
    assert sent(way_out) == []


def test_only_the_newest_are_kept(way_out: SharedExit, table: Table) -> None:
    table.epoch = THEIRS
    for t in range(10, 100, 10):
        way_out.send(message(t), ())
    table.epoch = way_out.epoch = THEIRS + 1
    way_out.catch_up()
    assert sent(way_out) == [100 - 10 * k for k in range(WITHHELD_MAX, 0, -1)]
