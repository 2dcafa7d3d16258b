"""Engine ``erdos``: says what engine ``threads`` says, and leaves nothing behind.

Needs CPython 3.10, which it looks for; the environment is made once, in ``.venv/erdos310``.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import Context, Graph, Input, LatencyModel, Operator, Output, Source, block
from pipeline.engines.erdos.engine import ErdosEngine
from pipeline.engines.erdos.gathering import Gatherer, InOrder
from pipeline.engines.erdos.link import Batch
from pipeline.engines.erdos.plan import Throttle, fits, plan
from pipeline.errors import MissingExtra
from pipeline.events import Event, Sealed
from pipeline.recipe import Recipe

ROOT = Path(__file__).resolve().parent.parent.parent
TOYS = ROOT / "tests" / "pipeline" / "erdos_toys.py"
FOLDER = ROOT / ".venv" / "erdos310"
EXTRAS = "erdos,world,live,hosts,health"
MARK = "SKYLANE_TEST_MARK"
PATIENCE_S = 20.0

LAUNCH = """\
name: toy
duration: 10s
engine: threads
world: {use: "toys:Room", seats: 2}
operators:
  count: {use: toys:Counter, args: {upto: 20}, period: 20ms}
  scale: {use: toys:Scale, args: {factor: 3}, inputs: {value: count.count}, queue: {value: keep_last(64)}}
  split: {use: toys:Split, inputs: {value: scale.scaled}, queue: {value: keep_last(64)}}
  table: {use: toys:Table, inputs: {value: split.high}, queue: {value: keep_last(64)}}
"""

IMPORTS = """
import importlib, pkgutil, sys
failed = {}
for name in ("pipeline", "operators", "cloud", "scenarios"):
    package = importlib.import_module(name)
    for found in pkgutil.walk_packages(package.__path__, name + ".", onerror=lambda name: None):
        try:
            importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            failed[found.name] = error.name
        except Exception as error:
            failed[found.name] = repr(error)
print({name: what for name, what in failed.items() if what not in LEFT_OUT})
"""
LEFT_OUT = {
    "torch",
    "safetensors",
    "hypothesis",
    "grpc",
    "google",
    "google.protobuf",
    "carla",
    "ray",
    "rerun",
    "foxglove",
}
"""Of the extras that this environment does without."""

real = [pytest.mark.real, pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(900)]


# -- the environment -------------------------------------------------------------------------------------------------


def python310() -> Path | None:
    """CPython 3.10, from the path or from pyenv."""
    candidates = [shutil.which("python3.10") or ""]
    for root in (os.environ.get("PYENV_ROOT", ""), str(Path.home() / ".pyenv")):
        candidates += sorted(map(str, Path(root or "/nowhere").glob("versions/3.10.*/bin/python3.10")), reverse=True)
    for candidate in filter(None, candidates):
        asked = subprocess.run([candidate, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True)
        if asked.stdout.strip() == b"(3, 10)":
            return Path(candidate)
    return None


@pytest.fixture(scope="session")
def environment() -> Path:
    """The interpreter of an environment with this project and ERDOS, and without torch."""
    base = python310()
    if base is None:
        pytest.skip("there is no CPython 3.10: ERDOS 0.4 exists for no later one")
    FOLDER.mkdir(parents=True, exist_ok=True)
    python, ready = FOLDER / "bin" / "python", FOLDER / ".ready"
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + f"{base} {ROOT}".encode()).hexdigest()
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists() or ready.read_text() != wanted:
            made = _made(base, python)
            if made.returncode:
                pytest.skip(f"{FOLDER} cannot be made: {made.stderr.strip()[-500:]}")
            ready.write_text(wanted)
    return python


def _made(base: Path, python: Path) -> subprocess.CompletedProcess[str]:
    subprocess.run([base, "-m", "venv", "--clear", "--upgrade-deps", FOLDER], check=True, capture_output=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-e", f"{ROOT}[{EXTRAS}]"]
    install += ["hypothesis", "pytest", "pytest-randomly", "pytest-timeout", "pytest-xdist"]
    return subprocess.run(install, capture_output=True, text=True)


class Ran:
    """A program that was run there, and what it left behind."""

    def __init__(self, command: Sequence[object], patience_s: float = 120.0) -> None:
        self._mark = uuid.uuid4().hex
        self.ended = subprocess.run(
            [str(part) for part in command],
            cwd=ROOT / "tests" / "pipeline",
            env={**os.environ, MARK: self._mark, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=patience_s,
        )

    def left(self) -> list[str]:
        """The commands of its processes that are still there."""
        needle, found = f"{MARK}={self._mark}".encode(), []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if needle in (process / "environ").read_bytes():
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found

    @property
    def told(self) -> dict[str, Any]:
        """What it printed."""
        assert self.ended.returncode == 0, self.ended.stderr
        told: dict[str, Any] = json.loads(self.ended.stdout.splitlines()[-1])
        return told


def played(python: Path, engine: str, end: int = 0, launch: str = "", **args: Any) -> Ran:
    return Ran([python, TOYS, engine, json.dumps(args), launch, end])


# -- the same as the other engines -----------------------------------------------------------------------------------


class TestTheSameAsThreads:
    pytestmark = real

    def test_every_stream_says_the_same_at_every_timestamp(self, environment: Path) -> None:
        threads, erdos = played(environment, "threads"), played(environment, "erdos")
        assert erdos.told["said"] == threads.told["said"]
        assert erdos.told["missed"] == threads.told["missed"]
        assert len(erdos.told["said"]) == 11
        assert len(erdos.told["said"]["camera.frame"]) == 6
        assert len(erdos.told["missed"]) == 3
        assert erdos.told["in_order"]
        assert not erdos.left()

    def test_large_messages_arrive_whole(self, environment: Path) -> None:
        threads, erdos = (played(environment, engine, frames=4, width=500_000) for engine in ("threads", "erdos"))
        for stream in ("camera.frame", "gather.line", "add.total"):  # under no deadline
            assert erdos.told["said"][stream] == threads.told["said"][stream]

    def test_a_launch_file_says_the_same_and_its_world_is_in_one_process(
        self, environment: Path, tmp_path: Path
    ) -> None:
        launch = tmp_path / "toy.yaml"
        launch.write_text(LAUNCH)
        threads, erdos = (played(environment, engine, launch=str(launch)) for engine in ("threads", "erdos"))
        assert erdos.told["said"] == threads.told["said"]
        assert len(erdos.told["said"]["split.high"]) == 20
        assert erdos.told["outcome"] == threads.told["outcome"] == {"heard": 20}
        assert not erdos.left()


class TestTheEnd:
    pytestmark = real

    def test_an_operators_exception_reaches_the_caller_with_its_traceback(self, environment: Path) -> None:
        ran = played(environment, "erdos", frames=1_000_000, how="raise")
        assert "OperatorFailed: break" in ran.told["problem"]
        assert "ZeroDivisionError: on purpose" in ran.told["problem"]
        assert "erdos_toys.py" in ran.told["problem"]
        assert not ran.left()

    def test_a_process_that_dies_ends_the_run(self, environment: Path) -> None:
        ran = played(environment, "erdos", frames=1_000_000, how="die")
        assert "OperatorFailed: break: its process ended with SIGKILL" in ran.told["problem"]
        assert not ran.left()

    @pytest.mark.parametrize("how", ["", "spin"])
    def test_ctrl_c_ends_the_run_with_what_was_said_so_far(self, environment: Path, how: str) -> None:
        ran = played(environment, "erdos", end=signal.SIGINT, frames=1_000_000, how=how)
        assert not ran.told["problem"]
        assert 4 <= len(ran.told["said"]["camera.frame"]) < 1000
        assert not ran.left()

    def test_the_nodes_end_with_a_launcher_that_was_killed(self, environment: Path) -> None:
        ran = played(environment, "erdos", end=signal.SIGKILL, frames=1_000_000)
        assert ran.ended.returncode == -signal.SIGKILL
        limit = time.monotonic() + PATIENCE_S
        while ran.left() and time.monotonic() < limit:
            threading.Event().wait(0.05)
        assert not ran.left()


class TestTheEnvironment:
    pytestmark = real

    @pytest.mark.timeout(600)
    def test_the_contract_holds_on_erdos(self, environment: Path) -> None:
        ran = Ran([environment, "-m", "pytest", "-q", "-k", "erdos", ROOT / "tests" / "contract"], patience_s=580.0)
        assert ran.ended.returncode == 0, ran.ended.stdout[-3000:]
        assert " passed" in ran.ended.stdout and "skipped" not in ran.ended.stdout

    def test_the_command_line_works_without_torch(self, environment: Path) -> None:
        ran = Ran([environment.parent / "skylane", "--help"])
        assert ran.ended.returncode == 0, ran.ended.stderr
        assert "run" in ran.ended.stdout

    def test_everything_but_the_models_can_be_imported(self, environment: Path) -> None:
        ran = Ran([environment, "-c", f"LEFT_OUT = {LEFT_OUT!r}\n{IMPORTS}"])
        assert ran.ended.stdout.splitlines()[-1:] == ["{}"], ran.ended.stdout + ran.ended.stderr

    def test_a_time_before_zero_is_refused(self, environment: Path) -> None:
        program = "from pipeline.engines.erdos.traffic import erdos_timestamp\nerdos_timestamp(-5, 'camera.frame')"
        ran = Ran([environment, "-c", program])
        assert "InvalidMessage: camera.frame: t=-5 cannot travel" in ran.ended.stderr.splitlines()[-1]


# -- what needs no ERDOS ---------------------------------------------------------------------------------------------


class Numbers(Source):
    number = Output(int)
    other = Output(int)

    def __init__(self, world: object | None = None) -> None:
        self.world = world


class Pass(Operator):
    number = Input(int)
    same = Output(int)

    def __init__(self, world: object | None = None) -> None:
        self.world = world


class Slow(Operator):
    number = Input(int, queue=block(2))
    same = Output(int)

    def on_watermark(self, ctx: Context) -> int:
        return ctx[self.number]


def chain(*operators: Any) -> Graph:
    graph = Graph("chain")
    for before, after in zip(operators, operators[1:], strict=False):
        graph.connect(before.number if isinstance(before, Numbers) else before.same, after.number)
    return graph


@pytest.mark.skipif(
    sys.version_info[:2] == (3, 10) and importlib.util.find_spec("erdos") is not None, reason="ERDOS can run here"
)
def test_where_erdos_cannot_run_it_says_what_to_install() -> None:
    graph = chain(Numbers(), Pass())
    with pytest.raises(MissingExtra) as caught:
        ErdosEngine(Recipe("nowhere:graph"), graph, LatencyModel(), [])
    assert "erdos" in caught.value.what
    assert "pip install 'skylane[erdos]'" in caught.value.hint


def test_every_operator_gets_its_own_node_but_those_of_one_world_share_one() -> None:
    world = object()
    made = plan(chain(Numbers(world), Pass(), Pass(world)))
    assert made.nodes == (("numbers", "pass_2"), ("pass",))
    assert [(s.name, s.writer, s.readers) for s in made.streams] == [
        ("numbers.number", 0, (1,)),
        ("pass.same", 1, (0,)),
    ]


def test_operators_named_together_share_a_node() -> None:
    made = plan(chain(Numbers(), Pass(), Pass()), together={"pass", "pass_2"})
    assert made.nodes == (("numbers",), ("pass", "pass_2"))
    assert [s.name for s in made.streams] == ["numbers.number"]


def test_a_blocking_queue_on_another_node_throttles_its_stream() -> None:
    (stream,) = plan(chain(Numbers(), Slow())).streams
    assert stream.throttles == (Throttle("slow", 1, 2),)


def test_a_graph_with_another_edge_is_not_the_planned_one() -> None:
    planned = plan(chain(Numbers(), Pass(), Pass()))
    assert fits(planned, chain(Numbers(), Pass(), Pass()))
    assert not fits(planned, chain(Numbers(), Pass()))


@given(st.permutations(range(12)))
def test_what_overtook_is_put_back_in_order(arrivals: list[int]) -> None:
    handed: list[str] = []
    order = InOrder(handed.append)
    for number in arrivals:
        order.take(number, f"message {number}")
    assert handed == [f"message {number}" for number in range(12)]


class Notes:
    def __init__(self) -> None:
        self.seen: list[int] = []

    def on_event(self, event: Event) -> None:
        self.seen.append(event.t)


def gathered(nodes: int) -> tuple[Gatherer, Notes, Callable[..., None]]:
    notes = Notes()
    gatherer = Gatherer(Graph("none"), nodes, [notes])

    def tell(node: int, progress: int, *events: tuple[int, int]) -> None:
        gatherer.add(node, Batch(progress, [Sealed(at, "x", t, "final", "") for at, t in events]))
        gatherer.release()

    return gatherer, notes, tell


def test_an_event_waits_until_every_node_has_told_what_happened_before_it() -> None:
    gatherer, notes, tell = gathered(2)
    tell(0, 100, (50, 1), (90, 3))
    assert notes.seen == []
    tell(1, 80, (60, 2))
    assert notes.seen == [1, 2]
    gatherer.ended(1)
    tell(0, 200)
    assert notes.seen == [1, 2, 3]


def test_a_nodes_own_order_stands_whatever_its_stamps_say() -> None:
    gatherer, notes, tell = gathered(1)
    tell(0, 0, (50, 1), (40, 2), (60, 3))
    gatherer.release(to_the_end=True)
    assert notes.seen == [1, 2, 3]
