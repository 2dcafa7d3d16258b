"""The run's hash: equal runs have equal hashes, and whatever differs shows in them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.digest import LARGE_BYTES, RunDigest, value_digest
from pipeline.events import Dropped, Event, Sealed, Sent, Started
from pipeline.messages import Message, canonical, readonly


class Picture(Message, frozen=True, kw_only=True):
    """A payload with pixels."""

    rgb: Any
    name: str = ""


def sent(value: Any = 1, **changes: Any) -> Sent:
    fields: dict[str, Any] = {"at": 30, "operator": "plan", "t": 10, "stream": "plan.path", "origin": 10}
    return Sent(**{**fields, "quality": "final", "winner": "local", "value": value, **changes})


def digest_of(*events: Event) -> RunDigest:
    digest = RunDigest()
    for event in events:
        digest.on_event(event)
    return digest


@pytest.mark.parametrize(
    "changed",
    [
        {"at": 31},
        {"operator": "other", "stream": "other.path"},
        {"t": 11},
        {"stream": "plan.route"},
        {"origin": 9},
        {"quality": "partial"},
        {"winner": "cloud"},
        {"value": 2},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_change_in_any_field_of_a_sent_value_changes_the_hash(changed: dict[str, Any]) -> None:
    assert digest_of(sent()).hexdigest() != digest_of(sent(**changed)).hexdigest()


def test_the_outputs_hash_sees_what_was_said_and_not_when() -> None:
    before = digest_of(sent()).outputs_hexdigest()
    later = digest_of(Started(5, "plan", 10, "local"), sent(at=99, origin=3), Sealed(99, "plan", 20, "missed", "x"))
    assert later.outputs_hexdigest() == before
    for changed in ({"t": 11}, {"stream": "plan.route"}, {"quality": "partial"}, {"winner": "cloud"}, {"value": 2}):
        assert digest_of(sent(**changed)).outputs_hexdigest() != before, changed


def test_events_that_say_nothing_count_and_their_kind_counts() -> None:
    one, other = Started(1, "plan", 0, "local"), Dropped(1, "plan", 0, "plan.ego", "overload")
    hashes = {digest_of(*events).hexdigest() for events in ((), (one,), (other,), (one, other), (other, one))}
    assert len(hashes) == 5


@given(st.lists(st.integers(0, 1000), max_size=600), st.integers(0, 600))
def test_asking_for_the_hash_on_the_way_does_not_change_it(ats: list[int], asked: int) -> None:
    events = [Started(at, "plan", at, "local") if at % 2 else sent(at, at=at) for at in ats]
    straight, stopped = digest_of(*events), digest_of(*events[:asked])
    stopped.hexdigest()
    stopped.outputs_hexdigest()
    for event in events[asked:]:
        stopped.on_event(event)
    assert (stopped.hexdigest(), stopped.outputs_hexdigest()) == (straight.hexdigest(), straight.outputs_hexdigest())


@pytest.mark.parametrize("elements", [8, LARGE_BYTES * 2], ids=["small", "large"])
def test_arrays_count_by_type_shape_and_content(elements: int) -> None:
    array = np.arange(elements, dtype=np.int16)
    last = array.copy()
    last[-1] += 1
    different = [array, last, array.reshape(2, -1), array.view(np.uint16), array[:-1]]
    assert len({value_digest(Picture(rgb=each)) for each in different}) == len(different)
    assert value_digest(Picture(rgb=np.asfortranarray(array.reshape(2, -1)))) == value_digest(
        Picture(rgb=array.reshape(2, -1).copy())
    )


def test_an_empty_picture_has_a_digest_of_its_own() -> None:
    empty, flat = (Picture(rgb=np.zeros(shape, np.uint8)) for shape in ((0, 0, 3), (0,)))
    assert value_digest(empty) != value_digest(flat)


@pytest.mark.parametrize("elements", [8, LARGE_BYTES * 2], ids=["small", "large"])
def test_a_value_that_may_still_change_is_hashed_every_time(elements: int) -> None:
    array, listed = np.zeros(elements, np.uint8), [1, 2]
    before = value_digest(array), value_digest(listed)
    array[0], listed[0] = 1, 9
    assert value_digest(array) != before[0]
    assert value_digest(listed) != before[1]


def test_a_picture_is_hashed_once_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[int] = []

    def counted(value: Any) -> bytes:
        hashed.append(id(value))
        return hashlib.blake2b(canonical(value), digest_size=16).digest()

    monkeypatch.setattr("pipeline.digest._of_array", counted)
    rgb = readonly(np.ones((40, 60, 3), np.uint8))
    frame = Picture(rgb=rgb, name="front")
    for _ in range(3):
        value_digest(frame)
        value_digest(rgb)
        value_digest(Picture(rgb=rgb, name="copy"))
    assert hashed == [id(rgb)]


def test_a_new_value_at_the_address_of_an_old_one_is_not_taken_for_it() -> None:
    seen = {value_digest(Picture(rgb=readonly(np.full(LARGE_BYTES + 1, n, np.uint8)))) for n in range(100)}
    assert len(seen) == 100


def test_equal_dictionaries_and_sets_have_equal_digests() -> None:
    assert value_digest({"a": 1, "b": 2}) == value_digest({"b": 2, "a": 1})
    assert value_digest({"a": 1, "b": 2}) != value_digest({"a": 2, "b": 1})
    assert value_digest({3: "x", 1: "y"}) == value_digest({3: "x", 1: "y"})


def test_nan_equals_itself() -> None:
    assert value_digest((float("nan"), 1.0)) == value_digest((float("nan"), 1.0))
    assert value_digest((0.0,)) != value_digest((-0.0,))


def test_what_cannot_travel_on_a_stream_has_no_digest() -> None:
    with pytest.raises(NotImplementedError, match="object cannot travel"):
        value_digest(object())


def test_the_hash_does_not_depend_on_the_order_that_python_gives_sets(root: Path) -> None:
    code = (
        "from pipeline.digest import RunDigest; from pipeline.events import Sent, Started;"
        "names = {f'name{n}' for n in range(50)}; d = RunDigest();"
        "d.on_event(Sent(1, 'a', 1, 'a.b', 1, 'final', 'local', {'names': names, 'nested': [names]}));"
        "d.on_event(Started(2, 'a', 1, 'local')); print(d.hexdigest(), d.outputs_hexdigest())"
    )
    said = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, cwd=root
        )
        said.add(done.stdout)
    assert len(said) == 1


def test_a_frozen_message_and_its_copy_have_one_digest() -> None:
    frame = Picture(rgb=readonly(np.arange(12, dtype=np.uint8)), name="front")
    assert value_digest(frame) == value_digest(msgspec.structs.replace(frame))
