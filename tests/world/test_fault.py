"""Who is at fault: each rule, and which comes first."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.world.fault import Contact, at_fault

REAR_END = Contact(
    ego_speed_mps=10.0,
    forward_m=4.6,
    left_m=0.0,
    heading_rad=0.0,
    speed_forward_mps=4.0,
    speed_left_mps=0.0,
    ego_length_m=4.7,
    length_m=4.5,
)


def changed(**fields: object) -> Contact:
    return msgspec.structs.replace(REAR_END, **fields)


PERSON = changed(on_foot=True, length_m=0.5, forward_m=2.4, heading_rad=1.57, speed_forward_mps=0.0, speed_left_mps=1.5)
CROSSING = changed(heading_rad=1.57, speed_forward_mps=0.0, speed_left_mps=8.0, forward_m=3.0, left_m=-1.0)


@pytest.mark.parametrize(
    ("contact", "who"),
    [
        (REAR_END, "ego"),
        (changed(speed_forward_mps=0.0), "ego"),
        (changed(ego_speed_mps=0.0, speed_forward_mps=-3.0), "other"),
        (changed(ego_speed_mps=0.0, speed_forward_mps=0.0), "none"),
        (changed(forward_m=-4.6, speed_forward_mps=15.0), "other"),
        (changed(forward_m=-1.0, left_m=2.0, speed_forward_mps=8.0), "ego"),
        (changed(forward_m=-1.0, left_m=2.0, speed_forward_mps=6.0, speed_left_mps=-1.0), "other"),
        (changed(forward_m=-1.0, left_m=2.0, speed_forward_mps=6.0, speed_left_mps=-1.0, ego_off_lane=True), "ego"),
        (changed(left_m=1.5, speed_left_mps=-1.0), "other"),
        (changed(left_m=1.5, speed_left_mps=-1.0, ego_off_lane=True), "ego"),
        (changed(heading_rad=math.pi, speed_forward_mps=-10.0), "other"),
        (changed(heading_rad=-math.pi, speed_forward_mps=-10.0, ego_off_lane=True), "ego"),
        (PERSON, "ego"),
        (msgspec.structs.replace(PERSON, in_sight=False), "none"),
        (msgspec.structs.replace(PERSON, forward_m=0.0, left_m=1.2), "none"),
        (msgspec.structs.replace(PERSON, ego_speed_mps=0.0), "other"),
        (CROSSING, "none"),
        (msgspec.structs.replace(CROSSING, ego_gives_way=True), "ego"),
        (msgspec.structs.replace(CROSSING, other_gives_way=True), "other"),
        (msgspec.structs.replace(CROSSING, other_reckless=True), "other"),
        (msgspec.structs.replace(CROSSING, left_m=1.5), "ego"),
        (msgspec.structs.replace(CROSSING, ego_turns_left=True), "ego"),
        (msgspec.structs.replace(CROSSING, ego_turns_left=True, other_gives_way=True), "other"),
        (changed(heading_rad=math.pi, speed_forward_mps=-10.0, ego_turns_left=True), "ego"),
        (changed(heading_rad=math.pi, speed_forward_mps=-10.0, other_turns_left=True, ego_off_lane=True), "other"),
        (msgspec.structs.replace(CROSSING, ego_ran=True), "ego"),
        (msgspec.structs.replace(CROSSING, other_ran=True, ego_gives_way=True), "other"),
    ],
)
def test_rules(contact: Contact, who: str) -> None:
    assert at_fault(contact)[0] == who
    assert at_fault(contact)[1]


@given(
    forward=st.floats(-5.0, 5.0), left=st.floats(-2.0, 2.0), heading=st.floats(-math.pi, math.pi),
    speed=st.floats(-20.0, 20.0), across=st.floats(-20.0, 20.0), flags=st.lists(st.booleans(), min_size=7, max_size=7),
)  # fmt: skip
def test_an_ego_that_stands_is_never_at_fault(
    forward: float, left: float, heading: float, speed: float, across: float, flags: list[bool]
) -> None:
    names = ("on_foot", "in_sight", "ego_off_lane", "ego_ran", "other_ran", "ego_gives_way", "other_gives_way")
    contact = changed(
        ego_speed_mps=0.0, forward_m=forward, left_m=left, heading_rad=heading, speed_forward_mps=speed,
        speed_left_mps=across, **dict(zip(names, flags, strict=True)),
    )  # fmt: skip
    assert at_fault(contact)[0] != "ego"
