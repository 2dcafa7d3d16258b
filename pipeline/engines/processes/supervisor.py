"""The supervisor: starts every process of a run and watches it; lets the standby answer for one that is gone.

Computes nothing and holds no data: it must wake in a millisecond whatever the others do.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from typing import Any

from pipeline.engines.processes import faults
from pipeline.engines.processes.channel import Channel, ChannelClosed
from pipeline.engines.processes.plan import (
    Assignment,
    Ended,
    Failed,
    Finished,
    Go,
    Ready,
    Recovered,
    Rest,
    Said,
    Started,
    Status,
    Stop,
)
from pipeline.engines.processes.plan import Fault as FaultSaid
from pipeline.engines.processes.supervised import Supervised
from pipeline.engines.processes.table import EPOCH, StatusTable

SCANS = 15
"""How often heartbeats are looked at while the shortest time passes after which a process is hung."""
STALLED_NS = 26_000_000
"""When the supervisor itself was kept waiting so much longer than it asked for, it looks again before it judges others.
"""
STATUS_NS = 500_000_000
START_IN_NS = 50_000_000
END_S = 3.0


def main() -> None:
    """``python -m pipeline.engines.processes.supervisor FD``: FD is the channel to the launcher."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel: Channel[Any] = Channel.inherited(int(sys.argv[1]), Said)
    assignment = channel.receive()
    if not isinstance(assignment, Assignment):
        raise SystemExit("the launcher said nothing")
    _Supervisor(channel, assignment).run()


class _Supervisor:
    def __init__(self, launcher: Channel[Any], assignment: Assignment) -> None:
        self.launcher, self.assignment, self.plan = launcher, assignment, assignment.plan
        plan = self.plan
        self.table = StatusTable(assignment.table, plan)
        self.processes = [
            Supervised(each.name, row, each.restart, each.standby) for row, each in enumerate(plan.processes)
        ]
        self.standby: Supervised | None = None
        if any(each.standby for each in plan.processes):
            self.standby = Supervised("", len(plan.processes), True, False)
        self.selector = selectors.DefaultSelector()
        self.origin = 0
        self.over = False
        self.failure: Failed | None = None
        self.ended_at = 0
        self.outcome: dict[str, Any] = {}
        self._looked = self._told = 0
        self._scan = min(plan.supervision.alive, 3 * plan.supervision.grace) // SCANS

    @property
    def everybody(self) -> list[Supervised]:
        """All processes, the standby last."""
        return self.processes if self.standby is None else [*self.processes, self.standby]

    def run(self) -> None:
        """Until everybody has finished, the launcher says stop or is gone, or a failure that nothing can repair."""
        faults.be_quick()
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked_to_end)
        self.selector.register(self.launcher.fileno(), selectors.EVENT_READ, None)
        try:
            for process in self.everybody:
                self._spawn(process)
            while not self.over:
                for key, _ in self.selector.select(self._scan / 1e9 if self.origin else 0.1):
                    self._react(key.data)
                self._look()
        finally:
            self._end()

    def _asked_to_end(self, number: int, frame: object) -> None:
        self.over = True

    def now(self) -> int:
        """The run's clock; before the start the time since the machine's."""
        return time.monotonic_ns() - self.origin

    # -- starting ----------------------------------------------------------------------------------------------------

    def _spawn(self, process: Supervised) -> None:
        mine: Channel[Any]
        mine, theirs = Channel.pair(Said)
        assignment = self.assignment
        inherited = (theirs.fileno(), assignment.table, assignment.events, *assignment.wakeups)
        run_on = self.plan.processes[process.row].run_on if process.name else None
        process.popen = subprocess.Popen(
            # The name is for people: it says in the process list who this is.
            [sys.executable, "-m", "pipeline.engines.processes.child", str(theirs.fileno()), process.name or "standby"],
            pass_fds=inherited,
            stdin=subprocess.DEVNULL,
            env=faults.environment(self.plan.recipe.path, run_on.threads if run_on is not None else 1),
        )
        theirs.close()
        process.channel = mine
        process.pidfd = os.pidfd_open(process.popen.pid)
        process.state = "starting"
        process.spawned_at = time.monotonic_ns()
        self.selector.register(mine.fileno(), selectors.EVENT_READ, (process, "said"))
        self.selector.register(process.pidfd, selectors.EVENT_READ, (process, "died"))
        mine.send(
            Assignment(
                self.plan,
                process.name,
                process.incarnation,
                assignment.table,
                assignment.wakeups,
                assignment.events,
            )
        )

    def _react(self, what: tuple[Supervised, str] | None) -> None:
        if what is None:
            self._obey()
            return
        process, happened = what
        if happened == "died":
            self._died(process)
            return
        if process.channel is None:
            return
        try:
            said = process.channel.receive(0)
        except ChannelClosed:
            self.selector.unregister(process.channel.fileno())
            process.channel.close()
            process.channel = None
            return
        if isinstance(said, Ready):
            self._ready(process, said)
        elif isinstance(said, Finished):
            self._finished(process, said)
        elif isinstance(said, Failed):
            self._failed(process, said)

    def _obey(self) -> None:
        try:
            told = self.launcher.receive(0)
        except ChannelClosed:
            self.over = True
            return
        if isinstance(told, Stop):
            self.over = True

    def _ready(self, process: Supervised, said: Ready) -> None:
        process.state = "ready"
        for note in said.notes:
            self._tell(FaultSaid(self.now() if self.origin else 0, process.name, "note", note))
        if not self.origin:
            if all(each.state == "ready" for each in self.everybody):
                self._start()
        elif process is self.standby:
            process.state, process.down_since = "healthy", 0
            for each in self.processes:
                if each.state in ("down", "starting", "given_up") and each.standby:
                    self._hand_over(each)
        else:
            self._go(process)

    def _start(self) -> None:
        self.origin = time.monotonic_ns() + START_IN_NS
        for process in self.processes:
            self._go(process)
        if self.standby is not None:
            self.standby.state = "healthy"
        self._tell(Started(self.origin))

    def _go(self, process: Supervised) -> None:
        """From now on the process answers for itself."""
        epoch = self.table.get(process.row, EPOCH) + 1
        self.table.set(process.row, EPOCH, epoch)
        if process.channel is not None:
            with contextlib.suppress(ChannelClosed):
                process.channel.send(Go(self.origin, epoch))
        process.state = "healthy"
        if process.down_since:
            if process.standby and self.standby is not None and self.standby.channel is not None:
                with contextlib.suppress(ChannelClosed):
                    self.standby.channel.send(Rest(process.name))
            self._tell(Recovered(self.now(), process.name, time.monotonic_ns() - process.down_since))
            process.down_since = 0
        self._tell(self._status(process, time.monotonic_ns()))

    # -- what goes wrong ---------------------------------------------------------------------------------------------

    def _look(self) -> None:
        now = time.monotonic_ns()
        waited, self._looked = now - self._looked, now
        if self.origin and waited < self._scan + STALLED_NS:
            for process in self.everybody:
                if process.state == "healthy":
                    found = faults.look_at(process, self.table, self.plan.supervision, now)
                    if found is not None:
                        self._lost(process, *found)
        for process in self.everybody:
            if process.ending is not None and process.ending.poll() is not None:
                process.ending = None
            if process.state == "down" and process.restart_at <= now and process.ending is None:
                process.incarnation += 1
                self._spawn(process)
            elif process.state == "starting" and now - process.spawned_at > self.plan.supervision.start:
                self._never_ready(process)
        if now - self._told > STATUS_NS and self.origin:
            self._told = now
            for process in self.everybody:
                self._tell(self._status(process, now))
                if faults.too_big(process, self.plan.supervision):
                    self._lost(process, "memory", f"holds more than {self.plan.supervision.memory_mb} MB")

    def _status(self, process: Supervised, now: int) -> Status:
        operators = self.plan.processes[process.row].operators if process.name else ()
        return faults.status(process, self.table, operators, self.now(), now)

    def _lost(self, process: Supervised, kind: str, reason: str) -> None:
        """The process is gone, or must be: somebody else answers for it at once, then it is ended and started anew."""
        now = time.monotonic_ns()
        was_up = process.state == "healthy"
        process.down_since = process.down_since or now
        if was_up and process is not self.standby:
            self._ring()
            self._hand_over(process)
        self._forget(process)
        self._tell(FaultSaid(self.now() if self.origin else 0, process.name or "standby", kind, reason))
        if not self.origin or not process.restart:
            where = f"process {process.name}" if process.name else "the standby"
            self._give_up(Failed("OperatorFailed", reason, where, self._hint(process)))
            return
        wait = process.backoff(now, self.plan.supervision)
        if wait is None:
            process.state = "given_up"
            self._tell(FaultSaid(self.now(), process.name or "standby", "crash_loop", "restarted too often: given up"))
            self._check_end()
        else:
            process.state, process.restart_at = "down", now + wait

    def _hint(self, process: Supervised) -> str:
        if not self.origin:
            return "it ended before everybody was ready"
        return "" if process.restart else "what it holds, such as a simulated world, is gone with it: no restart helps"

    def _ring(self) -> None:
        """Wake everybody: it may have died between sending a message and telling its readers."""
        for fd in self.assignment.wakeups:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_write(fd, 1)

    def _hand_over(self, process: Supervised) -> None:
        """Fence the process off and let the standby answer."""
        epoch = self.table.get(process.row, EPOCH) + 1
        self.table.set(process.row, EPOCH, epoch)
        if process.standby and self.standby is not None and self.standby.channel is not None:
            with contextlib.suppress(ChannelClosed):
                self.standby.channel.send(Go(self.origin, epoch, process.name))

    def _died(self, process: Supervised) -> None:
        # What it said before it died counts: a process that reports why it ends also ends.
        while process.channel is not None and process.state not in ("finished", "given_up"):
            try:
                said = process.channel.receive(0)
            except ChannelClosed:
                break
            if said is None:
                break
            if isinstance(said, Finished):
                self._finished(process, said)
            elif isinstance(said, Failed):
                self._failed(process, said)
                return
        assert process.popen is not None
        code = process.popen.wait()
        if process.state == "finished" or self.over:
            self._forget(process)
        else:
            self._lost(process, *faults.cause(code))

    def _failed(self, process: Supervised, said: Failed) -> None:
        if process.state == "starting" and not process.incarnation:
            self._give_up(said)
        elif process.restart and self.origin:
            self._lost(process, "raised", said.what)
        else:
            self._give_up(said)

    def _never_ready(self, process: Supervised) -> None:
        limit_s = self.plan.supervision.start / 1e9
        self._lost(process, "hung", f"was not ready after {limit_s:g} s")

    def _forget(self, process: Supervised) -> None:
        """End what is left of it."""
        if process.pidfd >= 0:
            self.selector.unregister(process.pidfd)
            os.close(process.pidfd)
            process.pidfd = -1
        if process.channel is not None:
            self.selector.unregister(process.channel.fileno())
            process.channel.close()
            process.channel = None
        if process.popen is not None:
            process.popen.kill()
            # To end a large process takes the kernel some time: it is reaped later, nobody waits for it here.
            process.ending, process.popen = process.popen, None

    # -- the end -----------------------------------------------------------------------------------------------------

    def _finished(self, process: Supervised, said: Finished) -> None:
        if process is self.standby:
            process = next(each for each in self.processes if each.name == said.process)
            if process.state == "healthy":
                return
        process.state = "finished"
        self.ended_at = max(self.ended_at, said.ended_at)
        self.outcome.update(said.outcome)
        self._check_end()

    def _check_end(self) -> None:
        # One that is down when all the others have finished need not come back.
        states = [each.state for each in self.processes]
        self.over = self.over or ("finished" in states and not {*states} - {"finished", "down", "given_up"})

    def _give_up(self, failure: Failed) -> None:
        self.failure = self.failure or failure
        self.over = True

    def _end(self) -> None:
        self.over = True
        ended_at = self.ended_at or (self.now() if self.origin else 0)
        for process in self.everybody:
            if process.channel is not None:
                with contextlib.suppress(ChannelClosed):
                    process.channel.send(Stop(), wait=False)
        until = time.monotonic() + END_S
        for process in self.everybody:
            if process.popen is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.popen.wait(max(0.0, until - time.monotonic()))
            if process.channel is not None:
                self._take_outcome(process)
            self._forget(process)
            if process.ending is not None:
                process.ending.wait()
        faults.clean_up()
        self._tell(Ended(ended_at, self.failure, self.outcome), wait=True)

    def _take_outcome(self, process: Supervised) -> None:
        assert process.channel is not None
        with contextlib.suppress(ChannelClosed):
            said = process.channel.receive(0)
            while said is not None:
                if isinstance(said, Finished):
                    self.outcome.update(said.outcome)
                said = process.channel.receive(0)

    def _tell(self, said: Any, *, wait: bool = False) -> None:
        with contextlib.suppress(ChannelClosed):
            self.launcher.send(said, wait=wait)


if __name__ == "__main__":
    main()
