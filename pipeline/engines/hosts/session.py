"""The one network session of a host: explicit endpoints, no scouting, mutual TLS from files, and clear errors.

Decides what may be opened and with which limits. What travels through it is the links' business.
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import MissingExtra, SkylaneError, UsageError

MESSAGE_BYTES_MAX = 64 << 20
"""A message above this is refused wherever it arrives; a picture of 12 megapixels has 36 MiB."""
SEND_BUFFER_BYTES = 128 << 10
"""What may wait in the kernel, where a newer picture cannot overtake an older one any more; Linux takes it twice."""
SILENCE_MS = 2000
"""A host that was silent for so long is gone; a process that ends is noticed at once."""
CONNECT_S = 10.0
ATTEMPT_S = 3.0
PROBE_S = 2.0


class HostUnreachable(SkylaneError):
    """Another host cannot be connected to, or has not joined in time."""


class HostRefused(HostUnreachable):
    """Another host is there, but one of the two does not trust the other."""


class CannotListen(SkylaneError):
    """The address is taken, or not this machine's."""


class InvalidEndpoint(UsageError):
    """An endpoint that is none, files that are no certificate, or plain text where others can read it."""


@dataclass(frozen=True)
class Tls:
    """PEM files by which hosts prove who they are; each certificate is signed by ``authority``."""

    certificate: Path
    key: Path
    authority: Path


@dataclass(frozen=True)
class SessionSettings:
    """Where to listen or connect, and the limits. Endpoints: ``tcp/127.0.0.1:7447``, ``tls/car.local:7447``."""

    listen: str = ""
    connect: str = ""
    tls: Tls | None = None
    insecure: bool = False
    """Plain tcp on an address that others can reach: anybody there may read, write and run operators."""
    names: tuple[str, ...] = ()
    """Who may join, each by a certificate with its name as common name (tls, where it listens). Empty: any name."""
    scouting: bool = False
    """Look for other hosts by multicast and gossip."""
    connect_s: float = CONNECT_S
    silence_ms: int = SILENCE_MS
    message_bytes_max: int = MESSAGE_BYTES_MAX
    send_buffer_bytes: int = SEND_BUFFER_BYTES


class Endpoint:
    """A parsed endpoint. Raises InvalidEndpoint for one that is none."""

    def __init__(self, text: str) -> None:
        match = re.fullmatch(r"(tcp|tls)/(\[[0-9a-fA-F:]+\]|[\w.-]+):(\d{1,5})", text)
        if match is None or int(match[3]) > 65535:
            raise InvalidEndpoint(
                f"{text!r} is not an endpoint",
                hint="write tcp/127.0.0.1:7447 or tls/HOST:7447, nothing behind the port",
            )
        self.text, self.secure = text, match[1] == "tls"
        self.host, self.port = match[2].strip("[]"), int(match[3])

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def library() -> Any:
    """The package zenoh. Raises MissingExtra."""
    try:
        import zenoh
    except ImportError as error:
        raise MissingExtra(
            "several hosts need zenoh, which is not installed", hint="pip install 'skylane[hosts]'"
        ) from error
    return zenoh


def check(settings: SessionSettings) -> Endpoint:
    """The one endpoint of a session. Raises InvalidEndpoint for every mistake that shows without a network."""
    if bool(settings.listen) == bool(settings.connect):
        raise InvalidEndpoint("a host either listens or connects", hint="give one endpoint")
    endpoint = Endpoint(settings.listen or settings.connect)
    if endpoint.secure:
        if settings.tls is None:
            raise InvalidEndpoint(
                "tls needs a certificate, its key and the authority's certificate",
                where=endpoint.text,
                hint="--cert, --key and --ca, or tls: {certificate, key, authority} in the launch file",
            )
        _context(settings.tls, server=bool(settings.listen))
    elif not endpoint.loopback and not settings.insecure:
        raise InvalidEndpoint(
            "plain tcp on an address that others can reach lets anybody there drive",
            where=endpoint.text,
            hint="use tls/…, or --insecure on a network that is yours alone",
        )
    return endpoint


class Sessions(NamedTuple):
    """A host's ways to the others: what is urgent must not wait in the buffers of a connection behind what is large."""

    urgent: Any
    bulk: Any

    def close(self) -> None:
        """Let go of the network."""
        for session in dict.fromkeys(self):
            session.close()


def open_sessions(settings: SessionSettings) -> Sessions:
    """A connection for what is urgent and one for what is large. Raises as ``open_session``."""
    urgent = open_session(settings)
    if settings.listen:
        return Sessions(urgent, urgent)  # the others connect twice
    try:
        return Sessions(urgent, open_session(settings))
    except BaseException:
        urgent.close()
        raise


def open_session(settings: SessionSettings) -> Any:
    """An open ``zenoh.Session``: a router where it listens, a client where it connects; close it.

    Raises InvalidEndpoint, CannotListen or HostUnreachable; the latter says why: nobody there, no trust, no answer.
    """
    endpoint = check(settings)
    zenoh = library()
    until = time.monotonic() + settings.connect_s
    while True:
        # In short attempts: Ctrl-C is heard between them, and certificates that do not fit end it at once.
        left_s = max(0.1, min(ATTEMPT_S, until - time.monotonic()))
        try:
            return zenoh.open(_config(zenoh, settings, left_s))
        except zenoh.ZError as error:
            if settings.listen:
                raise _not_listening(endpoint, str(error)) from error
            refused = _unreachable(endpoint, settings)
            if isinstance(refused, HostRefused) or time.monotonic() >= until:
                raise refused from error


def _config(zenoh: Any, settings: SessionSettings, connect_s: float) -> Any:
    listening = bool(settings.listen)
    values: dict[str, Any] = {
        "mode": "router" if listening else "client",
        "listen/endpoints": [settings.listen] if listening else [],
        "connect/endpoints": [] if listening else [settings.connect],
        "connect/timeout_ms": int(connect_s * 1000),
        "connect/exit_on_failure": True,
        "connect/retry": {"period_init_ms": 200, "period_max_ms": 1000, "period_increase_factor": 2},
        "listen/timeout_ms": 0,
        "listen/exit_on_failure": True,
        "scouting/multicast/enabled": settings.scouting,
        "scouting/gossip/enabled": settings.scouting,
        "adminspace/enabled": False,
        "transport/shared_memory/enabled": False,
        "transport/link/tx/lease": settings.silence_ms,
        "transport/link/tx/keep_alive": 4,
        "transport/link/rx/max_message_size": settings.message_bytes_max,
        "transport/link/tcp/so_sndbuf": settings.send_buffer_bytes,
        "transport/link/tls/so_sndbuf": settings.send_buffer_bytes,
    }
    if settings.tls is not None:
        side = "listen" if listening else "connect"
        values |= {
            "transport/link/tls/enable_mtls": True,
            "transport/link/tls/verify_name_on_connect": True,
            "transport/link/tls/close_link_on_expiration": True,
            "transport/link/tls/root_ca_certificate": str(settings.tls.authority),
            f"transport/link/tls/{side}_certificate": str(settings.tls.certificate),
            f"transport/link/tls/{side}_private_key": str(settings.tls.key),
        }
    if listening and settings.tls is not None and settings.names:
        values["access_control"] = _access(settings.names)
    config = zenoh.Config()
    for key, value in values.items():
        config.insert_json5(key, json.dumps(value))
    return config


def _access(names: tuple[str, ...]) -> dict[str, Any]:
    """Each host speaks in its own name only; whoever has another certificate of the authority is not heard."""
    common = ["skylane/clock", "skylane/launcher/**", "skylane/run/**"]
    return {
        "enabled": True,
        "default_permission": "deny",
        "rules": [
            {
                "id": name,
                "permission": "allow",
                "messages": list(_MESSAGES),
                "flows": ["ingress", "egress"],
                "key_exprs": [f"skylane/hosts/{name}/**", *common],
            }
            for name in names
        ],
        "subjects": [{"id": name, "cert_common_names": [name]} for name in names],
        "policies": [{"rules": [name], "subjects": [name]} for name in names],
    }


_MESSAGES = (
    "put",
    "delete",
    "declare_subscriber",
    "query",
    "reply",
    "declare_queryable",
    "liveliness_token",
    "liveliness_query",
    "declare_liveliness_subscriber",
)


def _not_listening(endpoint: Endpoint, text: str) -> SkylaneError:
    if "Address already in use" in text:
        return CannotListen(
            "the address is in use", where=endpoint.text, hint="end what listens there or take another port"
        )
    if "Cannot assign requested address" in text:
        return CannotListen("this machine has no such address", where=endpoint.text)
    return CannotListen(f"cannot listen: {text.partition(' at /')[0]}", where=endpoint.text)


def _unreachable(endpoint: Endpoint, settings: SessionSettings) -> HostUnreachable:
    """What a plain connection to ``endpoint`` says: the session itself only says that time is up."""
    waited = f"no connection within {settings.connect_s:g} s"
    hint = "is `skylane run` waiting there, and is the port open?"
    try:
        with socket.create_connection((endpoint.host, endpoint.port), PROBE_S) as plain:
            if settings.tls is None or not endpoint.secure:
                what, hint = f"{waited}: what listens there does not answer", "it may want tls/…"
            else:
                with _context(settings.tls, server=False).wrap_socket(plain, server_hostname=endpoint.host) as secure:
                    # In TLS 1.3 the other side's refusal comes with the first bytes only.
                    secure.recv(1)
                what = waited
    except ssl.SSLError as error:
        reason = (getattr(error, "verify_message", "") or error.reason or str(error)).lower().replace("_", " ")
        hint = "both sides need certificates of the same authority"
        return HostRefused(f"the certificates do not fit: {reason}", where=endpoint.text, hint=hint)
    except OSError as error:
        what = f"{waited}: {(error.strerror or str(error)).lower()}"
    return HostUnreachable(what, where=endpoint.text, hint=hint)


def _context(tls: Tls, *, server: bool) -> ssl.SSLContext:
    """The files, loaded. Raises InvalidEndpoint that names the file that is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    for path in (tls.certificate, tls.key, tls.authority):
        try:
            path.read_bytes()
        except OSError as error:
            raise InvalidEndpoint(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    try:
        context.load_verify_locations(tls.authority)
    except ssl.SSLError as error:
        raise InvalidEndpoint("is no certificate of an authority (PEM)", where=str(tls.authority)) from error
    try:
        context.load_cert_chain(tls.certificate, tls.key, password=lambda: "")
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).lower().replace("_", " ")
        raise InvalidEndpoint(
            f"certificate and key do not fit together: {reason}", where=f"{tls.certificate}, {tls.key}"
        ) from error
    return context
