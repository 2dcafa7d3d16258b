"""Streams in shared memory: nothing is copied that need not be, nothing is lost unseen, nothing is left behind."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.engines.processes import shared
from pipeline.engines.processes.leftovers import MEMORY, RunFiles, leftovers
from pipeline.engines.processes.segments import SharedMemoryFailed, SharedMemoryFull, free_bytes
from pipeline.engines.processes.shared import SharedNode, StreamReader, StreamWriter
from pipeline.engines.processes.wakeup import Wakeup
from pipeline.engines.processes.wire import Head, UnreadableMessage
from pipeline.messages import Message, readonly

SHAPE = (100, 100, 3)


class Picture(Message, frozen=True, kw_only=True):
    rgb: NDArray[np.uint8]
    depth_m: NDArray[np.float32] | None = None
    note: str = ""

    def __post_init__(self) -> None:
        readonly(self.rgb)


@pytest.fixture
def run(request: pytest.FixtureRequest) -> str:
    return f"test-{os.getpid()}-{request.node.name}"


@pytest.fixture
def node(run: str) -> Iterator[SharedNode]:
    node = SharedNode(run, "here")
    yield node
    node.close()
    assert leftovers_of(run) == []


@pytest.fixture
def writer(node: SharedNode) -> StreamWriter:
    return node.writer("camera.frames")


@pytest.fixture
def reader(node: SharedNode, writer: StreamWriter) -> StreamReader:
    return node.reader("camera.frames", Picture)


def leftovers_of(run: str) -> list[str]:
    return [line for line in leftovers() if run in line]


def segments_of(run: str) -> list[Path]:
    return list(MEMORY.glob(RunFiles(run).prefix + "*"))


def send(writer: StreamWriter, t: int, value: Any) -> None:
    writer.send(Head(t=t, number=t), writer.prepare(value))


def picture(writer: StreamWriter, fill: int) -> Picture:
    rgb = writer.loan(SHAPE)
    rgb[:] = fill
    return Picture(rgb=rgb)


def taken(reader: StreamReader) -> list[Any]:
    """Everything there is; heads only."""
    found = []
    while (message := reader.take()) is not None:
        found.append(message[0].t)
    return found


def address(array: NDArray[Any]) -> int:
    return int(array.ctypes.data)


def test_a_message_comes_with_its_head_and_its_value(writer: StreamWriter, reader: StreamReader) -> None:
    head = Head(t=3, origin=2, at=1, quality="final", winner="fast", number=4, epoch=5, starts=(("brake", 1, 2),))
    writer.send(head, writer.prepare(Picture(rgb=np.arange(12, dtype=np.uint8).reshape(2, 2, 3), note="copied")))
    message = reader.take()
    assert message is not None
    assert message[0] == head
    assert message[1].note == "copied"
    assert message[1].rgb.tolist() == np.arange(12).reshape(2, 2, 3).tolist()
    assert reader.take() is None


def test_a_watermark_needs_no_value(writer: StreamWriter, reader: StreamReader) -> None:
    writer.send(Head(t=9, empty=True))
    assert reader.take() == (Head(t=9, empty=True), None)


def test_a_loaned_array_is_sent_where_it_lies(writer: StreamWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    value = picture(writer, 7)
    monkeypatch.setattr(shared, "copy_in", lambda *_: pytest.fail("copied"))
    prepared = writer.prepare(value)
    writer.send(Head(t=1), prepared)
    assert prepared.loan is not None
    assert address(value.rgb) == prepared.loan.address + 64


def test_a_part_of_a_loaned_array_is_sent_where_it_lies(
    writer: StreamWriter, reader: StreamReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaned = writer.loan((64, 64, 3))
    loaned[:] = np.arange(64, dtype=np.uint8)[:, None, None]
    monkeypatch.setattr(shared, "copy_in", lambda *_: pytest.fail("copied"))
    send(writer, 1, Picture(rgb=loaned[16:32]))
    message = reader.take()
    assert message is not None
    assert message[1].rgb[:, 0, 0].tolist() == list(range(16, 32))


def test_what_does_not_lie_in_one_piece_is_copied(writer: StreamWriter, reader: StreamReader) -> None:
    loaned = writer.loan(SHAPE)
    loaned[:] = np.arange(100, dtype=np.uint8)[:, None, None]
    send(writer, 1, Picture(rgb=loaned[::2]))
    message = reader.take()
    assert message is not None
    assert message[1].rgb[:, 0, 0].tolist() == list(range(0, 100, 2))


def test_other_arrays_go_with_a_loaned_one_from_the_second_time_on(writer: StreamWriter, reader: StreamReader) -> None:
    for t in (1, 2):
        rgb = writer.loan(SHAPE)
        rgb[:] = t
        prepared = writer.prepare(Picture(rgb=rgb, depth_m=np.full((100, 100), 1.5, np.float32)))
        assert prepared.loan is not None
        assert (prepared.loan.address + 64 == address(rgb)) is (t == 2)
        writer.send(Head(t=t), prepared)
        message = reader.take()
        assert message is not None
        assert (message[1].rgb == t).all()
        assert (message[1].depth_m == 1.5).all()


def test_two_values_in_one_loan_do_not_disturb_each_other(writer: StreamWriter, reader: StreamReader) -> None:
    rgb = writer.loan(SHAPE)
    rgb[:] = 1
    first = writer.prepare(Picture(rgb=rgb, note="first"))
    second = writer.prepare(Picture(rgb=rgb, note="second"))
    for t, prepared in enumerate((first, second)):
        writer.send(Head(t=t), prepared)
    messages = [reader.take(), reader.take()]
    assert [m[1].note for m in messages if m is not None] == ["first", "second"]
    assert all((m[1].rgb == 1).all() for m in messages if m is not None)


def test_a_sent_array_keeps_its_content_for_as_long_as_somebody_here_holds_it(
    writer: StreamWriter, reader: StreamReader
) -> None:
    held = []
    for t in range(60):
        value = picture(writer, t)
        send(writer, t, value)
        if t % 3 == 0:
            held.append((t, value))
        del value
        reader.take()
    assert all((value.rgb == t).all() for t, value in held)


def test_a_received_array_keeps_its_content_for_as_long_as_a_view_of_it_lives(
    writer: StreamWriter, reader: StreamReader
) -> None:
    send(writer, 0, picture(writer, 42))
    message = reader.take()
    assert message is not None
    view = message[1].rgb[10:20].T
    del message
    assert reader.borrowed == 1
    for t in range(1, 60):
        send(writer, t, picture(writer, t))
        reader.take()
    assert (view == 42).all()
    del view
    assert reader.borrowed == 0


def test_received_arrays_are_read_only(writer: StreamWriter, reader: StreamReader) -> None:
    send(writer, 1, picture(writer, 1))
    message = reader.take()
    assert message is not None
    with pytest.raises(ValueError):
        message[1].rgb[0] = 1


def test_loans_that_are_never_sent_go_back(writer: StreamWriter) -> None:
    for _ in range(10 * shared.LOANS_MAX):
        writer.loan(SHAPE)
    for _ in range(10 * shared.LOANS_MAX):
        writer.prepare(Picture(rgb=np.zeros(SHAPE, np.uint8)))
    gc.collect()
    assert not writer._in_use


def test_a_writer_that_holds_all_loans_can_still_send(writer: StreamWriter, reader: StreamReader) -> None:
    loans = [writer.loan(SHAPE) for _ in range(2 * shared.LOANS_MAX)]
    prepared = [writer.prepare(Picture(rgb=np.full(SHAPE, i, np.uint8))) for i in range(shared.LOANS_MAX)]
    for t, each in enumerate(prepared[:4]):
        writer.send(Head(t=t), each)
        message = reader.take()
        assert message is not None
        assert (message[1].rgb == t).all()
    assert len(loans) == 2 * shared.LOANS_MAX


def test_who_holds_too_many_messages_gets_copies_of_further_ones(writer: StreamWriter, reader: StreamReader) -> None:
    held = []
    for t in range(3 * shared.BORROWED_MAX):
        send(writer, t, Picture(rgb=np.full((2, 2, 3), t, np.uint8)))
        held.append(reader.take())
    assert reader.copied == 2 * shared.BORROWED_MAX
    assert reader.borrowed == shared.BORROWED_MAX
    assert all((m[1].rgb == t).all() for t, m in enumerate(held) if m is not None)
    held.clear()
    send(writer, 0, picture(writer, 1))
    held.append(reader.take())
    assert reader.borrowed == 1


def test_messages_without_arrays_are_not_held(writer: StreamWriter, node: SharedNode) -> None:
    reader = node.reader("camera.frames", object)
    held = []
    for t in range(2 * shared.BORROWED_MAX):
        send(writer, t, (t, "text"))
        held.append(reader.take())
    assert (reader.borrowed, reader.copied) == (0, 0)


def test_a_slow_reader_loses_the_oldest_and_sees_the_gap(writer: StreamWriter, node: SharedNode) -> None:
    slow, fast = (node.reader("camera.frames", Picture, depth=depth) for depth in (2, 16))
    for t in range(10):
        send(writer, t, picture(writer, t))
    assert taken(slow) == [8, 9]
    assert taken(fast) == list(range(10))


def test_a_late_reader_gets_the_last_message(writer: StreamWriter, node: SharedNode) -> None:
    for t in range(3):
        send(writer, t, picture(writer, t))
    late = node.reader("camera.frames", Picture)
    writer.greet()
    assert taken(late) == [2]


def test_two_writers_reach_the_same_reader(node: SharedNode, writer: StreamWriter, reader: StreamReader) -> None:
    standby = node.writer("camera.frames")
    for t in range(4):
        send((writer, standby)[t % 2], t, picture((writer, standby)[t % 2], t))
    assert sorted(taken(reader)) == [0, 1, 2, 3]


def test_streams_do_not_mix(node: SharedNode, writer: StreamWriter) -> None:
    other = node.reader("camera.depth", Picture)
    send(writer, 1, picture(writer, 1))
    assert other.take() is None


def test_a_message_of_another_type_is_unreadable_and_the_next_is_not(
    writer: StreamWriter, reader: StreamReader
) -> None:
    send(writer, 1, "no picture")
    send(writer, 2, picture(writer, 2))
    with pytest.raises(UnreadableMessage):
        reader.take()
    assert taken(reader) == [2]


@pytest.mark.parametrize("size", [10**13, 2**62, 2**70])
def test_full_memory_names_the_stream_and_the_size_and_the_writer_goes_on(
    writer: StreamWriter, reader: StreamReader, size: int
) -> None:
    with pytest.raises(SharedMemoryFull, match=rf"camera\.frames.*{str(size)[:6]}"):
        writer.loan((size,))
    send(writer, 1, picture(writer, 1))
    assert taken(reader) == [1]


def test_memory_that_runs_out_while_it_is_filled_is_an_error_not_a_crash(
    writer: StreamWriter, reader: StreamReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system lets one reserve more than there is, and ends who writes to it."""
    size = min(free_bytes(), 2**33) + 2**30
    if size > free_bytes():
        monkeypatch.setattr(shared, "free_bytes", lambda: 2 * size)
        with pytest.raises(SharedMemoryFull):
            writer.loan((size,))
    monkeypatch.undo()
    monkeypatch.setattr(shared, "populate", lambda *_: False)
    with pytest.raises(SharedMemoryFull):
        writer.loan((50_000_000,))
    monkeypatch.undo()
    send(writer, 1, picture(writer, 1))
    assert taken(reader) == [1]


def test_several_threads_may_prepare_and_send(writer: StreamWriter, node: SharedNode) -> None:
    reader = node.reader("camera.frames", Picture, depth=shared.DEPTH_MAX)
    wrong: list[str] = []

    def work(k: int) -> None:
        for i in range(8):
            value = picture(writer, k) if i % 2 else Picture(rgb=np.full(SHAPE, k, np.uint8))
            send(writer, k, value)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = [0] * 4
    while (message := reader.take()) is not None:
        counts[message[0].t] += 1
        if not (message[1].rgb == message[0].t).all():
            wrong.append(f"torn picture of {message[0].t}")
        del message
    assert counts == [8] * 4
    assert not wrong


def test_views_stay_valid_after_everything_was_closed(run: str) -> None:
    node = SharedNode(run, "here")
    writer, reader = node.writer("a.b"), node.reader("a.b", Picture)
    value = picture(writer, 3)
    send(writer, 1, value)
    message = reader.take()
    assert message is not None
    node.close()
    assert (message[1].rgb == 3).all()
    assert (value.rgb == 3).all()
    with pytest.raises(SharedMemoryFailed, match="closed"):
        writer.loan(SHAPE)
    assert reader.take() is None


def test_a_run_that_is_closed_leaves_nothing_behind(run: str) -> None:
    first, second = SharedNode(run, "first"), SharedNode(run, "second")
    send(first.writer("a.b"), 1, Picture(rgb=np.zeros(SHAPE, np.uint8)))
    second.reader("a.b", Picture)
    mine = segments_of(run)
    assert mine
    first.close()
    assert leftovers_of(run) == []
    second.close()
    assert not [path for path in mine if path.exists()]


def test_a_depth_that_cannot_be_is_refused(node: SharedNode) -> None:
    with pytest.raises(SharedMemoryFailed, match="depth"):
        node.reader("a.b", object, depth=shared.DEPTH_MAX + 1)


def test_a_ring_wakes_who_waits_now_or_later() -> None:
    wakeup = Wakeup.create()
    assert not wakeup.wait(0.0)
    wakeup.ring()
    wakeup.ring()
    assert wakeup.wait(None)
    assert not wakeup.wait(0.0)
    threading.Thread(target=wakeup.ring).start()
    assert wakeup.wait(5.0)
    wakeup.close()
