"""The transport benchmarks treat everybody alike, say who is missing and judge by their own figures.

How fast anything is is not asked here.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import VirtualClock, cli, ms, run, seconds
from pipeline.errors import MissingExtra
from pipeline.measuring import claims, environments, hop, ipc, pipeline_bench, pipeline_graph
from pipeline.measuring.environments import Peer, PeerUnavailable
from pipeline.measuring.sampling import Hop, Measured, figures

TINY = Hop(1_000, hz=200.0, count=4, warm_up=2)


def measured(*delays_ms: float) -> Measured:
    return Measured(delays=[[(n, round(d * 1e6)) for n, d in enumerate(delays_ms)]], cpu_ns=3_000_000)


# -- figures -----------------------------------------------------------------------------------------------------------


def test_a_fanned_out_message_has_arrived_when_its_last_reader_has_it() -> None:
    two = Measured(delays=[[(0, 1_000_000), (1, 5_000_000)], [(1, 2_000_000), (0, 3_000_000)]], cpu_ns=0)
    assert two.last_reader_ms() == [3.0, 5.0]


def test_a_message_that_one_reader_did_not_get_is_lost_and_has_no_delay() -> None:
    two = Measured(delays=[[(0, 1_000_000), (1, 2_000_000)], [(1, 4_000_000)]], cpu_ns=0)
    told = figures(Hop(10, readers=2, count=2), [two])
    assert (told["messages"], told["lost"], told["p50_ms"]) == (1, 1, 4.0)


def test_throughput_is_that_of_the_slowest_reader() -> None:
    three = [(0, 1), (1, 1), (2, 1)]
    each = Measured(delays=[three, three], cpu_ns=6_000_000, arrivals=[(0, 1_000_000_000), (0, 2_000_000_000)])
    told = figures(Hop(10, readers=2, hz=0.0, count=3), [each])
    assert told["per_s"] == 1.0
    assert told["cpu_ms"] == 2.0


def test_a_ratio_is_the_median_over_rounds_not_of_what_was_pooled() -> None:
    results = {
        ("erdos", "6mb"): [measured(10.0), measured(100.0), measured(12.0)],
        ("loan", "6mb"): [measured(1.0), measured(2.0), measured(4.0)],
    }
    assert ipc.ratio(results, "erdos", "loan", "6mb") == 10.0
    assert ipc.ratio(results, "dora", "loan", "6mb") is None


def test_a_round_in_which_somebody_lost_messages_gives_no_ratio() -> None:
    results = {
        ("dora", "1kb"): [measured(1.0), measured(8.0, 8.0)],
        ("loan", "1kb"): [measured(1.0, 1.0), measured(2.0, 2.0)],
    }
    assert ipc.ratio(results, "dora", "loan", "1kb") == 4.0
    assert ipc.ratio({name: rounds[:1] for name, rounds in results.items()}, "dora", "loan", "1kb") is None


def test_a_report_has_only_the_ratios_of_those_who_took_part_and_judges_them() -> None:
    hops = {"6mb": Hop(hop.FRAME_BYTES, count=1)}
    results = {("erdos", "6mb"): [measured(200.0)], ("loan", "6mb"): [measured(1.0)], ("copy", "6mb"): [measured(20.0)]}
    told = ipc.report(results, hops, {("dora", "6mb"): "gone"})
    assert told["targets"]["ratio_erdos_6mb_loan"].startswith("met: 200")
    assert told["targets"]["ratio_erdos_6mb_copy"].startswith("missed: 10")
    assert "ratio_dora_6mb_loan" not in told
    assert told["dora"]["6mb"] == {"failed": "gone"}


def test_contenders_take_turns_and_one_that_failed_is_not_asked_again() -> None:
    asked: list[str] = []

    def good(each: Hop) -> Measured:
        asked.append("good")
        return measured(1.0)

    def bad(each: Hop) -> Measured:
        asked.append("bad")
        raise PeerUnavailable("it is not there")

    results, failed = ipc.measure_all({"good": good, "bad": bad, "same": good}, {"1kb": TINY}, 2)
    assert asked == ["good", "bad", "good", "good", "good"]
    assert {name: len(each) for name, each in results.items()} == {("good", "1kb"): 2, ("same", "1kb"): 2}
    assert failed == {("bad", "1kb"): "it is not there"}


def test_a_mistake_of_the_user_ends_the_benchmark_and_is_no_row() -> None:
    def unusable(each: Hop) -> Measured:
        raise MissingExtra("something is not installed")

    with pytest.raises(MissingExtra):
        ipc.measure_all({"loan": unusable}, {"1kb": TINY}, 1)


def test_without_shared_memory_the_user_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hop.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"skylane\[live\]"):
        hop.measure(TINY, "loan")


# -- ours --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["loan", "copy"])
def test_every_counted_message_arrives_whole_under_an_armed_deadline(form: str) -> None:
    told = hop.measure(Hop(1_000, readers=2, hz=200.0, count=4, warm_up=2), form, processes=False)
    assert [[number for number, _ in delays] for delays in told.delays] == [[2, 3, 4, 5]] * 2
    assert all(delay > 0 for delays in told.delays for _, delay in delays)
    assert told.spoilt == told.missed == 0
    graph = hop.graph(size=8, form=form, readers=2, count=1, warm_up=0, hz=10.0, folder="")
    assert {spec.operator for spec in graph.deadlines} == {"reader0", "reader1"}


def test_as_fast_as_it_goes_loses_nothing() -> None:
    told = hop.measure(Hop(1_000, hz=0.0, count=30, warm_up=3), "copy", processes=False)
    assert told.last_reader_ms() and told.lost(Hop(1_000, count=30)) == 0


@pytest.mark.real
@pytest.mark.parametrize("form", ["loan", "copy"])
def test_the_hop_between_processes_measures_what_the_hop_in_one_does(form: str) -> None:
    pytest.importorskip("iceoryx2")
    told = hop.measure(TINY, form)
    assert [number for number, _ in told.delays[0]] == [2, 3, 4, 5]
    assert told.cpu_ns > 0
    assert told.spoilt == told.missed == 0


def test_a_copy_of_the_car_s_pipeline_has_the_paper_s_graph_and_sizes(tmp_path: Path) -> None:
    graph = pipeline_graph.car(copies=2, hz=100.0, count=2, warm_up=1, folder=str(tmp_path))
    assert len(graph.operators) == 2 * pipeline_graph.OPERATORS_A_COPY
    assert sum(isinstance(each, pipeline_graph.Join) for each in graph.operators.values()) == 2 * 8
    result = run(graph, clock=VirtualClock(), until=seconds(1))
    for name, size in (("camera_1_0", 921_600), ("lidar_1", 600_000), ("planning_0", 13_099), ("control_1", 140)):
        sent = result[graph.operators[name].outputs()[0]]
        assert [len(value.data) for _, value in sent] == [size] * 3
    for copy in range(2):
        delays = json.loads((tmp_path / f"sample_{copy}.json").read_text())
        assert [number for number, _ in delays] == [1, 2]


def test_copies_tick_at_once_or_spread_over_the_period(tmp_path: Path) -> None:
    for apart, expected in ((False, [0, 0, 10, 10]), (True, [0, 5, 10, 15])):
        graph = pipeline_graph.car(copies=2, hz=100.0, count=1, warm_up=1, folder=str(tmp_path), apart=apart)
        result = run(graph, clock=VirtualClock(), until=seconds(1))
        ticks = [t for copy in range(2) for t, _ in result[graph.operators[f"source_{copy}"].outputs()[0]]]
        assert sorted(t // ms(1) for t in ticks) == expected


@pytest.mark.parametrize("apart", [False, True])
def test_copies_are_measured_in_one_process(apart: bool) -> None:
    two = Hop(8, readers=2, hz=100.0, count=2, warm_up=1)
    told = pipeline_bench.measure(two, processes=False, apart=apart)
    assert [[number for number, _ in delays] for delays in told.delays] == [[1, 2], [1, 2]]


# -- peers -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    yield tmp_path / "skylane" / "peers"


def test_an_environment_is_made_once_and_anew_when_it_should_hold_something_else(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, ...]] = []
    monkeypatch.setattr(environments, "_install", lambda peer, python, home: made.append(peer.packages))
    said: list[str] = []
    for packages in (("a==1",), ("a==1",), ("a==2",)):
        python = environments.interpreter(Peer("toy", "toy.py", packages), said.append)
        assert python == cache / "toy" / "bin" / "python"
    assert made == [("a==1",), ("a==2",)]
    assert [str(cache / "toy") in line for line in said] == [True, True]


def test_a_peer_without_packages_runs_in_our_environment_and_makes_none(cache: Path) -> None:
    environments.interpreter(environments.ICEORYX2)
    assert not cache.exists()


def test_a_peer_whose_python_is_missing_says_which_and_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    with pytest.raises(PeerUnavailable, match=r"no CPython 3\.1 on this machine \(install one so that python3\.1"):
        environments.find_python(Peer("old", "old.py", ("old",), ("3.1",)))


def test_a_name_on_the_path_that_runs_nothing_is_no_interpreter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stub = tmp_path / "python3.1"
    stub.write_text("#!/bin/sh\nexit 127\n")
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    with pytest.raises(PeerUnavailable):
        environments.find_python(Peer("old", "old.py", ("old",), ("3.1",)))


def test_a_peer_that_cannot_be_installed_is_left_out_with_the_reason_and_tried_again_next_time(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "noise\nERROR: No matching distribution found\nmore noise")

    monkeypatch.setattr(environments, "ZENOH", Peer("zenoh", "zenoh_peer.py", ("zenoh-that-is-not",)))
    monkeypatch.setattr(environments, "ERDOS", Peer("erdos", "erdos_peer.py"))
    monkeypatch.setattr(environments, "DORA", Peer("dora", "dora_peer.py"))
    monkeypatch.setattr(environments.subprocess, "run", refuse)
    contenders, missing = ipc.contend(peers=True)
    assert set(missing) == {"zenoh"}
    assert "No matching distribution found" in missing["zenoh"]
    assert {"loan", "copy", "erdos", "dora", "raw_iceoryx2"} <= set(contenders)
    assert not (cache / "zenoh" / environments.READY).exists()


def test_a_program_gets_the_hop_and_gives_its_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import json, sys\nhop = json.loads(sys.argv[1])\n"
    told = "{'delays': [[[hop['size'], 7]]], 'cpu_ns': hop['count'], 'version': hop['wake_up']}"
    (tmp_path / "toy.py").write_text(f"{program}print('noise')\nprint(json.dumps({told}))\n")
    monkeypatch.setattr(environments, "PROGRAMS", tmp_path)
    peer = Peer("toy", "toy.py", options={"wake_up": "event"})
    got = environments.measure(peer, environments.interpreter(peer), TINY)
    assert (got.delays, got.cpu_ns, got.version) == ([[(1_000, 7)]], 4, "event")


def test_a_program_that_fails_is_named_with_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toy.py").write_text("raise SystemExit('boom')\n")
    monkeypatch.setattr(environments, "PROGRAMS", tmp_path)
    peer = Peer("toy", "toy.py")
    with pytest.raises(PeerUnavailable, match="toy: its program failed: boom"):
        environments.measure(peer, environments.interpreter(peer), TINY)


@pytest.mark.real
@pytest.mark.parametrize("peer", [environments.PICKLE, environments.ICEORYX2, environments.ICEORYX2_EVENTS])
@pytest.mark.parametrize("readers", [1, 2])
def test_the_peers_that_need_no_environment_deliver_every_message(peer: Peer, readers: int) -> None:
    pytest.importorskip("iceoryx2")
    each = Hop(50_000, readers=readers, hz=200.0, count=4, warm_up=2)
    told = environments.measure(peer, environments.interpreter(peer), each)
    assert [[number for number, _ in delays] for delays in told.delays] == [[2, 3, 4, 5]] * readers
    assert told.spoilt == 0


# -- the paper's rows --------------------------------------------------------------------------------------------------


def test_the_paper_s_rows_are_judged_by_what_was_measured() -> None:
    found = {
        "inside_10kb": 0.05,
        "inside_10mb": 0.06,
        "between_1mb": 0.5,
        "between_10mb": 6.0,
        "pickle_between_1mb": 0.9,
        "fan_1": 1.0,
        "fan_5": 1.6,
    }
    rows = {row["row"]: row["beaten"] for row in claims.runtime_claims(found, 1.5, 1.3)}
    assert rows == {"R1": True, "R2": False, "R3": False, "R4": True, "R5": False, "R5 (apart)": True}


def test_a_row_that_was_not_measured_is_neither_beaten_nor_missed() -> None:
    assert [row["beaten"] for row in claims.runtime_claims({}, None)] == [None] * 6


# -- the command -------------------------------------------------------------------------------------------------------


def test_a_flag_that_a_benchmark_does_not_have_is_refused_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main(["bench", "race", "--quick", "--peers"])
    assert done.value.code == 2
    told = capsys.readouterr().err
    assert "--peers" in told
    assert "'peers'" in told
