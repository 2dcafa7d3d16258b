"""Engine ``erdos``: the launcher's side. Starts a process per node, gathers what happens, leaves nothing behind."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from typing import IO, Any

from pipeline import errors
from pipeline.engines.erdos.gathering import Gatherer
from pipeline.engines.erdos.link import Assignment, Batch, Ended, Failed, Go, Leave, Link, LinkClosed, Ready, Stop
from pipeline.engines.erdos.plan import plan
from pipeline.errors import MissingExtra, OperatorFailed, SkylaneError
from pipeline.events import Observer
from pipeline.graph import Graph
from pipeline.latency import LatencyModel
from pipeline.recipe import Recipe
from pipeline.timestamps import FOREVER

PYTHON = (3, 10)
START_S = 60.0
START_IN_NS = 200_000_000
"""Between the word to go and t=0: every node has yet to make its engine, and a late first tick costs the second one."""
LISTEN_S = 0.05
STOP_S = 5.0
"""A node that was told to stop and does not is ended."""
LEAVE_S = 2.0
LOG_BYTES = 2000


class ErdosEngine:
    """Runs a graph on ERDOS. ``graph`` tells names and types; the operators that work are made by ``recipe`` in their
    own processes, one for each operator; those in ``together``, and those that hold the same world, share one.
    Raises MissingExtra where ERDOS cannot run.
    """

    def __init__(
        self,
        recipe: Recipe,
        graph: Graph,
        latency: LatencyModel,
        observers: Sequence[Observer],
        *,
        together: Collection[str] = (),
        stop: Callable[[], bool] | None = None,
    ) -> None:
        require_erdos()
        recipe.check_sendable()
        graph.validate()
        self.recipe, self.graph, self.latency = recipe, graph, latency
        self.plan = plan(graph, together)
        self.origin = 0
        self.outcome: dict[str, Any] = {}
        """What the world, if an operator has one, had to say at the end."""
        self._gatherer = Gatherer(graph, len(self.plan.nodes), observers)
        self._stop = stop or (lambda: False)

    def run(self, until: int) -> int:
        """Run until every operator is closed, ``until`` has passed or ``stop()``; return the time of the end.

        Raises OperatorFailed when an operator failed or its process ended.
        """
        with contextlib.ExitStack() as held:
            log = held.enter_context(tempfile.TemporaryFile())
            nodes = _Nodes(self.plan.nodes, log)
            held.callback(nodes.end)
            nodes.start(self._assignments(min(until, FOREVER)))
            return self._follow(nodes)

    def _assignments(self, until: int) -> list[Assignment]:
        count = len(self.plan.nodes)
        addresses = [f"127.0.0.1:{port}" for port in _free_ports(2 * count)]
        data, control = tuple(addresses[:count]), tuple(addresses[count:])
        watched = bool(self._gatherer.observers)
        return [
            Assignment(self.recipe, self.plan, i, data, control, self.latency, until, watched) for i in range(count)
        ]

    def _follow(self, nodes: _Nodes) -> int:
        ended, ready, failure = 0, 0, None
        give_up = time.monotonic() + START_S
        stopping = False
        while nodes.alive:
            for node, said in nodes.listen():
                if isinstance(said, Ready):
                    ready += 1
                    if ready == len(self.plan.nodes) and not stopping:
                        give_up = float("inf")
                        nodes.tell(Go(time.monotonic_ns() + START_IN_NS))
                elif isinstance(said, Batch):
                    self._gatherer.add(node, said)
                else:
                    self._gatherer.ended(node)
                    nodes.alive.discard(node)
                    if isinstance(said, Ended):
                        ended, self.outcome = max(ended, said.at), self.outcome or said.outcome
                    else:
                        failure = failure or said
            self._gatherer.release()
            if not stopping and (failure is not None or self._stop()):
                stopping = True
                give_up = time.monotonic() + STOP_S
                nodes.tell(Stop())
            if time.monotonic() > give_up:
                if not stopping:
                    failure = Failed("SkylaneError", f"not ready after {START_S:.0f} s", "engine erdos", nodes.log())
                break
        self._gatherer.release(to_the_end=True)
        if failure is not None:
            raise _error(failure)
        return ended


class _Nodes:
    """The processes of a run."""

    def __init__(self, operators: Sequence[Sequence[str]], log: IO[bytes]) -> None:
        self._operators, self._log = operators, log
        self._processes: list[subprocess.Popen[bytes]] = []
        self._links: list[Link] = []
        self._selector = selectors.DefaultSelector()
        self.alive: set[int] = set()
        """Those that run, or are about to."""

    def start(self, assignments: Sequence[Assignment]) -> None:
        """Start all of them, each with its assignment."""
        environment = _environment(assignments[0].recipe)
        output = os.dup(1)
        try:
            for node, assignment in enumerate(assignments):
                mine, theirs = socket.socketpair()
                with theirs:
                    self._links.append(Link(mine))
                    process = subprocess.Popen(
                        [sys.executable, "-m", "pipeline.engines.erdos.node", str(theirs.fileno()), str(output)],
                        pass_fds=(theirs.fileno(), output),
                        stdin=subprocess.DEVNULL,
                        stdout=self._log,
                        env=environment,
                    )
                self._processes.append(process)
                self._selector.register(mine, selectors.EVENT_READ, node)
                self.alive.add(node)
                self._links[node].send(assignment)
        finally:
            os.close(output)

    def listen(self) -> list[tuple[int, Any]]:
        """What the nodes say within LISTEN_S; of one whose process is gone, that it failed."""
        heard: list[tuple[int, Any]] = []
        for key, _ in self._selector.select(LISTEN_S):
            node: int = key.data
            try:
                heard += [(node, said) for said in self._links[node].receive()]
            except LinkClosed:
                self._selector.unregister(key.fileobj)
                if node in self.alive:
                    heard.append((node, self._gone(node)))
        return heard

    def tell(self, message: Any) -> None:
        """Say something to all."""
        for link in self._links:
            with contextlib.suppress(LinkClosed):
                link.send(message)

    def _gone(self, node: int) -> Failed:
        status = self._processes[node].wait()
        how = signal.Signals(-status).name if status < 0 else f"exit code {status}"
        hint = "see its output above"
        return Failed("OperatorFailed", f"its process ended with {how}", ", ".join(self._operators[node]), hint)

    def log(self) -> str:
        """The end of what ERDOS wrote."""
        self._log.seek(0)
        return self._log.read()[-LOG_BYTES:].decode(errors="replace").strip() or "ERDOS wrote nothing"

    def end(self) -> None:
        """Let them leave; whoever does not is killed."""
        self.tell(Leave())
        limit = time.monotonic() + (LEAVE_S if not self.alive else 0.0)
        for process in self._processes:
            try:
                process.wait(max(0.0, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for link in self._links:
            link.close()
        self._selector.close()


def require_erdos() -> None:
    """Raises MissingExtra where ERDOS cannot run."""
    have = sys.version_info[:2]
    how = "python3.10 -m venv VENV && VENV/bin/pip install 'skylane[erdos]'"
    if have != PYTHON:
        raise MissingExtra(f"engine erdos needs CPython 3.10, this is {have[0]}.{have[1]}", hint=how)
    if importlib.util.find_spec("erdos") is None:
        raise MissingExtra(
            "engine erdos needs erdos 0.4.0, which is not installed", hint="pip install 'skylane[erdos]'"
        )


def _environment(recipe: Recipe) -> dict[str, str]:
    found = dict(os.environ)
    path = [*recipe.path, *(folder for folder in sys.path if folder)]
    found["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        found.setdefault(name, "1")
    return found


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; ERDOS wants to be told."""
    with contextlib.ExitStack() as held:
        ports = []
        for _ in range(count):
            sock = held.enter_context(socket.socket())
            sock.bind(("127.0.0.1", 0))
            ports.append(sock.getsockname()[1])
        return ports


def _error(failure: Failed) -> SkylaneError:
    kind = getattr(errors, failure.kind, OperatorFailed) if failure.kind else OperatorFailed
    error: SkylaneError = kind(failure.what, where=failure.where, hint=failure.hint)
    if failure.trace:
        error.__cause__ = RemoteTraceback(failure.trace)
    return error


class RemoteTraceback(Exception):
    """Where in its own process an operator failed."""

    def __str__(self) -> str:
        return f"in another process:\n{self.args[0]}"
