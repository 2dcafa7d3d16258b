"""Link classes: known by name, as fast and as late as their source says, the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud.link_classes import classes, connect
from cloud.links import LINK_DOWN, Delivered, Lost
from pipeline.errors import UsageError
from pipeline.timestamps import seconds

MS = 1_000_000
NAMES = {"ideal", "good", "typical", "lte", "poor", "handover", "outage", "tail", "down"}


def test_the_classes_of_the_survey_exist() -> None:
    assert set(classes()) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_class_and_a_seed_make_one_link(name: str) -> None:
    def fates(seed: int) -> list[object]:
        link = connect(name, seed=seed).up
        return [link.transfer(k * 50 * MS, 266_400) for k in range(400)]

    assert fates(1) == fates(1)
    if name not in ("ideal", "down"):
        assert fates(1) != fates(2)


def round_trips_ms(name: str, bits: int) -> list[float]:
    """Of messages so far apart that none meets another, sorted; lost ones left out."""
    connection, found = connect(name, seed=5), []
    for k in range(1000):
        now = k * seconds(10)
        up = connection.up.transfer(now, bits)
        if isinstance(up, Delivered):
            down = connection.down.transfer(up.at_ns, 8_000)
            if isinstance(down, Delivered):
                found.append((down.at_ns - now) / MS)
    return sorted(found)


@pytest.mark.parametrize(("name", "round_trip_ms"), [("good", 20), ("typical", 35), ("lte", 45), ("poor", 80)])
def test_the_median_round_trip_of_a_class_is_the_stated_one(name: str, round_trip_ms: float) -> None:
    times = round_trips_ms(name, 800)
    # Two draws are added, and a small message is on the air for a few milliseconds on the slowest class.
    assert times[len(times) // 2] == pytest.approx(round_trip_ms, rel=0.15)


def test_the_tail_class_reproduces_the_published_round_trips_of_the_field_test() -> None:
    times = round_trips_ms("tail", 33_300 * 8)
    assert times[len(times) // 2] == pytest.approx(68, rel=0.1)
    assert times[int(0.9 * len(times))] == pytest.approx(336, rel=0.3)
    assert times[int(0.99 * len(times))] == pytest.approx(3027, rel=0.2)


def test_the_link_that_is_down_refuses_from_the_first_message_on() -> None:
    link = connect("down").up
    assert link.is_down(0)
    assert link.transfer(0, 8) == Lost(0, LINK_DOWN)
    assert link.is_down(seconds(10**6))


def test_the_poor_link_is_silent_for_about_the_measured_share_of_time() -> None:
    link = connect("poor", seed=2).up
    share = sum(link.is_silent(k * 20 * MS) for k in range(50_000)) / 50_000
    assert 0.09 < share < 0.19


def test_both_directions_are_silent_together() -> None:
    connection = connect("outage", seed=1)
    times = [k * 100 * MS for k in range(3000)]
    assert [connection.up.is_silent(t) for t in times] == [connection.down.is_silent(t) for t in times]
    assert any(connection.up.is_down(t) for t in times)


def test_an_outage_can_be_scheduled() -> None:
    link = connect("ideal", outages=[(seconds(2), seconds(4))]).up
    assert not link.is_down(seconds(1))
    assert link.is_down(seconds(3))
    assert not link.is_down(seconds(4))


def test_a_trace_replaces_the_rate(tmp_path: Path) -> None:
    path = tmp_path / "12mbps"
    path.write_text("1\n", encoding="ascii")
    fate = connect("ideal", uplink_trace=path).up.transfer(0, 12_000_000)
    assert fate == Delivered(seconds(1) + MS // 2)


def test_an_unknown_class_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="good, handover, ideal, lte"):
        connect("fast")
