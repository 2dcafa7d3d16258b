"""One stream between two hosts: order, gaps, the newest first, the end, and bytes of strangers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("zenoh")

from pipeline.engines.hosts import link
from pipeline.engines.hosts.clocks import OffsetEstimate, Ping, RunClock
from pipeline.engines.hosts.link import ZenohEntry, ZenohExit
from pipeline.engines.hosts.session import Sessions, SessionSettings, open_sessions
from pipeline.engines.processes.wire import Head, pack
from pipeline.messages import Envelope
from pipeline.timestamps import TOP, Timestamp, ms
from tests.pipeline.host_runs import free_port, until
from tests.pipeline.host_toys import Frame

pytestmark = pytest.mark.real


class Heard:
    """A sink that keeps everything; ``gate`` holds it back."""

    def __init__(self) -> None:
        self.messages: list[tuple[Sessions, Sessions]] = []
        self.gaps: list[tuple[int, int]] = []
        self.gate = threading.Event()
        self.gate.set()

    def arrive(self, stream: str, message: Envelope | int, starts: Any) -> None:
        self.gate.wait(10)
        self.messages.append((message, starts))

    def lost(self, stream: str, t: int, count: int) -> None:
        self.gaps.append((t, count))

    @property
    def ts(self) -> list[int]:
        return [m if isinstance(m, int) else int(m.t) for m, _ in self.messages]


@pytest.fixture
def sessions() -> Iterator[tuple[Sessions, Sessions]]:
    endpoint = f"tcp/127.0.0.1:{free_port()}"
    car = open_sessions(SessionSettings(listen=endpoint))
    edge = open_sessions(SessionSettings(connect=endpoint))
    yield car, edge
    edge.close()
    car.close()


def envelope(t: int, value: Any, at: int = 7) -> Envelope:
    return Envelope(Timestamp(t), value, Timestamp(t), "final", "local", Timestamp(at))


def connected(sessions: tuple[Sessions, Sessions], type_: type, **changes: Any) -> tuple[ZenohExit, ZenohEntry, Heard]:
    way_in = ZenohEntry(sessions[1], "run", "a.b", type_, here="edge", **changes)
    way_out = ZenohExit(sessions[0], "run", "a.b", readers=["edge"])
    until(lambda: way_out.reached)
    return way_out, way_in, Heard()


def close(way_out: ZenohExit, way_in: ZenohEntry) -> None:
    way_out.close()
    way_in.close()


def test_messages_watermarks_and_deadlines_arrive_in_order_as_they_were_sent(
    sessions: tuple[Sessions, Sessions],
) -> None:
    way_out, way_in, heard = connected(sessions, int)
    way_in.open(heard)
    way_out.send(envelope(10, 1), (("brake", 3, 500),))
    way_out.send(20, ())
    way_out.send(envelope(30, 3), ())
    way_out.send(TOP, ())
    until(lambda: len(heard.messages) == 4)
    assert heard.messages == [(envelope(10, 1), (("brake", 3, 500),)), (20, ()), (envelope(30, 3), ()), (TOP, ())]
    assert not heard.gaps
    close(way_out, way_in)


def test_what_came_before_the_entry_was_opened_has_waited(sessions: tuple[Sessions, Sessions]) -> None:
    way_out, way_in, heard = connected(sessions, int)
    for t in range(3):
        way_out.send(envelope(t, t), ())
    until(lambda: way_out.counters.sent == 3)
    way_in.open(heard)
    until(lambda: heard.ts == [0, 1, 2])
    close(way_out, way_in)


def test_a_slow_reader_gets_the_newest_and_is_told_how_many_are_missing(sessions: tuple[Sessions, Sessions]) -> None:
    way_out, way_in, heard = connected(sessions, int)
    heard.gate.clear()
    way_in.open(heard)
    for t in range(60):
        way_out.send(envelope(t, t), ())
        until(lambda t=t: way_out.counters.sent == t + 1)
    way_out.send(100, ())
    until(lambda: way_in.waiting == link.ARRIVED_WAITING)
    heard.gate.set()
    until(lambda: bool(heard.ts) and heard.ts[-1] == 100)
    assert heard.ts[-2] == 59
    values = len(heard.ts) - 1
    assert sum(count for _, count in heard.gaps) == way_in.counters.missing == 60 - values > 0
    close(way_out, way_in)


def test_while_the_network_is_busy_only_the_newest_picture_waits(sessions: tuple[Sessions, Sessions]) -> None:
    way_out, way_in, heard = connected(sessions, Frame)
    way_in.open(heard)
    picture = Frame(rgb=np.full((100, 300, 3), 5, np.uint8))
    way_out.send(envelope(0, picture), ())
    until(lambda: heard.ts == [0])
    busy, free = threading.Event(), threading.Event()
    put = way_out._put

    def slow(*waiting: Any) -> None:
        busy.set()
        free.wait(10)
        put(*waiting)

    way_out._put = slow  # type: ignore[method-assign]
    way_out.send(envelope(1, picture), ())
    busy.wait(10)
    for t in range(2, 30):
        way_out.send(envelope(t, picture), ())
    free.set()
    until(lambda: len(heard.ts) == 3)
    assert heard.ts == [0, 1, 29]
    assert heard.gaps == [(29, 27)]
    assert way_out.counters.overtaken == 27
    last = heard.messages[-1][0].value
    assert last.rgb.shape == (100, 300, 3) and not last.rgb.flags.writeable
    close(way_out, way_in)


def test_the_end_of_a_stream_reaches_a_reader_that_has_missed_it(sessions: tuple[Sessions, Sessions]) -> None:
    way_out = ZenohExit(sessions[0], "run", "a.b", readers=["edge"])
    way_out.send(envelope(1, 1), ())
    way_out.send(TOP, ())
    until(lambda: way_out.counters.bytes > 0)
    way_in, heard = ZenohEntry(sessions[1], "run", "a.b", int, here="edge", from_start=False), Heard()
    way_in.open(heard)
    until(lambda: heard.ts == [TOP])
    close(way_out, way_in)


def test_a_reader_that_is_back_hears_at_once_how_far_the_stream_is(sessions: tuple[Sessions, Sessions]) -> None:
    way_out, way_in, _ = connected(sessions, int)
    way_out.send(envelope(5, 1), ())
    until(lambda: way_out.counters.sent == 1)
    way_in.close()
    again, heard = ZenohEntry(sessions[1], "run", "a.b", int, here="edge", from_start=False), Heard()
    until(lambda: way_out.reached)
    again.open(heard)
    way_out.reader_is_back("edge")
    until(lambda: heard.ts == [5])
    way_out.send(envelope(6, 1), ())
    until(lambda: heard.ts == [5, 6])
    assert not heard.gaps, "what was sent while nobody was there is not missed"
    close(way_out, again)


def put(sessions: Sessions, head: Head, value: Any = None) -> None:
    sessions.urgent.put("skylane/run/run/a.b", pack(head, value))


def test_an_earlier_incarnation_of_the_writer_is_not_listened_to_any_more(sessions: tuple[Sessions, Sessions]) -> None:
    _, way_in, heard = connected(sessions, int)
    way_in.open(heard)
    put(sessions[0], Head(t=1, number=1, epoch=0), 1)
    put(sessions[0], Head(t=9, number=1, epoch=1), 9)
    put(sessions[0], Head(t=11, number=2, epoch=0), 11)
    put(sessions[0], Head(t=8, number=2, epoch=1), 8)
    put(sessions[0], Head(t=12, number=3, epoch=1), 12)
    until(lambda: heard.ts == [1, 9, 12])
    assert (way_in.counters.outdated, way_in.counters.late, way_in.counters.missing) == (1, 1, 0)
    way_in.close()


def test_bytes_of_strangers_are_counted_reported_once_and_harm_nobody(sessions: tuple[Sessions, Sessions]) -> None:
    _, way_in, heard = connected(sessions, int, bytes_max=1 << 16)
    said: list[tuple[str, str]] = []
    way_in.open(heard, report=lambda stream, what: said.append((stream, what)))
    good = pack(Head(t=5, number=1), 1)
    cut, flipped = good[:-3], bytearray(good)
    flipped[70] ^= 0xFF
    hostile = [b"", b"hello", bytes(cut), bytes(flipped), bytes(1 << 17)]
    hostile += [bytes(pack(Head(t=-5, number=1), 1)), bytes(pack(Head(t=TOP, number=1), 1))]
    hostile += [bytes(pack(Head(t=5, number=1), "text")), bytes(pack(Head(t=2**63 + 5, number=1), 1))]
    for data in hostile:
        sessions[0].urgent.put("skylane/run/run/a.b", data)
    put(sessions[0], Head(t=6, number=1), 1)
    until(lambda: heard.ts == [6])
    assert way_in.counters.unreadable == len(hostile)
    assert sorted(what.partition(":")[0] for _, what in said) == [
        "a message cannot be read",
        "a message of 128 KiB was refused",
    ]
    way_in.close()


def test_times_are_converted_between_the_clocks_on_both_ways(sessions: tuple[Sessions, Sessions]) -> None:
    def clock(change: int) -> RunClock:
        estimate = OffsetEstimate()
        estimate.add(Ping(0, 1000, 1000, 0))
        found = RunClock(estimate, launcher_origin=1000, now=0)
        later = ms(10_000)
        estimate.add(Ping(later, later + 1000 + change, later + 1000 + change, later))
        found.follow(later)
        assert abs(found.correction - change) <= ms(1)
        return found

    way_out, way_in, heard = connected(sessions, int)
    way_out.clock = clock(ms(0.5))
    there = way_out.clock.correction
    way_in.open(heard, clock=clock(-ms(0.25)))
    way_out.send(envelope(10, 1, at=ms(5)), (("brake", ms(3), 500),))
    until(lambda: len(heard.messages) == 1)
    (message, starts) = heard.messages[0]
    here = clock(-ms(0.25)).correction
    assert there > 0 > here
    assert message.at == ms(5) + there - here
    assert starts == (("brake", ms(3) + there - here, 500),)
    close(way_out, way_in)


def test_what_cannot_travel_is_reported_at_the_exit_and_the_next_message_goes(
    sessions: tuple[Sessions, Sessions],
) -> None:
    way_out, way_in, heard = connected(sessions, object)
    said: list[str] = []
    way_out.report = lambda stream, what: said.append(what)
    way_in.open(heard)
    way_out.send(envelope(1, object()), ())
    way_out.send(envelope(2, object()), ())
    way_out.send(envelope(3, "fine"), ())
    until(lambda: heard.ts == [3])
    assert way_out.counters.unreadable == 2
    assert len(said) == 1 and "object cannot travel" in said[0]
    assert heard.gaps == [(3, 2)]
    close(way_out, way_in)
