"""The hop with nothing but iceoryx2: bytes filled and read in place, no types, no timestamps, no deadlines.

``wake_up`` says how a reader sleeps: on an eventfd as our own readers do, or on iceoryx2's own events.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import json
import os
import platform
import select
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import iceoryx2

HEAD = struct.Struct("<qq")
"""At the beginning of the payload: its number, and when it was ready."""
WAITING = 16
Bytes = iceoryx2.Slice[ctypes.c_uint8]


def open_node() -> Any:
    """This process among those of iceoryx2."""
    iceoryx2.set_log_level(iceoryx2.LogLevel.Fatal)
    builder = iceoryx2.NodeBuilder.new().signal_handling_mode(iceoryx2.SignalHandlingMode.Disabled)
    return builder.create(iceoryx2.ServiceType.Ipc)


def open_stream(node: Any, hop: dict[str, Any]) -> Any:
    """The service; a full reader blocks the writer where every message counts."""
    builder = node.service_builder(iceoryx2.ServiceName.new(hop["service"])).publish_subscribe(Bytes)
    builder = builder.enable_safe_overflow(bool(hop["hz"])).subscriber_max_buffer_size(WAITING)
    return builder.max_subscribers(8).open_or_create()


def open_event(node: Any, hop: dict[str, Any]) -> Any:
    """iceoryx2's own way to wake up a reader."""
    return node.service_builder(iceoryx2.ServiceName.new(hop["service"])).event().open_or_create()


def sleeper(node: Any, hop: dict[str, Any]) -> Callable[[], Any]:
    """Waits until the writer has rung."""
    if hop["wake_up"] == "event":
        listener = open_event(node, hop).listener_builder().create()
        pause = iceoryx2.Duration.from_secs(1)
        return lambda: listener.timed_wait(pause)
    poll, fd = select.poll(), hop["fd"]
    poll.register(fd, select.POLLIN)

    def wait() -> None:
        if poll.poll(1000):
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(fd)

    return wait


def reader(hop: dict[str, Any]) -> None:
    """Notes how old every message is; prints its samples."""
    node = open_node()
    subscriber = open_stream(node, hop).subscriber_builder().create()
    wait = sleeper(node, hop)
    print("ready", flush=True)
    delays, arrivals = [], []
    used = ended = spoilt = 0
    last = hop["warm_up"] + hop["count"] - 1
    limit = time.monotonic() + hop["limit_s"]
    number = -1
    while number < last and time.monotonic() < limit:
        wait()
        while (sample := subscriber.receive()) is not None:
            now = time.monotonic_ns()
            number, sent = HEAD.unpack(ctypes.string_at(sample.payload_ptr, HEAD.size))
            spoilt += ctypes.string_at(sample.payload_ptr + hop["size"] - 1, 1)[0] != number % 256
            if number >= hop["warm_up"]:
                used = used or time.process_time_ns()
                delays.append((number, now - sent))
                arrivals.append(now)
                ended = time.process_time_ns()
            del sample
    told = {"delays": delays, "arrivals": arrivals[:: max(1, len(arrivals) - 1)], "spoilt": spoilt}
    print(json.dumps({**told, "cpu_ns": ended - used}), flush=True)


def send_all(hop: dict[str, Any], publisher: Any, ring: Callable[[], Any]) -> int:
    """Send every message; returns the processor time without filling them."""
    size, picture = hop["size"], os.urandom(hop["size"])
    began = time.monotonic_ns()
    filling = used = 0
    for number in range(hop["warm_up"] + hop["count"]):
        if number == hop["warm_up"]:
            filling, used = 0, time.process_time_ns()
        wait = began + number * 1e9 / hop["hz"] - time.monotonic_ns() if hop["hz"] else 0
        if wait > 0:
            time.sleep(wait / 1e9)
        loan = publisher.loan_slice_uninit(size)
        address = loan.payload_ptr
        fills = time.thread_time_ns()
        ctypes.memmove(address, picture, size)
        ctypes.c_uint8.from_address(address + size - 1).value = number % 256
        filling += time.thread_time_ns() - fills
        ctypes.memmove(address, HEAD.pack(number, time.monotonic_ns()), HEAD.size)
        loan.assume_init().send()
        ring()
    return time.process_time_ns() - used - filling


def main() -> None:
    """One argument: the hop as JSON; one that names a service is a reader."""
    hop = json.loads(sys.argv[1])
    if "service" in hop:
        reader(hop)
        return
    hop["service"] = f"skylane-bench-{os.getpid()}"
    hop.setdefault("wake_up", "eventfd")
    node = open_node()
    builder = open_stream(node, hop).publisher_builder().initial_max_slice_len(hop["size"])
    if not hop["hz"]:
        builder = builder.backpressure_strategy(iceoryx2.BackpressureStrategy.RetryUntilDelivered)
    publisher = builder.create()
    readers, fds = [], []
    for _ in range(hop["readers"]):
        fds.append(os.eventfd(0, os.EFD_NONBLOCK))
        command = [sys.executable, __file__, json.dumps({**hop, "fd": fds[-1]})]
        readers.append(subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, pass_fds=fds[-1:]))
    try:
        for each in readers:
            assert each.stdout is not None
            each.stdout.readline()
        if hop["wake_up"] == "event":
            ring = open_event(node, hop).notifier_builder().create().notify
        else:

            def ring() -> None:
                for fd in fds:
                    os.eventfd_write(fd, 1)

        spent = send_all(hop, publisher, ring)
        told = [json.loads(each.communicate(timeout=hop["limit_s"])[0]) for each in readers]
    finally:
        for each in readers:
            each.kill()
    result = {
        "delays": [each["delays"] for each in told],
        "arrivals": [(a[0], a[-1]) for a in (each["arrivals"] for each in told) if a],
        "cpu_ns": spent + sum(each["cpu_ns"] for each in told),
        "spoilt": sum(each["spoilt"] for each in told),
        "version": importlib.metadata.version("iceoryx2"),
        "python": platform.python_version(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
