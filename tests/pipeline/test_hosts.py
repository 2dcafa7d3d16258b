"""One graph over several hosts: the same answers, fallbacks while a host is gone, nobody gets in who must not."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

pytest.importorskip("zenoh")

from pipeline import WallClock, run
from pipeline.engines.hosts import session as sessions
from pipeline.engines.hosts.protocol import HostFailed
from pipeline.engines.hosts.session import HostUnreachable, SessionSettings
from pipeline.errors import OperatorFailed
from pipeline.events import Fault, Finished, Missed, Recovered, Sent
from pipeline.timestamps import ms, seconds
from tests.pipeline.host_runs import (
    COUNTING as TOY,
)
from tests.pipeline.host_runs import (
    CarProcess,
    CarRun,
    NodeProcess,
    TwoMachines,
    free_port,
    missing_for,
    missing_for_namespaces,
    until,
)
from tests.pipeline.host_toys import FALLBACK

FALLING = """\
name: falling
duration: 60s
engine: threads
operators:
  count: {use: "host_toys:Count"}
  double: {use: "host_toys:Double", inputs: {value: count.count}}
  decide: {use: "host_toys:Decide", inputs: {value: count.count, far: double.double}, deadline: 40ms}
"""

pytestmark = [pytest.mark.usefixtures("toys"), pytest.mark.alone]


@pytest.fixture
def endpoint() -> str:
    return f"tcp/127.0.0.1:{free_port()}"


@pytest.fixture
def nodes() -> Iterator[list[NodeProcess]]:
    started: list[NodeProcess] = []
    yield started
    for node in started:
        node.close()


def settings(endpoint: str, **changes: object) -> SessionSettings:
    return SessionSettings(listen=endpoint, **changes)  # type: ignore[arg-type]


# -- two processes over loopback -------------------------------------------------------------------------------------


@pytest.mark.real
def test_two_hosts_say_the_same_as_one_process(endpoint: str, nodes: list[NodeProcess]) -> None:
    host_of = {"scale": "edge", "look": "edge"}
    car = CarRun(TOY, settings(endpoint), host_of, until=seconds(1))
    nodes.append(NodeProcess("edge", endpoint))
    car.wait()
    assert car.error is None
    assert nodes[0].wait() == 0
    alone = run(car.built.graph, clock=WallClock(), until=seconds(1))
    streams = ["count.count", "scale.scaled", "half.low", "half.high", "look.brightest"]
    for stream in streams:
        expected = {int(t): value for t, value in alone.values[stream]}
        found = car.gathered.sent(stream)
        common = sorted(expected.keys() & found.keys())
        assert len(common) >= 20, stream
        assert [found[t] for t in common] == [expected[t] for t in common], stream
    # A busy machine may cost ticks, but no link may cost an answer.
    assert car.gathered.sent("half.low").keys() == car.gathered.sent("count.count").keys()
    pictures = car.gathered.sent("camera.frame")
    brightest = car.gathered.sent("look.brightest")
    assert all(pictures[t].rgb.max() == value for t, value in brightest.items())
    counters = car.engine.ended["edge"].counters
    assert counters["count.count"]["received"] == counters["scale.scaled"]["sent"] >= 20
    assert not any(each[kind] for each in counters.values() for kind in ("missing", "late", "unreadable"))


@pytest.mark.real
def test_hosts_that_do_not_see_each_other_meet_at_the_launcher(endpoint: str, nodes: list[NodeProcess]) -> None:
    host_of = {"camera": "front", "look": "edge", "scale": "front", "half": "edge"}
    car = CarRun(TOY, settings(endpoint), host_of, until=seconds(1))
    nodes.extend(NodeProcess(name, endpoint) for name in ("front", "edge"))
    car.wait()
    assert car.error is None
    assert [node.wait() for node in nodes] == [0, 0]
    assert set(car.gathered.sent("half.low").values()) <= {3 * n - 1 for n in range(60)}
    assert car.gathered.sent("half.low").keys() == car.gathered.sent("count.count").keys()
    assert len(car.gathered.sent("look.brightest")) >= 20
    assert car.engine.ended["edge"].counters["camera.frame"]["received"] >= 20


@pytest.mark.real
def test_of_a_run_that_nobody_watches_only_what_crosses_is_sent(endpoint: str, nodes: list[NodeProcess]) -> None:
    car = CarRun(TOY, settings(endpoint), {"scale": "edge", "look": "edge"}, until=ms(500), watched=False)
    nodes.append(NodeProcess("edge", endpoint))
    car.wait()
    assert car.error is None
    assert nodes[0].wait() == 0
    assert car.engine.ended["edge"].counters.keys() == {"count.count", "scale.scaled", "camera.frame"}
    assert not car.gathered.events


@pytest.mark.real
def test_a_node_takes_part_in_one_variant_after_the_other(endpoint: str, nodes: list[NodeProcess]) -> None:
    nodes.append(NodeProcess("edge", endpoint))
    for final in (False, True):
        car = CarRun(TOY, settings(endpoint), {"scale": "edge"}, until=ms(300), final=final)
        car.wait()
        assert car.error is None
        assert len(car.gathered.sent("half.low")) >= 5
    assert nodes[0].wait() == 0
    assert nodes[0].text.count("toy: running") == 2


@pytest.mark.real
def test_a_node_goes_home_content_when_the_variant_it_waits_for_was_not_asked_for(
    endpoint: str, nodes: list[NodeProcess]
) -> None:
    nodes.append(NodeProcess("edge", endpoint, patience_s=0.5))
    car = CarRun(TOY, settings(endpoint), {"scale": "edge"}, until=ms(300), final=False)
    car.wait()
    assert car.error is None
    assert nodes[0].wait() == 0
    assert "no other run follows" in nodes[0].text


def check_one_order(car: CarRun) -> None:
    """Events of the far operator are there, and no answer is before its question."""
    happened = [type(e).__name__ for e in car.gathered.events if e.operator == "scale"]
    assert set(happened) == {"Started", "Yielded", "Finished", "Sent"}
    ats = [e.at for e in car.gathered.events]
    assert ats == sorted(ats)
    at = {(e.stream, e.t): e.at for e in car.gathered.events if isinstance(e, Sent)}
    delays = [when - at["count.count", t] for (stream, t), when in at.items() if stream == "scale.scaled"]
    assert 0 < min(delays) <= max(delays) < seconds(1), "the clocks do not agree"
    started = [e.started for e in car.gathered.events if isinstance(e, Finished) and e.operator == "scale"]
    assert all(0 <= begun <= car.ended for begun in started)


@pytest.mark.real
def test_events_of_all_hosts_come_in_one_order_on_the_launcher_s_clock(endpoint: str, nodes: list[NodeProcess]) -> None:
    car = CarRun(TOY, settings(endpoint), {"scale": "edge"}, until=ms(500))
    nodes.append(NodeProcess("edge", endpoint))
    car.wait()
    check_one_order(car)


@pytest.mark.real
@pytest.mark.parametrize("ahead_s", [-500, 86_400])
def test_a_host_whose_clock_shows_another_time_is_understood_all_the_same(
    ahead_s: int, endpoint: str, nodes: list[NodeProcess]
) -> None:
    elsewhere = ["unshare", "--time", "--monotonic", str(ahead_s), "--fork", "--kill-child"]
    missing = missing_for(elsewhere)
    if missing:
        pytest.skip(missing)
    car = CarRun(TOY, settings(endpoint), {"scale": "edge"}, until=ms(500))
    nodes.append(NodeProcess("edge", endpoint, within=elsewhere))
    car.wait()
    assert car.error is None
    check_one_order(car)
    assert nodes[0].wait() == 0


@pytest.mark.real
def test_a_killed_host_costs_its_answers_only_and_may_come_back(endpoint: str, nodes: list[NodeProcess]) -> None:
    car = CarRun(FALLING, settings(endpoint), {"double": "edge"}, until=seconds(60))
    nodes.append(NodeProcess("edge", endpoint))

    def decided(condition: bool, many: int) -> bool:
        return sum((v == FALLBACK) is condition for v in list(car.gathered.sent("decide.decision").values())) >= many

    until(lambda: decided(False, 30))
    nodes[0].kill()
    until(lambda: decided(True, 50))
    nodes.append(NodeProcess("edge", endpoint))
    until(lambda: "host edge: is back" in car.told)
    back = len(car.gathered.sent("decide.decision"))
    until(lambda: sum(v != FALLBACK for v in list(car.gathered.sent("decide.decision").values())[back:]) >= 30)
    car.stop()
    assert car.error is None
    decisions = car.gathered.sent("decide.decision")
    assert all(value in (FALLBACK, 2 * (t // ms(10)) + 1) for t, value in decisions.items())
    ticks = sorted(decisions)
    assert max(b - a for a, b in zip(ticks, ticks[1:], strict=False)) <= seconds(1), "the car never stopped deciding"
    kinds = [type(e) for e in car.gathered.events if isinstance(e, (Fault, Recovered))]
    assert kinds == [Fault, Recovered]
    assert any(isinstance(e, Missed) for e in car.gathered.events)
    assert nodes[1].wait() == 0


@pytest.mark.real
def test_an_operator_that_fails_on_a_host_ends_the_run_with_its_reason(endpoint: str, nodes: list[NodeProcess]) -> None:
    text = FALLING.replace('"host_toys:Double"', '"host_toys:Break", args: {at: 20}')
    car = CarRun(text, settings(endpoint), {"double": "edge"}, until=seconds(30))
    nodes.append(NodeProcess("edge", endpoint))
    car.wait()
    assert isinstance(car.error, OperatorFailed)
    assert "host edge: double: t=200000000: RuntimeError: as told" in str(car.error)
    assert nodes[0].wait() == 1
    assert "as told" in nodes[0].text


@pytest.mark.real
def test_what_a_host_cannot_build_is_reported_before_anything_runs(endpoint: str, nodes: list[NodeProcess]) -> None:
    car = CarRun(TOY, settings(endpoint), {"scale": "edge"}, until=seconds(1))
    nodes.append(NodeProcess("edge", endpoint, python_path=False))
    car.wait()
    assert isinstance(car.error, HostFailed)
    assert "host edge" in str(car.error)
    assert "there is no module toys" in str(car.error)
    assert not car.gathered.events
    assert nodes[0].wait() == 1


@pytest.mark.real
def test_a_host_that_does_not_join_is_named_with_what_to_type_there(endpoint: str, nodes: list[NodeProcess]) -> None:
    car = CarRun(TOY, settings(endpoint), {"scale": "edge"}, until=seconds(1), join_s=4)
    nodes.append(NodeProcess("egde", endpoint))
    car.wait()
    assert isinstance(car.error, HostUnreachable)
    assert "edge did not join within 4 s; egde did, but has no part" in str(car.error)
    assert f"skylane node edge --connect {endpoint}" in str(car.error)
    assert nodes[0].wait() == 1


@pytest.mark.real
def test_a_second_node_of_the_same_name_is_sent_away(endpoint: str, nodes: list[NodeProcess]) -> None:
    car = CarRun(FALLING, settings(endpoint, silence_ms=500), {"double": "edge"}, until=seconds(60))
    nodes.append(NodeProcess("edge", endpoint))
    until(lambda: len(car.gathered.sent("decide.decision")) > 5)
    nodes.append(NodeProcess("edge", endpoint))
    assert nodes[1].wait() == 1
    assert "another node is 'edge' already" in nodes[1].text
    car.stop()
    assert car.error is None
    assert not any(isinstance(e, Fault) for e in car.gathered.events)
    assert nodes[0].wait() == 0


@pytest.mark.real
def test_a_node_without_its_launcher_ends_by_itself(endpoint: str, nodes: list[NodeProcess]) -> None:
    session = sessions.open_session(settings(endpoint))
    token = session.liveliness().declare_token("skylane/launcher/launcher/1")
    nodes.append(NodeProcess("edge", endpoint))
    until(lambda: "waiting for a run" in nodes[0].text)
    token.undeclare()
    session.close()
    assert nodes[0].wait() == 1
    assert "the launcher is gone" in nodes[0].text


@pytest.mark.real
def test_ctrl_c_on_a_node_ends_it_cleanly_and_the_car_goes_on(endpoint: str, nodes: list[NodeProcess]) -> None:
    car = CarRun(FALLING, settings(endpoint), {"double": "edge"}, until=seconds(60))
    nodes.append(NodeProcess("edge", endpoint))
    until(lambda: len(car.gathered.sent("decide.decision")) > 5)
    nodes[0].process.send_signal(signal.SIGINT)
    assert nodes[0].wait() == 130
    assert "Traceback" not in nodes[0].text
    until(lambda: FALLBACK in list(car.gathered.sent("decide.decision").values()))
    car.stop()
    assert car.error is None


@pytest.mark.real
def test_a_launcher_that_is_killed_ends_its_nodes_after_their_patience(endpoint: str, nodes: list[NodeProcess]) -> None:
    car = CarProcess(FALLING, endpoint, "double", within=[])
    try:
        nodes.append(NodeProcess("edge", endpoint, patience_s=0.5))
        until(lambda: len(car.decided()) > 5)
        car.process.kill()
        assert nodes[0].wait() == 1
        assert "the launcher is gone" in nodes[0].text
    finally:
        car.close()


# -- two machines ----------------------------------------------------------------------------------------------------


@pytest.fixture
def machines() -> Iterator[TwoMachines]:
    missing = missing_for_namespaces()
    if missing:
        pytest.skip(missing)
    made = TwoMachines()
    yield made
    made.close()


@pytest.mark.real
def test_a_cable_that_is_pulled_and_plugged_in_again_costs_answers_in_between_only(
    machines: TwoMachines, nodes: list[NodeProcess]
) -> None:
    endpoint = f"tcp/{machines.CAR}:7447"
    car = CarProcess(FALLING, endpoint, "double", within=machines.within(machines.car))
    try:
        nodes.append(NodeProcess("edge", endpoint, insecure=True, within=machines.within(machines.edge)))
        until(lambda: sum(v != FALLBACK for v in car.decided().values()) > 30)
        machines.cable(plugged=False)
        until(lambda: "host edge: is gone" in car.text)
        fallbacks = sum(v == FALLBACK for v in car.decided().values())
        until(lambda: sum(v == FALLBACK for v in car.decided().values()) > fallbacks + 50)
        machines.cable(plugged=True)
        until(lambda: "host edge: is back" in car.text)
        before = len(car.decided())
        until(lambda: sum(v != FALLBACK for v in list(car.decided().values())[before:]) > 30)
        assert car.stop() == 0
    finally:
        car.close()
    decisions = car.decided()
    assert all(value in (FALLBACK, 2 * (t // ms(10)) + 1) for t, value in decisions.items())
    ticks = sorted(decisions)
    assert max(b - a for a, b in zip(ticks, ticks[1:], strict=False)) <= seconds(1), "the car never stopped deciding"
    assert nodes[0].wait() == 0
    assert "the launcher is back" in nodes[0].text
