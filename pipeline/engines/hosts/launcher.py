"""The launcher's side of a run over several hosts: who has joined, what each is told, who comes back, who has ended.

Knows nothing of engines: streams come in through entries and leave through exits, events go to a callable.
"""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any

import msgspec

from pipeline.engines.hosts.link import Presence, ZenohEntry, ZenohExit, ask
from pipeline.engines.hosts.protocol import (
    CLOCK,
    LAUNCHERS,
    NODES,
    Answer,
    Begin,
    Description,
    End,
    Ended,
    HostFailed,
    Prepare,
    control_key,
    decoded,
    ended_key,
    events_key,
    silent,
)
from pipeline.engines.hosts.session import HostUnreachable, SessionSettings, library, open_sessions
from pipeline.errors import SkylaneError
from pipeline.events import Event

PREPARE_S = 120.0
"""A host imports its operators and loads its models within this time."""
TELL_S = 2.0
END_S = 5.0
STEP_S = 0.1


class Hosts:
    """The other hosts of one run, as seen by the launcher.

    ``on_host(name, up)``: a host that takes part has gone or is back. ``on_events``: what happened on the hosts.
    ``on_ended``: a host's part is over. ``report``: something is wrong but the run goes on. All are called from threads
    of the network.
    """

    def __init__(
        self,
        settings: SessionSettings,
        here: str,
        *,
        on_host: Callable[[str, bool], None] = lambda name, up: None,
        on_events: Callable[[list[Event]], None] = lambda events: None,
        on_ended: Callable[[Ended], None] = lambda ended: None,
        report: Callable[[str, str], None] = lambda where, what: None,
    ) -> None:
        self.settings, self.here = settings, here
        self._on_host, self._on_events, self._on_ended, self._report = on_host, on_events, on_ended, report
        zenoh = library()
        self._direct = zenoh.handlers.Callback
        self._sessions = open_sessions(settings)
        session = self._session = self._sessions.urgent
        self.run = f"{self._session.zid()}"
        self._changed = threading.Condition()
        self._present: dict[str, str] = {}
        """Host → incarnation."""
        self._second: dict[str, str] = {}
        """Another node of a name that is taken; its turn comes when the first has gone."""
        self._parts: dict[str, Description] = {}
        self._running: dict[str, str] = {}
        """Host → the incarnation that runs its part."""
        self._origin: int | None = None
        self._over = False
        self.ended: dict[str, Ended] = {}
        self._exits: list[ZenohExit] = []
        self._entries: list[ZenohEntry] = []
        self._events = msgspec.msgpack.Decoder(list[Event])
        self._declared = [
            session.declare_queryable(CLOCK, self._direct(_tell_time, indirect=False)),
            session.declare_queryable(ended_key(self.run), self._note_ended),
            session.declare_subscriber(events_key(self.run, "*"), self._note_events),
            session.liveliness().declare_token(f"{LAUNCHERS}/launcher/{self.run}"),
        ]
        self._presence = Presence(session, f"{NODES}/*/*", self._note_presence)

    # -- before the run ----------------------------------------------------------------------------------------------

    def await_nodes(self, names: Iterable[str], timeout_s: float, stop: Callable[[], bool] = lambda: False) -> bool:
        """Wait until all have joined; False if ``stop()`` came first. Raises HostUnreachable when time is up."""
        wanted, until = set(names), time.monotonic() + timeout_s
        with self._changed:
            while not wanted <= self._present.keys():
                if stop():
                    return False
                if time.monotonic() >= until:
                    raise self._missing(wanted, timeout_s)
                self._changed.wait(STEP_S)
        return True

    def _missing(self, wanted: set[str], timeout_s: float) -> HostUnreachable:
        missing, others = sorted(wanted - self._present.keys()), sorted(self._present.keys() - wanted)
        what = f"{', '.join(missing)} did not join within {timeout_s:g} s"
        what += f"; {', '.join(others)} did, but has no part in this run" if others else ""
        strangers = {str(link.auth_identifier) for link in self._session.info.links() if link.auth_identifier}
        strangers -= set(self.settings.names or strangers)
        what += f"; a certificate in the name of {', '.join(sorted(strangers))} is connected" if strangers else ""
        return HostUnreachable(
            what, where=self.settings.listen, hint=f"there: skylane node {missing[0]} --connect {self.settings.listen}"
        )

    def exit(self, stream: str, readers: Iterable[str]) -> ZenohExit:
        """The way out of a stream that is written here."""
        way_out = ZenohExit(self._sessions, self.run, stream, readers=readers)
        way_out.report = self._report
        self._exits.append(way_out)
        return way_out

    def entry(self, stream: str, type_: type) -> ZenohEntry:
        """The way in for a stream that another host writes; ``open`` it before ``begin``."""
        way_in = ZenohEntry(
            self._sessions, self.run, stream, type_, here=self.here, bytes_max=self.settings.message_bytes_max
        )
        self._entries.append(way_in)
        return way_in

    def prepare(self, parts: Mapping[str, Description]) -> None:
        """Let every host build its part, all at once. Raises HostFailed or HostUnreachable."""
        self._parts = dict(parts)
        for name in self._present.keys() - parts.keys():
            self._send_away(name, self._present[name], f"this run has no host {name!r}, it has {', '.join(parts)}")
        failed: list[SkylaneError] = []

        def tell(name: str) -> None:
            try:
                self._prepare(name, parts[name])
            except SkylaneError as error:
                failed.append(error)

        threads = [threading.Thread(target=tell, args=(name,), daemon=True) for name in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(STEP_S)
        if failed:
            raise failed[0]

    def _prepare(self, name: str, part: Description) -> None:
        incarnation = self._present.get(name)
        if incarnation is None:
            raise silent(name)
        answer = self._command(name, incarnation, Prepare(part), PREPARE_S)
        if answer.what:
            where = f"host {name}" + (f": {answer.where}" if answer.where else "")
            raise HostFailed(answer.what, where=where, hint=answer.hint)
        self._running[name] = incarnation

    def begin(self, origin: int) -> None:
        """The run's clock is 0 when the monotonic clock here shows ``origin``. Raises HostFailed or HostUnreachable."""
        self._origin = origin
        for name, incarnation in list(self._running.items()):
            answer = self._command(name, incarnation, Begin(self.run, origin), TELL_S)
            if answer.what:
                raise HostFailed(answer.what, where=f"host {name}", hint=answer.hint)

    def _command(self, name: str, incarnation: str, command: Any, timeout_s: float) -> Answer:
        data = ask(self._session, control_key(name, incarnation), msgspec.msgpack.encode(command), timeout_s=timeout_s)
        answer = decoded(data, Answer) if data is not None else None
        if answer is None:
            raise silent(name)
        found: Answer = answer
        return found

    # -- during the run ----------------------------------------------------------------------------------------------

    def _note_presence(self, name: str, incarnation: str, up: bool) -> None:
        with self._changed:
            first = self._present.get(name)
            if up and first is not None and first != incarnation:
                self._second[name] = incarnation
                patience_s = self.settings.silence_ms * 1.5e-3
                later = threading.Timer(patience_s, self._refuse_second, (name, incarnation))
                later.daemon = True
                later.start()
                return
            if up:
                self._present[name] = incarnation
            elif first == incarnation:
                del self._present[name]
            second = self._second.pop(name, None) if not up and first == incarnation else None
            self._changed.notify_all()
        if first == incarnation or up:
            self._changed_part(name, incarnation, up)
        if second is not None:
            self._note_presence(name, second, True)

    def _changed_part(self, name: str, incarnation: str, up: bool) -> None:
        if name not in self._parts or self._origin is None or self._over or name in self.ended:
            return
        if not up:
            self._on_host(name, False)
        elif self._running.get(name) == incarnation:
            self._welcome(name)
        else:
            threading.Thread(target=self._rejoin, args=(name, incarnation), daemon=True).start()

    def _rejoin(self, name: str, incarnation: str) -> None:
        part = msgspec.structs.replace(self._parts[name], epoch=self._parts[name].epoch + 1)
        self._parts[name] = part
        answered: dict[str, int] = {}
        for entry in self._entries:
            operator = entry.stream.rpartition(".")[0]
            if operator in part.operators:
                answered[operator] = max(entry.watermark, answered.get(operator, entry.watermark))
        try:
            self._prepare(name, part)
            assert self._origin is not None
            answer = self._command(name, incarnation, Begin(self.run, self._origin, answered), TELL_S)
        except SkylaneError as error:
            self._report(f"host {name}", f"came back but cannot go on: {error}")
            return
        if answer.what:
            self._report(f"host {name}", f"came back but cannot go on: {answer.what}")
            return
        self._welcome(name)

    def _welcome(self, name: str) -> None:
        for way_out in self._exits:
            way_out.reader_is_back(name)
        self._on_host(name, True)

    def _refuse_second(self, name: str, incarnation: str) -> None:
        with self._changed:
            if self._second.get(name) != incarnation:
                return
            del self._second[name]
        self._send_away(name, incarnation, f"another node is {name!r} already")

    def _send_away(self, name: str, incarnation: str, reason: str) -> None:
        data = msgspec.msgpack.encode(End(self.run, reason, failed=True))
        ask(self._session, control_key(name, incarnation), data, timeout_s=TELL_S)

    def _note_events(self, sample: Any) -> None:
        try:
            events = self._events.decode(sample.payload.to_bytes())
        except msgspec.MsgspecError as error:
            self._report(str(sample.key_expr), f"events that cannot be read: {error}")
            return
        self._on_events(events)

    def _note_ended(self, query: Any) -> None:
        ended = decoded(query.payload.to_bytes(), Ended) if query.payload is not None else None
        with query:
            query.reply(query.key_expr, b"yes")
        if ended is None or ended.host not in self._parts or ended.epoch != self._parts[ended.host].epoch:
            return
        with self._changed:
            again = ended.host in self.ended
            self.ended[ended.host] = ended
            self._changed.notify_all()
        if not again:
            self._on_ended(ended)

    # -- the end -----------------------------------------------------------------------------------------------------

    def all_ended(self) -> bool:
        """Whether no host has anything left to do."""
        return self._parts.keys() <= self.ended.keys()

    def end(self, reason: str = "the run is over", *, final: bool = True, failed: bool = False) -> None:
        """End the run everywhere and wait for what the hosts have to say about it. ``final``: no other run follows."""
        self._over = True
        command = End(self.run, reason, final=final, failed=failed)
        for name, incarnation in list(self._present.items()):
            try:
                self._command(name, incarnation, command, TELL_S)
            except SkylaneError as error:
                self._report(f"host {name}", f"cannot be told that the run is over: {error.what}")
        until = time.monotonic() + END_S
        with self._changed:
            while any(n in self._running and n in self._present for n in self._parts.keys() - self.ended.keys()):
                if time.monotonic() >= until:
                    break
                self._changed.wait(STEP_S)

    def close(self) -> None:
        """Let go of the network."""
        self._over = True
        for way_out in self._exits:
            way_out.close()
        for way_in in self._entries:
            way_in.close()
        self._presence.close()
        for declared in self._declared:
            declared.undeclare()
        self._sessions.close()

    def __enter__(self) -> Hosts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _tell_time(query: Any) -> None:
    received = time.monotonic_ns()
    query.reply(query.key_expr, struct.pack("<QQ", received, time.monotonic_ns()), express=True)
