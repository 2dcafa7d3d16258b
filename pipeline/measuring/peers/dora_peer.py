"""The hop with dora: its own launcher, two or more Python nodes, Arrow arrays that readers see in shared memory.

Without a role it writes the dataflow and starts it; with one it is the node of that name.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

START_S = 2.0
POOL_BYTES = 256 << 20
"""Shared memory of each node. With the 8 MB that dora has by default every other picture is sent through its daemon."""
WAITING = 1_000
"""Messages that may wait for a reader that is to get every one; dora's own default is 10."""


def write(hop: dict[str, Any], name: str, told: Any) -> None:
    """Leave samples for the process that waits for them."""
    path = Path(hop["folder"]) / f"{name}.json"
    path.with_suffix(".part").write_text(json.dumps(told))
    path.with_suffix(".part").rename(path)


def source(hop: dict[str, Any]) -> None:
    """Fills an array and sends it, at ``hz`` or as fast as it can."""
    import numpy as np
    import pyarrow
    from dora import Node

    node = Node()
    picture = np.random.default_rng(0).integers(0, 255, hop["size"], np.uint8)
    pixels = picture.copy()
    time.sleep(START_S)
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
        pixels[-1] = number % 256
        filling += time.thread_time_ns() - fills
        sent = time.monotonic_ns()
        node.send_output("frame", pyarrow.array(pixels), {"number": number, "sent": sent})
    write(hop, "source", {"cpu_ns": time.process_time_ns() - used - filling})
    time.sleep(START_S)  # what is on its way should arrive


def reader(hop: dict[str, Any], name: str) -> None:
    """Notes how old every message is when it comes."""
    from dora import Node

    delays, arrivals = [], []
    used = last = spoilt = 0
    for event in Node():
        now = time.monotonic_ns()
        if event["type"] != "INPUT":
            if event["type"] == "STOP":
                break
            continue
        number = event["metadata"]["number"]
        if number >= hop["warm_up"]:
            used = used or time.process_time_ns()
            delays.append((number, now - event["metadata"]["sent"]))
            arrivals.append(now)
            spoilt += event["value"][-1].as_py() != number % 256
            last = time.process_time_ns()
    told = {"delays": delays, "arrivals": arrivals[:: max(1, len(arrivals) - 1)], "spoilt": spoilt}
    write(hop, name, {**told, "cpu_ns": last - used})


def dataflow(hop: dict[str, Any]) -> dict[str, Any]:
    """The nodes, as dora reads them (JSON is YAML)."""
    here, argument = str(Path(__file__).resolve()), "hop.json"
    waiting = {"queue_size": WAITING} if not hop["hz"] else {}
    nodes: list[dict[str, Any]] = [{"id": "source", "path": here, "args": f"source {argument}", "outputs": ["frame"]}]
    for index in range(hop["readers"]):
        inputs = {"frame": {"source": "source/frame", **waiting}}
        nodes.append({"id": f"reader{index}", "path": here, "args": f"reader{index} {argument}", "inputs": inputs})
    for node in nodes:
        node["args"] = node["args"].replace(argument, f"{hop['folder']}/{argument}")
    return {"nodes": nodes}


def main() -> None:
    """One argument: the hop as JSON; or a role and the file with the hop."""
    if len(sys.argv) == 3:
        hop = json.loads(Path(sys.argv[2]).read_text())
        if sys.argv[1] == "source":
            source(hop)
        else:
            reader(hop, sys.argv[1])
        return
    hop = json.loads(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        hop["folder"] = folder
        (Path(folder) / "hop.json").write_text(json.dumps(hop))
        (Path(folder) / "dataflow.yml").write_text(json.dumps(dataflow(hop)))
        binaries = Path(sys.executable).parent
        environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"}
        environment["DORA_NODE_SHM_POOL_SIZE"] = str(POOL_BYTES)
        process = subprocess.run(
            [
                str(binaries / "dora"),
                "run",
                "dataflow.yml",
                "--log-level",
                "error",
                "--stop-after",
                f"{hop['limit_s']:.0f}s",
            ],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=hop["limit_s"] + 30,
        )
        names = ["source", *(f"reader{i}" for i in range(hop["readers"]))]
        paths = [Path(folder) / f"{name}.json" for name in names]
        told = [json.loads(path.read_text()) if path.exists() else {} for path in paths]
    if not told[0]:
        raise SystemExit(f"dora run ended with {process.returncode}: {(process.stderr or process.stdout)[-500:]}")
    readers = told[1:]
    result = {
        "delays": [each.get("delays", []) for each in readers],
        "arrivals": [(a[0], a[-1]) for a in (each.get("arrivals", []) for each in readers) if a],
        "cpu_ns": sum(each.get("cpu_ns", 0) for each in told),
        "spoilt": sum(each.get("spoilt", 0) for each in readers),
        "version": importlib.metadata.version("dora-rs"),
        "python": platform.python_version(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
