"""Environments for the peers: made on demand with pip, kept in the user's cache folder.

A peer that cannot be had says why. Decides nothing about what is measured.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from pipeline.errors import SkylaneError
from pipeline.measuring.sampling import Hop, Measured

PROGRAMS = Path(__file__).resolve().parent / "peers"
READY = "skylane-ready.json"
INSTALL_S = 900.0
Tell = Callable[[str], None]


class PeerUnavailable(SkylaneError):
    """A peer that is not on this machine and cannot be installed, or whose program fails."""


class Peer(msgspec.Struct, frozen=True):
    """Middleware that does the same hop."""

    name: str
    program: str
    """File in ``peers/``."""
    packages: tuple[str, ...] = ()
    """What its environment needs; nothing: it runs in ours."""
    pythons: tuple[str, ...] = ()
    """Versions of CPython that it works with, the best first; nothing: ours."""
    options: dict[str, Any] = {}
    """Further arguments of its program."""


ERDOS = Peer("erdos", "erdos_peer.py", ("erdos==0.4.0", "numpy"), ("3.10", "3.9", "3.8"))
DORA = Peer("dora", "dora_peer.py", ("dora-rs>=1.1", "dora-rs-cli>=1.1", "numpy", "pyarrow"))
ZENOH = Peer("zenoh", "zenoh_peer.py", ("eclipse-zenoh>=1.10",))
ICEORYX2 = Peer("raw_iceoryx2", "iceoryx2_peer.py", options={"wake_up": "eventfd"})
ICEORYX2_EVENTS = Peer("raw_iceoryx2_events", "iceoryx2_peer.py", options={"wake_up": "event"})
PICKLE = Peer("pickle_tcp", "pickle_peer.py")


def folder() -> Path:
    """Where the environments are; removing it makes them anew."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skylane" / "peers"


def interpreter(peer: Peer, tell: Tell = lambda line: None) -> Path:
    """The Python that runs a peer, in an environment that is made now if need be. Raises PeerUnavailable."""
    if not peer.packages:
        return Path(sys.executable)
    python = find_python(peer)
    home = folder() / peer.name
    home.mkdir(parents=True, exist_ok=True)
    with (home.parent / f"{peer.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two benchmarks at once make one environment
        wanted = {"python": str(python), "packages": list(peer.packages)}
        if _read(home / READY) != wanted:
            tell(f"{peer.name}: installing {', '.join(peer.packages)} into {home}, once")
            _install(peer, python, home)
            (home / READY).write_text(json.dumps(wanted), encoding="utf-8")
    return home / "bin" / "python"


def find_python(peer: Peer) -> Path:
    """An interpreter that the peer works with: ours, one on the PATH or one of pyenv's. Raises PeerUnavailable."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not peer.pythons or here in peer.pythons:
        return Path(sys.executable)
    for version in peer.pythons:
        for path in _pythons(version):
            if _version_of(path) == version:
                return path
    raise PeerUnavailable(
        f"no CPython {' or '.join(peer.pythons)} on this machine",
        where=peer.name,
        hint=f"install one so that python{peer.pythons[0]} is on the PATH, for example with pyenv or uv",
    )


def _pythons(version: str) -> Iterator[Path]:
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    yield from sorted(pyenv.glob(f"{version}.*/bin/python{version}"), reverse=True)


def _version_of(python: Path) -> str:
    """``major.minor``, empty if it does not run: pyenv leaves names on the PATH that lead nowhere."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        return subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=30).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _install(peer: Peer, python: Path, home: Path) -> None:
    steps = (
        [str(python), "-m", "venv", "--clear", str(home)],
        [str(home / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "-q", *peer.packages],
    )
    for step in steps:
        try:
            done = subprocess.run(step, capture_output=True, text=True, timeout=INSTALL_S, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PeerUnavailable(f"cannot be installed: {error}", where=peer.name) from error
        if done.returncode:
            said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
            errors = [line for line in said if line.startswith("ERROR")] or said[-1:] or ["it said nothing"]
            raise PeerUnavailable(f"cannot be installed: {errors[0].removeprefix('ERROR: ')}", where=peer.name)


def measure(peer: Peer, python: Path, hop: Hop, **options: Any) -> Measured:
    """Run a peer's program once. Raises PeerUnavailable with what it said when it fails."""
    argument = {**msgspec.to_builtins(hop), "limit_s": hop.limit_s, **peer.options, **options}
    process = subprocess.Popen(
        [str(python), str(PROGRAMS / peer.program), json.dumps(argument)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, complained = process.communicate(timeout=hop.limit_s + 60)
    except subprocess.TimeoutExpired:
        raise PeerUnavailable(f"did not end within {hop.limit_s + 60:.0f} s", where=peer.name) from None
    finally:
        # Its own processes as well, whatever became of it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    try:
        return msgspec.json.decode(said.strip().splitlines()[-1], type=Measured)
    except (IndexError, msgspec.MsgspecError):
        lines = [line.strip() for line in complained.splitlines() if line.strip()] or [f"code {process.returncode}"]
        why = next((line for line in reversed(lines) if "error" in line.lower()), lines[-1])
        raise PeerUnavailable(f"its program failed: {why[:300]}", where=peer.name) from None
