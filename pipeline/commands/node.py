"""``skylane node``: this machine joins a run that another one has started, and says what it does."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from pipeline.errors import UsageError

CONNECT_S = 60.0
PATIENCE_S = 10.0


def join(
    name: str,
    connect: str,
    *,
    certificate: Path | None = None,
    key: Path | None = None,
    authority: Path | None = None,
    insecure: bool = False,
    stay: bool = False,
    connect_s: float = CONNECT_S,
    patience_s: float = PATIENCE_S,
    quiet: bool = False,
) -> None:
    """Take part in runs as the host ``name`` until the launcher says that no other follows.

    Raises UsageError for what is wrong with the options or files, HostUnreachable, HostFailed, or what ended an
    operator here.
    """
    from rich.console import Console

    from pipeline.engines.hosts.node import Node
    from pipeline.engines.hosts.session import SessionSettings, Tls, check
    from pipeline.running import limit_threads

    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise UsageError(f"{name!r} cannot name a host", hint="use letters, digits and . _ -")
    files = {"--cert": certificate, "--key": key, "--ca": authority}
    missing = [option for option, path in files.items() if path is None]
    if 0 < len(missing) < len(files):
        raise UsageError(f"{', '.join(missing)} is missing", hint="--cert, --key and --ca go together")
    tls = Tls(certificate, key, authority) if certificate and key and authority else None
    settings = SessionSettings(connect=connect, tls=tls, insecure=insecure, connect_s=connect_s)
    check(settings)
    limit_threads()
    console = Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())
    began = time.monotonic()

    def tell(line: str) -> None:
        if not quiet:
            console.print(f"[dim]{time.monotonic() - began:8.2f} s[/]  [bold]{name}[/]  ", end="")
            console.print(line, markup=False)

    Node(name, settings, tell, stay=stay, patience_s=patience_s).serve()
