"""The hop as pickled messages over TCP between Python processes: what one writes without any middleware."""

from __future__ import annotations

import json
import pickle
import platform
import socket
import struct
import subprocess
import sys
import time
from typing import Any

import numpy as np

LENGTH = struct.Struct("<q")


def receive(connection: socket.socket, count: int) -> bytearray:
    """Exactly ``count`` bytes."""
    data = bytearray(count)
    view = memoryview(data)
    while view:
        got = connection.recv_into(view)
        if not got:
            raise EOFError
        view = view[got:]
    return data


def reader(hop: dict[str, Any]) -> None:
    """Notes how old every message is once it is there; prints its samples."""
    delays, arrivals = [], []
    used = ended = 0
    with socket.create_connection(("127.0.0.1", hop["port"])) as connection:
        for _ in range(hop["warm_up"] + hop["count"]):
            (length,) = LENGTH.unpack(receive(connection, LENGTH.size))
            number, sent, _ = pickle.loads(receive(connection, length))
            now = time.monotonic_ns()
            if number >= hop["warm_up"]:
                used = used or time.process_time_ns()
                delays.append((number, now - sent))
                arrivals.append(now)
                ended = time.process_time_ns()
    told = {"delays": delays, "arrivals": arrivals[:: max(1, len(arrivals) - 1)], "cpu_ns": ended - used}
    print(json.dumps(told), flush=True)


def send_all(hop: dict[str, Any], connections: list[socket.socket]) -> int:
    """Send every message; returns the processor time without filling them."""
    picture = np.random.default_rng(0).integers(0, 255, hop["size"], np.uint8)
    pixels = picture.copy()
    began = time.monotonic_ns()
    filling = used = 0
    for number in range(hop["warm_up"] + hop["count"]):
        if number == hop["warm_up"]:
            filling, used = 0, time.process_time_ns()
        wait = began + number * 1e9 / hop["hz"] - time.monotonic_ns() if hop["hz"] else 0
        if wait > 0:
            time.sleep(wait / 1e9)
        fills = time.thread_time_ns()
        np.copyto(pixels, picture)
        filling += time.thread_time_ns() - fills
        data = pickle.dumps((number, time.monotonic_ns(), pixels), protocol=pickle.HIGHEST_PROTOCOL)
        for connection in connections:
            connection.sendall(LENGTH.pack(len(data)))
            connection.sendall(data)
    return time.process_time_ns() - used - filling


def main() -> None:
    """One argument: the hop as JSON; one that names a port is a reader."""
    hop = json.loads(sys.argv[1])
    if "port" in hop:
        reader(hop)
        return
    with socket.create_server(("127.0.0.1", 0)) as server:
        hop["port"] = server.getsockname()[1]
        command = [sys.executable, __file__, json.dumps(hop)]
        readers = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) for _ in range(hop["readers"])
        ]
        connections = [server.accept()[0] for _ in readers]
        for connection in connections:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        spent = send_all(hop, connections)
        told = [json.loads(each.communicate(timeout=hop["limit_s"])[0]) for each in readers]
        for connection in connections:
            connection.close()
    result = {
        "delays": [each["delays"] for each in told],
        "arrivals": [(a[0], a[-1]) for a in (each["arrivals"] for each in told) if a],
        "cpu_ns": spent + sum(each["cpu_ns"] for each in told),
        "python": platform.python_version(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
