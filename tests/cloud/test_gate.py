"""The trust gate: no garbage passes, whatever it looks like; and nothing the local side saw is ever deleted."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.gate import TrustGate, detections, merge
from cloud.protocol import DetectionAnswer, DetectionRequest, Found
from operators.geometry.boxes import iou
from operators.messages import LABELS, Box, Detection, Detections

WIDTH, HEIGHT = 640, 360
REQUEST = DetectionRequest(
    car_id="ego", t=5, model="large", budget_ns=10, encoding="jpeg", width_px=WIDTH, height_px=HEIGHT, picture=b""
)
GOOD = Found("vehicle", 0.5, 10.0, 20.0, 30.0, 40.0)


def answer(*items: Found, **change: object) -> DetectionAnswer:
    return msgspec.structs.replace(DetectionAnswer(car_id="ego", t=5, model="large", items=items), **change)


def refused(*items: Found, **change: object) -> str | None:
    return TrustGate().refuse(answer(*items, **change), REQUEST, width_px=WIDTH, height_px=HEIGHT)


def test_a_plausible_answer_passes() -> None:
    assert refused() is None
    assert refused(GOOD, Found("pedestrian", 1.0, -0.5, 0.0, 300.0, 360.9)) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"t": 4}, "answer for t=4, asked for t=5"),
        ({"car_id": "other"}, "answer for another car"),
        ({"model": "small"}, "answer of model 'small'"),
    ],
)
def test_an_answer_to_another_question_is_refused(change: dict[str, object], reason: str) -> None:
    found = refused(GOOD, **change)
    assert found is not None
    assert found.startswith(reason)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (Found("unicorn", 0.5, 10, 20, 30, 40), "unknown label 'unicorn'"),
        (Found("vehicle", math.nan, 10, 20, 30, 40), "not finite"),
        (Found("vehicle", 0.5, 10, 20, math.inf, 40), "not finite"),
        (Found("vehicle", 1.1, 10, 20, 30, 40), "score 1.1"),
        (Found("vehicle", -0.1, 10, 20, 30, 40), "score -0.1"),
        (Found("vehicle", 0.5, -2, 20, 30, 40), "outside"),
        (Found("vehicle", 0.5, 10, 20, 30, 362), "outside"),
        (Found("vehicle", 0.5, 700, 20, 30, 40), "box of"),
        (Found("vehicle", 0.5, 30, 20, 10, 40), "box of"),
        (Found("vehicle", 0.5, 10, 20, 10.5, 40), "box of 0.5 x 20"),
        (Found("vehicle", 0.5, 0, 0, 640, 360), "as large as the picture"),
    ],
)
def test_an_implausible_item_is_refused_with_its_number(item: Found, reason: str) -> None:
    found = refused(GOOD, item)
    assert found is not None
    assert found.startswith("item 1: ")
    assert reason in found


def test_too_many_items_are_refused() -> None:
    assert refused(*[GOOD] * 64) is None
    assert refused(*[GOOD] * 65) == "65 road users, at most 64"


anything = st.one_of(
    st.floats(), st.sampled_from([0.0, 1.0, 640.0, 360.0, -1.0, 1e308, math.nan, math.inf]), st.floats(-5, 700)
)
founds = st.builds(Found, st.sampled_from([*LABELS, "", "Vehicle"]), anything, anything, anything, anything, anything)


@given(st.lists(founds, max_size=70), st.integers(3, 7))
def test_what_passes_is_bounded_finite_inside_the_picture_and_asked_for(items: list[Found], t: int) -> None:
    if refused(*items, t=t) is not None:
        return
    assert t == REQUEST.t
    assert len(items) <= 64
    passed = detections(answer(*items), model="cloud.large", frame_id="front", width_px=WIDTH, height_px=HEIGHT)
    assert len(passed.items) == len(items)
    assert [i.score for i in passed.items] == sorted((i.score for i in passed.items), reverse=True)
    for item in passed.items:
        box = item.box
        assert item.label in LABELS
        assert 0.0 <= item.score <= 1.0
        assert 0.0 <= box.x0_px <= box.x1_px <= WIDTH
        assert 0.0 <= box.y0_px <= box.y1_px <= HEIGHT


coordinates = st.integers(0, 100)


def boxes() -> st.SearchStrategy[Box]:
    return st.builds(
        lambda x, y, w, h: Box(x0_px=float(x), y0_px=float(y), x1_px=float(x + w), y1_px=float(y + h)),
        coordinates,
        coordinates,
        st.integers(1, 60),
        st.integers(1, 60),
    )


def seen(model: str) -> st.SearchStrategy[Detections]:
    item = st.builds(Detection, label=st.sampled_from(LABELS), score=st.floats(0, 1), box=boxes())
    return st.lists(item, max_size=8).map(lambda items: Detections(items=tuple(items), model=model))


@given(seen("small"), seen("cloud.large"))
def test_every_local_road_user_survives_the_merge(local: Detections, remote: Detections) -> None:
    merged = merge(local, remote).items
    holder: dict[int, int] = {}

    def placed(k: int, tried: set[int]) -> bool:
        """Give local item ``k`` a merged one of its own, moving others if need be."""
        for m, other in enumerate(merged):
            if m not in tried and stands_for(other, local.items[k]):
                tried.add(m)
                if m not in holder or placed(holder[m], tried):
                    holder[m] = k
                    return True
        return False

    assert all(placed(k, set()) for k in range(len(local.items)))


def stands_for(merged: Detection, item: Detection) -> bool:
    same_place = merged.box == item.box or iou(item.box, merged.box) >= 0.5
    return merged.label == item.label and merged.score >= item.score and same_place


@given(seen("small"), seen("cloud.large"))
def test_the_cloud_adds_what_only_it_saw_and_nothing_else_appears(local: Detections, remote: Detections) -> None:
    merged = merge(local, remote)
    assert len(merged.items) >= max(len(local.items), len(remote.items))
    assert len(merged.items) <= len(local.items) + len(remote.items)
    known = {item.box for item in local.items} | {item.box for item in remote.items}
    assert all(item.box in known for item in merged.items)
    assert {item.box for item in remote.items} <= {item.box for item in merged.items}
    assert [i.score for i in merged.items] == sorted((i.score for i in merged.items), reverse=True)


@given(seen("small"))
def test_a_cloud_that_saw_nothing_changes_nothing(local: Detections) -> None:
    merged = merge(local, Detections(items=(), model="cloud.large"))
    assert sorted(merged.items, key=repr) == sorted(local.items, key=repr)


def test_a_refined_box_keeps_the_better_score() -> None:
    def one(score: float, x: float, model: str) -> Detections:
        box = Box(x0_px=x, y0_px=0.0, x1_px=x + 20, y1_px=20.0)
        return Detections(items=(Detection(label="vehicle", score=score, box=box),), model=model)

    merged = merge(one(0.8, 0.0, "small"), one(0.6, 2.0, "cloud.large"))
    assert [(i.score, i.box.x0_px) for i in merged.items] == [(0.8, 2.0)]
    assert merged.model == "small+cloud.large"


def test_a_road_user_of_another_class_in_the_same_place_is_added() -> None:
    box = Box(x0_px=0.0, y0_px=0.0, x1_px=20.0, y1_px=20.0)
    local = Detections(items=(Detection(label="vehicle", score=0.8, box=box),), model="small")
    remote = Detections(items=(Detection(label="pedestrian", score=0.9, box=box),), model="cloud.large")
    assert [item.label for item in merge(local, remote).items] == ["pedestrian", "vehicle"]
