"""Nodes as processes, certificates, network namespaces: what the tests of several hosts need around them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline.building import Built, build
from pipeline.engines.hosts.engine import Hosted, HostEngine
from pipeline.engines.hosts.session import SessionSettings, Tls
from pipeline.events import Event, Sent
from pipeline.launchfile import parse

TOYS = Path(__file__).resolve().parent
ROOT = TOYS.parents[1]
COUNTING = """\
name: toy
duration: 20s
engine: threads
operators:
  count: {use: "toys:Counter", args: {upto: 60}}
  scale:
    {use: "toys:Scale", args: {factor: 3}, inputs: {value: count.count}, queue: {value: keep_last(99)}}
  half: {use: "toys:Split", inputs: {value: scale.scaled}, queue: {value: keep_last(99)}}
  camera: {use: "host_toys:Camera", args: {side: 200}}
  look: {use: "host_toys:Look", inputs: {frame: camera.frame}}
"""
JOIN = """
import sys
from pathlib import Path
from pipeline.commands.node import join
from pipeline.errors import SkylaneError
name, endpoint, certificate, key, authority, insecure, connect_s, patience_s = sys.argv[1:]
files = {n: Path(p) if p else None for n, p in zip(("certificate", "key", "authority"), (certificate, key, authority))}
try:
    join(name, endpoint, insecure=insecure == "yes", connect_s=float(connect_s), patience_s=float(patience_s), **files)
except SkylaneError as error:
    print(f"skylane: {error}", file=sys.stderr)
    raise SystemExit(1)
except KeyboardInterrupt:
    raise SystemExit(130)
"""

CAR = """
import sys, time
from tests.pipeline.host_runs import CarRun
from pipeline.engines.hosts.session import SessionSettings
text, endpoint, far = sys.argv[1:]
run = CarRun(text, SessionSettings(listen=endpoint, insecure=True), {far: "edge"}, until=60 * 10**9)
told, seen = 0, 0
ended = []
import threading
threading.Thread(target=lambda: ended.append(sys.stdin.read()), daemon=True).start()
while not ended and run.error is None:
    time.sleep(0.05)
    lines, events = run.told[told:], run.gathered.events[seen:]
    told, seen = told + len(lines), seen + len(events)
    print(*lines, sep="\\n", end="\\n" if lines else "")
    for e in events:
        if getattr(e, "stream", "") == "decide.decision":
            print("decided", e.t, e.value)
    sys.stdout.flush()
run.stop()
print(run.error)
raise SystemExit(run.error is not None)
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class NodeProcess:
    """``skylane node`` in a process of its own; what it says is in ``said``."""

    def __init__(
        self,
        name: str,
        endpoint: str,
        *,
        tls: Tls | None = None,
        insecure: bool = False,
        connect_s: float = 10,
        patience_s: float = 10,
        within: Sequence[str] = (),
        python_path: bool = True,
    ) -> None:
        """``python_path``: it can import the toys."""
        files = [str(tls.certificate), str(tls.key), str(tls.authority)] if tls else ["", "", ""]
        words = [name, endpoint, *files, "yes" if insecure else "no", str(connect_s), str(patience_s)]
        self.said: list[str] = []
        self.process = subprocess.Popen(
            [*within, sys.executable, "-c", JOIN, *words],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{TOYS}" if python_path else str(ROOT), "OMP_NUM_THREADS": "1"},
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(iter(self.process.stderr.readline, ""))

    def wait(self, timeout_s: float = 60) -> int:
        """Its exit code."""
        code = self.process.wait(timeout_s)
        self._listener.join(5)
        return code

    def kill(self) -> None:
        """As a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        self._listener.join(5)
        if self.process.stderr is not None:
            self.process.stderr.close()

    @property
    def text(self) -> str:
        return "".join(self.said)


class Gathering:
    """Keeps every event of a run."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_event(self, event: Event) -> None:
        self.events.append(event)

    def sent(self, stream: str) -> dict[int, Any]:
        """t → value."""
        return {e.t: e.value for e in self.events if isinstance(e, Sent) and e.stream == stream}


class CarRun:
    """The launcher's side, running in a thread."""

    def __init__(
        self,
        text: str,
        settings: SessionSettings,
        host_of: dict[str, str],
        *,
        until: int,
        join_s: float = 15,
        watched: bool = True,
        final: bool = True,
    ) -> None:
        self.built: Built = build(parse(text, Path("toy.yaml")))
        self.gathered, self.told = Gathering(), list[str]()
        self.over = False
        hosted = Hosted("car", settings, host_of, join_s, final)
        observers = [self.gathered] if watched else []
        self.engine = HostEngine(self.built, hosted, observers, stop=lambda: self.over, tell=self.told.append)
        self.error: Exception | None = None
        self.ended = 0
        self._until = until
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.ended = self.engine.run(self._until)
        except Exception as error:  # for the test to look at
            self.error = error

    def wait(self, timeout_s: float = 40) -> None:
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), f"the run has not ended: {self.told}"

    def stop(self) -> None:
        self.over = True
        self.wait()


class CarProcess:
    """A CarRun in a process of its own, so that it can be on another machine."""

    def __init__(self, text: str, endpoint: str, far: str, *, within: Sequence[str]) -> None:
        self.said: list[str] = []
        self.process = subprocess.Popen(
            [*within, sys.executable, "-c", CAR, text, endpoint, far],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{TOYS}", "OMP_NUM_THREADS": "1"},
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        self.said.extend(iter(self.process.stdout.readline, ""))

    @property
    def text(self) -> str:
        return "".join(self.said)

    def decided(self) -> dict[int, int]:
        """t → decision."""
        words = [line.split() for line in list(self.said) if line.startswith("decided")]
        return {int(t): int(value) for _, t, value in words}

    def stop(self) -> int:
        """End the run; its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(20)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._listener.join(5)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def until(condition: Callable[[], bool], timeout_s: float = 15) -> None:
    """Wait for something that happens in another process."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it has not happened"
        time.sleep(0.02)


class Certificates:
    """An authority and certificates it has signed, made by the openssl command."""

    def __init__(self, folder: Path, authority: str = "authority") -> None:
        self.folder, self.authority = folder, authority
        self._openssl("req", "-x509", *self._new(authority), "-out", f"{authority}.pem", "-days", "30")

    def _new(self, name: str) -> list[str]:
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        return [*curve, "-keyout", f"{name}.key", "-subj", f"/CN={name}"]

    def of(self, name: str, *addresses: str) -> Tls:
        """A certificate for a host; what it is to trust is this authority."""
        names = ",".join([f"DNS:{name}", "DNS:localhost", "IP:127.0.0.1", *(f"IP:{a}" for a in addresses)])
        (self.folder / f"{name}.ext").write_text(f"subjectAltName={names}\nbasicConstraints=CA:FALSE\n")
        self._openssl("req", *self._new(name), "-out", f"{name}.csr")
        signer = ["-CA", f"{self.authority}.pem", "-CAkey", f"{self.authority}.key", "-CAcreateserial"]
        self._openssl(
            "x509",
            "-req",
            "-in",
            f"{name}.csr",
            *signer,
            "-out",
            f"{name}.pem",
            "-days",
            "30",
            "-extfile",
            f"{name}.ext",
        )
        return Tls(self.folder / f"{name}.pem", self.folder / f"{name}.key", self.folder / f"{self.authority}.pem")

    @property
    def authority_file(self) -> Path:
        return self.folder / f"{self.authority}.pem"

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)


HAS_OPENSSL = shutil.which("openssl") is not None


def missing_for(command: Sequence[str]) -> str:
    """Why this machine cannot run something within ``command``; empty if it can."""
    if shutil.which(command[0]) is None:
        return f"the command {command[0]} is not installed"
    tried = subprocess.run([*command, "true"], capture_output=True, text=True)
    return "" if tried.returncode == 0 else tried.stderr.strip()


def missing_for_namespaces() -> str:
    """Why this machine cannot make network namespaces; empty if it can."""
    if shutil.which("ip") is None:
        return "the command ip (iproute2) is not installed"
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    made = subprocess.run(["ip", "netns", "add", "skylane-try"], capture_output=True, text=True)
    subprocess.run(["ip", "netns", "delete", "skylane-try"], capture_output=True)
    return "" if made.returncode == 0 else f"no network namespace can be made: {made.stderr.strip()}"


class TwoMachines:
    """Two network namespaces joined by a cable."""

    CAR, EDGE = "10.77.0.1", "10.77.0.2"

    def __init__(self) -> None:
        self.car, self.edge = f"skylane-car-{os.getpid()}", f"skylane-edge-{os.getpid()}"
        for name in (self.car, self.edge):
            self._ip("netns", "add", name)
        self._ip("link", "add", "cable", "netns", self.car, "type", "veth", "peer", "name", "cable", "netns", self.edge)
        for name, address in ((self.car, self.CAR), (self.edge, self.EDGE)):
            self._ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
            for device in ("lo", "cable"):
                self._ip("-n", name, "link", "set", device, "up")

    def within(self, name: str) -> list[str]:
        """Words before a command that is to run there."""
        return ["ip", "netns", "exec", name]

    def cable(self, plugged: bool) -> None:
        self._ip("-n", self.edge, "link", "set", "cable", "up" if plugged else "down")

    def close(self) -> None:
        for name in (self.car, self.edge):
            self._ip("netns", "delete", name)

    def _ip(self, *words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)
