"""Processes that are killed or halted take no messages, no places and no shared memory with them."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

from pipeline.engines.processes import shared
from pipeline.engines.processes.leftovers import MEMORY, RunFiles, leftovers, remove_leftovers
from pipeline.engines.processes.shared import SharedNode, StreamReader, StreamWriter
from pipeline.engines.processes.wire import Head

pytestmark = pytest.mark.real


@pytest.fixture
def run(request: pytest.FixtureRequest) -> str:
    return f"test-{os.getpid()}-{request.node.name}"


@pytest.fixture
def node(run: str) -> Iterator[SharedNode]:
    node = SharedNode(run, "here")
    yield node
    node.close()
    assert leftovers_of(run) == []


def leftovers_of(run: str) -> list[str]:
    return [line for line in leftovers() if run in line]


def segments_of(run: str) -> list[Path]:
    return list(MEMORY.glob(RunFiles(run).prefix + "*"))


def send(writer: StreamWriter, t: int, value: Any) -> None:
    writer.send(Head(t=t, number=t), writer.prepare(value))


def loaned(writer: StreamWriter, fill: int) -> tuple[NDArray[Any], str]:
    array = writer.loan((100, 100, 3))
    array[:] = fill
    return array, "a loaned array"


def taken(reader: StreamReader) -> list[Any]:
    """Everything there is; heads only."""
    found = []
    while (message := reader.take()) is not None:
        found.append(message[0].t)
    return found


CHILD = """
import sys, numpy as np
sys.path[:0] = [{root!r}]
from pipeline.engines.processes.shared import SharedNode
from pipeline.engines.processes.wire import Head
node = SharedNode({run!r}, "child")
{what}
print("ready", flush=True)
sys.stdin.readline()
{then}
sys.stdin.read()
"""
WRITES = """
writer = node.writer("camera.frames")
loan = writer.loan((100, 100, 3)); loan[:] = 5
prepared = writer.prepare((loan, "sent by the child"))
writer.send(Head(t=1), prepared)
half = writer.loan((100, 100, 3)); unsent = writer.prepare("half done")
"""
READS = """
reader = node.reader("camera.frames", object)
print("open", flush=True)
sys.stdin.readline()
held = reader.take()
assert held is not None
"""


def child(run: str, what: str, then: str = "") -> subprocess.Popen[str]:
    code = CHILD.format(run=run, what=what, then=then, root=str(Path(__file__).parents[2]))
    process = subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == ("open\n" if "reader" in what else "ready\n")
    return process


def answer(process: subprocess.Popen[str], expected: str) -> None:
    """Let a child go on, and wait until it has."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == expected


def kill(process: subprocess.Popen[str]) -> None:
    with process:
        process.kill()


def test_a_living_run_is_not_a_leftover(node: SharedNode) -> None:
    writer, reader = node.writer("camera.frames"), node.reader("camera.frames", object)
    assert not [line for line in remove_leftovers() if node.run in line]
    send(writer, 1, "still there")
    assert taken(reader) == [1]


def test_a_writer_killed_while_it_writes_costs_nothing_but_its_message(node: SharedNode, run: str) -> None:
    reader = node.reader("camera.frames", object)
    kill(child(run, WRITES))
    message = reader.take()
    assert message is not None
    assert message[1][1] == "sent by the child"
    assert (message[1][0] == 5).all()
    node.remove_dead()
    assert (message[1][0] == 5).all()
    for k in range(shared._WRITERS_MAX):  # the places of the dead are free again
        kill(child(run, WRITES))
        assert taken(reader) == [1], k
        node.remove_dead()
    writer = node.writer("camera.frames")
    send(writer, 2, "next")
    assert taken(reader) == [2]


def test_what_a_writer_has_sent_arrives_although_it_was_killed_and_removed(node: SharedNode, run: str) -> None:
    reader = node.reader("camera.frames", object)
    process = child(run, WRITES, "writer.send(Head(t=2), writer.prepare('last words')); print('said', flush=True)")
    assert taken(reader) == [1]
    answer(process, "said\n")
    kill(process)
    node.remove_dead()
    assert taken(reader) == [2]


def test_readers_killed_while_they_hold_a_message_cost_nothing(node: SharedNode, run: str) -> None:
    writer = node.writer("camera.frames")
    for _ in range(3):
        process = child(run, READS)
        send(writer, 1, loaned(writer, 1))
        answer(process, "ready\n")
        kill(process)
        for t in range(3 * shared.DEPTH_MAX):
            send(writer, t, loaned(writer, t))
        node.remove_dead()
        for t in range(3 * shared.DEPTH_MAX):
            send(writer, t, loaned(writer, t))
    gc.collect()
    assert not writer._in_use
    reader = node.reader("camera.frames", object)
    send(writer, 7, loaned(writer, 7))
    assert taken(reader)[-1] == 7


def test_a_frozen_reader_does_not_hold_up_the_writer(node: SharedNode, run: str) -> None:
    writer, reader = node.writer("camera.frames"), node.reader("camera.frames", object)
    process = child(run, READS)
    process.send_signal(signal.SIGSTOP)
    for t in range(5 * shared.DEPTH_MAX):
        send(writer, t, loaned(writer, t % 256))
        assert taken(reader) == [t]
    kill(process)


def test_a_run_that_was_killed_is_found_and_removed_completely(run: str) -> None:
    process = child(run, WRITES)
    second = child(run, READS)
    mine = segments_of(run)
    kill(process)
    assert leftovers_of(run) == []
    kill(second)
    assert len(leftovers_of(run)) == 1
    assert all(path.exists() for path in mine)
    assert len([line for line in remove_leftovers() if run in line]) == 1
    assert not [path for path in mine if path.exists()]
    assert leftovers_of(run) == []
    node = SharedNode(run, "again")
    writer, reader = node.writer("camera.frames"), node.reader("camera.frames", object)
    send(writer, 1, "works")
    assert taken(reader) == [1]
    node.close()
