"""A virtual run is a function of its graph, its latencies and its seed: same hash in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pipeline import Graph, LatencyModel, VirtualClock, ms, run, seconds
from pipeline.latency import Distribution
from tests.oracle.blocks import Budgets, Handled, Pairs, Planned, Ticks

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]


def drive(seed: int = 7) -> tuple[str, str]:
    """A graph with everything in it: a join, candidates, dynamic and end-to-end deadlines, random latencies."""
    graph = Graph("everything")
    source, left, right, pairs = Ticks(40, ms(50)), Handled({}), Handled({}), Pairs()
    for name, operator in (("source", source), ("left", left), ("right", right), ("pairs", pairs)):
        graph.add(operator, name)
    graph.connect(source.out, left.inp)
    graph.connect(source.out, right.inp)
    graph.connect(left.out, pairs.left)
    graph.connect(right.out, pairs.right)
    policy = Budgets([ms(30), ms(60), ms(20), ms(45)], ms(500))
    graph.add(policy, "policy")
    graph.deadline(left.out, within=policy.out, static=ms(40), name="dynamic")
    graph.deadline(pairs.out, within=ms(110), since=source.out, name="e2e")
    graph.candidate(right, Planned({}), name="cloud", rank=5, within=ms(45), remote=True)
    slow = Distribution(ms(25), ms(90))
    names = ("left", "right", "right.cloud", "pairs")
    latency = LatencyModel(seed, {name: {"": slow} for name in names})
    result = run(graph, clock=VirtualClock(seed, latency), until=seconds(3))
    assert result.misses
    return result.hash, result.output_hash


def test_two_runs_have_one_hash() -> None:
    assert drive() == drive()


def test_another_seed_has_another() -> None:
    assert drive(7) != drive(8)


def test_the_hash_does_not_depend_on_the_process_or_its_hash_seed() -> None:
    program = (
        "import importlib.util as u; s = u.spec_from_file_location('m', "
        f"{str(HERE)!r}); m = u.module_from_spec(s); s.loader.exec_module(m); print(*m.drive())"
    )
    found = set()
    for seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        found.add(tuple(done.stdout.split()))
    assert found == {drive()}


def test_listening_changes_nothing() -> None:
    class Deaf:
        def on_event(self, event: object) -> None:
            pass

    graph, twin = (Graph("g") for _ in range(2))
    hashes = []
    for each, observers in ((graph, []), (twin, [Deaf(), Deaf()])):
        source, a = Ticks(5), Handled({1: [("wait", ms(80))]})
        each.add(source, "source")
        each.add(a, "a")
        each.connect(source.out, a.inp)
        each.deadline(a.out, within=ms(30))
        hashes.append(run(each, clock=VirtualClock(1), observers=observers).hash)
    assert hashes[0] == hashes[1]
