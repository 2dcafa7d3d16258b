"""The hop with Zenoh: a publisher with shared-memory buffers, and subscribers in processes of their own.

The time is taken when the subscriber's callback starts. Reading the payload from Python costs a copy on top of that,
which is left out here.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import socket
import struct
import subprocess
import sys
import threading
import time
from typing import Any

import zenoh

HEAD = struct.Struct("<qq")
KEY = "frame"
SLOTS = 24


def session(port: int, *, listens: bool) -> Any:
    """Two ends on this machine that look for nobody else."""
    config = zenoh.Config()
    config.insert_json5("mode", '"peer"')
    config.insert_json5("scouting/multicast/enabled", "false")
    config.insert_json5("transport/shared_memory/enabled", "true")
    config.insert_json5("listen/endpoints" if listens else "connect/endpoints", f'["tcp/127.0.0.1:{port}"]')
    if not listens:
        config.insert_json5("listen/endpoints", "[]")
    return zenoh.open(config)


def reader(hop: dict[str, Any]) -> None:
    """Notes how old every message is; prints its samples."""
    delays: list[tuple[int, int]] = []
    arrivals: list[int] = []
    used: list[int] = []
    over = threading.Event()
    last = hop["warm_up"] + hop["count"] - 1

    def on_sample(sample: Any) -> None:
        now = time.monotonic_ns()
        number, sent = HEAD.unpack(sample.attachment.to_bytes())
        if number >= hop["warm_up"]:
            used.append(time.process_time_ns())
            delays.append((number, now - sent))
            arrivals.append(now)
        if number == last:
            over.set()

    with session(hop["port"], listens=False) as joined:
        subscriber = joined.declare_subscriber(KEY, on_sample)
        print("ready", flush=True)
        over.wait(hop["limit_s"])
        subscriber.undeclare()
    told = {"delays": delays, "arrivals": arrivals[:: max(1, len(arrivals) - 1)]}
    print(json.dumps({**told, "cpu_ns": used[-1] - used[0] if used else 0}), flush=True)


def send_all(hop: dict[str, Any], publisher: Any, provider: Any) -> int:
    """Send every message; returns the processor time without filling them."""
    policy = zenoh.shm.BlockOn(zenoh.shm.GarbageCollect())
    picture = os.urandom(hop["size"])
    began = time.monotonic_ns()
    filling = used = 0
    for number in range(hop["warm_up"] + hop["count"]):
        if number == hop["warm_up"]:
            filling, used = 0, time.process_time_ns()
        wait = began + number * 1e9 / hop["hz"] - time.monotonic_ns() if hop["hz"] else 0
        if wait > 0:
            time.sleep(wait / 1e9)
        buffer = provider.alloc(hop["size"], policy)
        fills = time.thread_time_ns()
        buffer[:] = picture
        filling += time.thread_time_ns() - fills
        publisher.put(buffer, attachment=HEAD.pack(number, time.monotonic_ns()))
    return time.process_time_ns() - used - filling


def main() -> None:
    """One argument: the hop as JSON; one that names a port is a reader."""
    hop = json.loads(sys.argv[1])
    if "port" in hop:
        reader(hop)
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        hop["port"] = free.getsockname()[1]
    with session(hop["port"], listens=True) as opened:
        command = [sys.executable, __file__, json.dumps(hop)]
        readers = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) for _ in range(hop["readers"])
        ]
        try:
            for each in readers:
                assert each.stdout is not None
                each.stdout.readline()
            time.sleep(0.5)  # until the subscriptions are known here
            # Both outlive the readers: what is on its way when they end is lost.
            provider = zenoh.shm.ShmProvider.default_backend(SLOTS * (hop["size"] + 4096))
            publisher = opened.declare_publisher(KEY, congestion_control=zenoh.CongestionControl.BLOCK)
            spent = send_all(hop, publisher, provider)
            told = [json.loads(each.communicate(timeout=hop["limit_s"])[0]) for each in readers]
        finally:
            for each in readers:
                each.kill()
    result = {
        "delays": [each["delays"] for each in told],
        "arrivals": [(a[0], a[-1]) for a in (each["arrivals"] for each in told) if a],
        "cpu_ns": spent + sum(each["cpu_ns"] for each in told),
        "version": importlib.metadata.version("eclipse-zenoh"),
        "python": platform.python_version(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
