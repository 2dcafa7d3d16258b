"""A host that joins somebody else's run: connects, follows the launcher's clock, obeys its commands, ends with it."""

from __future__ import annotations

import queue
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec

from pipeline.engines.hosts.clocks import UNCERTAINTY_MAX_NS, Offset, OffsetEstimate, Ping, RunClock
from pipeline.engines.hosts.link import Presence, ask
from pipeline.engines.hosts.part import Part
from pipeline.engines.hosts.protocol import (
    CLOCK,
    LAUNCHERS,
    Answer,
    Begin,
    Command,
    Description,
    End,
    HostFailed,
    Prepare,
    control_key,
    decoded,
    ended_key,
)
from pipeline.engines.hosts.session import HostUnreachable, Sessions, SessionSettings, library, open_sessions
from pipeline.errors import SkylaneError, described
from pipeline.timestamps import format_duration

PINGS_FIRST, PING_FIRST_S, PING_S, PING_TIMEOUT_S = 16, 0.01, 0.25, 1.0
CLOCK_REPORT = "the launcher's clock"
PATIENCE_S = 10.0
"""A launcher that is gone for so long does not come back."""
PUZZLED_S = 3.0
"""Connected for so long, a node should have heard of a launcher."""
STEP_S = 0.1
TELL_S = 1.0


class ClockFollower:
    """Asks the launcher for its time, again and again, on a thread of its own."""

    def __init__(self, session: Any, report: Callable[[str, str], None]) -> None:
        self._zenoh, self._session, self._report = library(), session, report
        self.estimate = OffsetEstimate()
        self._guard = threading.Lock()
        self._run: RunClock | None = None
        self._doubtful = False
        self._count = 0
        self._over = threading.Event()
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="skylane.clock", daemon=True)
        self._thread.start()

    def check(self) -> Offset:
        """The offset now. Raises ClockUncertain, also where the launcher does not answer."""
        self._enough.wait(PING_TIMEOUT_S)
        with self._guard:
            return self.estimate.check(time.monotonic_ns(), where=CLOCK_REPORT)

    def start(self, launcher_origin: int) -> RunClock:
        """The run's clock from now on. Raises ClockUncertain."""
        self.check()
        with self._guard:
            self._run = RunClock(self.estimate, launcher_origin=launcher_origin, now=time.monotonic_ns())
        return self._run

    def forget(self) -> None:
        """What was measured does not hold any more: another launcher, or a long silence."""
        with self._guard:
            self.estimate, self._run = OffsetEstimate(), None
            self._enough.clear()
            self._count = 0

    def close(self) -> None:
        """Ask no more."""
        self._over.set()
        self._thread.join(PING_TIMEOUT_S)

    def _loop(self) -> None:
        while not self._over.wait(PING_S if self._enough.is_set() else PING_FIRST_S):
            try:
                ping = self._ping()
            except self._zenoh.ZError:
                return  # the session has been closed
            if ping is not None:
                self._take(ping)
                if self._count >= PINGS_FIRST:
                    self._enough.set()
            self._watch()

    def _take(self, ping: Ping) -> None:
        with self._guard:
            self._count += 1
            jumps = self.estimate.jumps
            self.estimate.add(ping)
            if self._run is not None:
                self._run.follow(ping.returned)
            jumped = self.estimate.jumps > jumps
        if jumped:
            self._report(CLOCK_REPORT, "one of the clocks has jumped; times are right again from now on")

    def _watch(self) -> None:
        with self._guard:
            if self._run is None:
                return
            uncertainty = self.estimate.at(time.monotonic_ns()).uncertainty
        doubtful = uncertainty > UNCERTAINTY_MAX_NS
        if doubtful and not self._doubtful:
            self._report(CLOCK_REPORT, f"known to ±{format_duration(uncertainty)} only: deadlines across hosts are off")
        self._doubtful = doubtful

    def _ping(self) -> Ping | None:
        zenoh, came = self._zenoh, threading.Event()
        found: list[tuple[int, Any]] = []

        def note(reply: Any) -> None:
            found.append((time.monotonic_ns(), reply))

        sent = time.monotonic_ns()
        self._session.get(
            CLOCK,
            zenoh.handlers.Callback(note, came.set, indirect=False),
            payload=b"",
            timeout=PING_TIMEOUT_S,
            priority=zenoh.Priority.REAL_TIME,
            express=True,
        )
        came.wait(PING_TIMEOUT_S)
        if not found or found[0][1].ok is None:
            return None
        data = found[0][1].ok.payload.to_bytes()
        if len(data) != 16:
            return None
        received, answered = struct.unpack("<QQ", data)
        return Ping(sent, received, answered, found[0][0])


class Node:
    """One host under its name. ``tell`` is given a line for each thing that happens, for people."""

    def __init__(
        self,
        name: str,
        settings: SessionSettings,
        tell: Callable[[str], None],
        *,
        stay: bool = False,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """``stay``: wait for another run afterwards. ``patience_s``: how long a launcher may be gone."""
        self.name, self.settings, self._tell = name, settings, tell
        self._stay, self._patience_s = stay, patience_s
        self._sessions: Sessions | None = None
        self._clock: ClockFollower | None = None
        self._commands: queue.SimpleQueue[tuple[Command | None, Any]] = queue.SimpleQueue()
        self._part: Part | None = None
        self._told = False
        self._launcher = ""
        """The incarnation of the launcher that is there; empty: none."""
        self._gone_since: float | None = None
        self._puzzled_at = 0.0
        self._back = False
        """The launcher was gone and is there again."""
        self._expects = False
        """Another run is to follow."""
        self._over = False
        self._failure: SkylaneError | None = None
        self.runs = 0

    def serve(self) -> None:
        """Join, take part in runs, and return when the launcher says that no other follows.

        Raises HostUnreachable, HostFailed, InvalidEndpoint or what ended an operator here.
        """
        zenoh = library()
        self._tell(f"connecting to {self.settings.connect}")
        self._sessions = open_sessions(self.settings)
        session = self._sessions.urgent
        try:
            self._clock = ClockFollower(session, self._report)
            control = control_key(self.name, str(session.zid()))
            session.declare_queryable(control, zenoh.handlers.Callback(self._note_command, indirect=False))
            presence = Presence(session, f"{LAUNCHERS}/*/*", self._note_launcher)
            token = session.liveliness().declare_token(control)
            self._tell(f"joined as {self.name}, waiting for a run")
            self._puzzled_at = time.monotonic() + PUZZLED_S
            while not self._over:
                self._step()
            token.undeclare()
            presence.close()
        finally:
            self._leave()
        if self._failure is not None:
            raise self._failure

    def _leave(self) -> None:
        if self._part is not None:
            self._part.close()
        if self._clock is not None:
            self._clock.close()
        if self._sessions is not None:
            self._sessions.close()

    # -- on the network's threads ------------------------------------------------------------------------------------

    def _note_command(self, query: Any) -> None:
        payload = query.payload
        self._commands.put((decoded(payload.to_bytes(), Command) if payload is not None else None, query))

    def _note_launcher(self, name: str, incarnation: str, up: bool) -> None:
        if up:
            known, self._launcher = self._launcher, incarnation
            self._back = self._gone_since is not None and incarnation == known
            self._gone_since = None
            if incarnation != known and self._clock is not None:
                self._clock.forget()  # what was measured is another machine's clock, perhaps
        elif incarnation == self._launcher:
            self._gone_since = time.monotonic()

    def _report(self, where: str, what: str) -> None:
        self._tell(f"{where}: {what}")
        if where == CLOCK_REPORT and self._part is not None:
            self._part.note("clock_step", what)

    # -- in the loop -------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        try:
            command, query = self._commands.get(timeout=STEP_S)
        except queue.Empty:
            self._look_around()
            return
        try:
            answer = self._obey(command)
        except SkylaneError as error:
            answer = Answer(error.what, error.where, error.hint)
        except Exception as error:  # building runs anybody's constructors
            answer = Answer(described(error))
        if answer.what:
            self._tell(f"cannot: {answer.what}")
        with query:
            query.reply(query.key_expr, msgspec.msgpack.encode(answer))

    def _obey(self, command: Command | None) -> Answer:
        if isinstance(command, Prepare):
            return self._prepare(command.description)
        if isinstance(command, Begin):
            return self._begin(command)
        if isinstance(command, End):
            self._end(command)
            return Answer()
        return Answer("a command that cannot be read", hint="do both hosts have the same version?")

    def _prepare(self, description: Description) -> Answer:
        assert self._clock is not None and self._sessions is not None
        if self._part is not None:
            self._part.close()
            self._part = None
        offset = self._clock.check()
        self._tell(f"{description.name}: building {', '.join(description.operators)}")
        self._part = Part(self._sessions, description, bytes_max=self.settings.message_bytes_max, report=self._report)
        self._told = False
        return Answer(uncertainty=offset.uncertainty)

    def _begin(self, begin: Begin) -> Answer:
        assert self._clock is not None
        part = self._part
        if part is None or part.description.run != begin.run:
            return Answer("there is nothing to begin", hint="prepare it first")
        part.begin(begin, self._clock.start(begin.origin))
        self.runs += 1
        offset = self._clock.check()
        known = f"clocks agree to ±{format_duration(offset.uncertainty)}"
        again = "running again" if begin.answered or part.description.epoch else "running"
        self._tell(f"{part.description.name}: {again}; {known}")
        return Answer(uncertainty=offset.uncertainty)

    def _end(self, end: End) -> None:
        part = self._part
        if part is not None and part.description.run == end.run:
            part.stop()
            self._say_ended(part)
            part.close()
            self._part = None
            self._tell(f"{part.description.name}: {end.reason}")
        elif end.failed:
            self._failure = HostFailed(f"sent away: {end.reason}", where=f"host {self.name}")
            self._over = True
        self._over = self._over or (end.final and not self._stay)
        self._expects = not end.final

    def _say_ended(self, part: Part) -> None:
        if self._told:
            return
        ended = part.ended()
        if ended.what:
            self._tell(f"{part.description.name}: failed: {part.error}")
            if not self._stay and isinstance(part.error, SkylaneError):
                self._failure = part.error
        assert self._sessions is not None
        data = msgspec.msgpack.encode(ended)
        self._told = ask(self._sessions.urgent, ended_key(part.description.run), data, timeout_s=TELL_S) is not None

    def _look_around(self) -> None:
        part, gone = self._part, self._gone_since
        if part is not None and part.over and not self._told:
            self._say_ended(part)
        if not self._launcher and time.monotonic() > self._puzzled_at:
            self._puzzled_at = float("inf")
            self._tell(f"nobody answers there; is the certificate's common name {self.name!r}?")
        if self._back:
            self._back = False
            self._tell("the launcher is back")
            if part is not None:
                part.readers_are_back()
        patience_s = self._patience_s if part is not None or self._expects else 0.0
        if gone is None or time.monotonic() - gone < patience_s:
            return
        self._gone_since = None
        done = part is None and self.runs > 0
        self._tell("the launcher is gone" + (", no other run follows" if done and not self._stay else ""))
        if part is not None:
            part.close()
            self._part = None
        if not self._stay:
            self._over = True
            if not done:
                self._failure = HostUnreachable("the launcher is gone", where=self.settings.connect)
