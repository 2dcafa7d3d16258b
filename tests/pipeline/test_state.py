"""Versioned state against a dict of versions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.state import VersionedState
from pipeline.timestamps import BOTTOM
from tests.oracle.profiles import ci

steps = st.lists(
    st.tuples(st.sampled_from(["write", "read", "commit", "abort"]), st.integers(1, 2), st.integers(0, 99)), max_size=30
)


class Model:
    """Every version ever committed, by timestamp; the writes of the running timestamp apart."""

    def __init__(self) -> None:
        self.versions: dict[int, int] = {BOTTOM: -1}
        self.writes: list[int] = []

    def read(self) -> int:
        return self.writes[-1] if self.writes else self.versions[max(self.versions)]

    def seal(self, t: int, *, aborted: bool) -> None:
        if not aborted:
            self.versions[t] = self.read()
        self.writes = []


@ci
@given(steps)
def test_reads_writes_commits_and_rolls_back_like_a_dict_of_versions(script: list[tuple[str, int, int]]) -> None:
    state, model, t = VersionedState(lambda: -1), Model(), 0
    for action, ahead, value in script:
        if action == "write":
            state.write(t, value)
            model.writes.append(value)
        elif action == "read":
            assert state.read(t) == model.read()
        else:
            (state.rollback if action == "abort" else state.commit)(t)
            model.seal(t, aborted=action == "abort")
            # After an abort the handler may still write for the same t.
            t += ahead - 1 if action == "abort" else ahead
        assert state.value == model.versions[max(model.versions)]
        assert state.committed_at == max(model.versions)


@ci
@given(st.lists(st.tuples(st.lists(st.integers(), max_size=3), st.booleans()), max_size=8))
def test_a_value_changed_in_place_in_its_working_copy_rolls_back_too(work: list[tuple[list[int], bool]]) -> None:
    state: VersionedState = VersionedState(list, copy=list)
    expected: list[int] = []
    for t, (items, aborted) in enumerate(work):
        state.read(t).extend(items)
        if aborted:
            state.rollback(t)
        else:
            state.commit(t)
            expected += items
        assert state.read(t + 1) == expected


@ci
@given(st.integers(0, 9), st.integers(0, 9))
def test_never_goes_back_before_what_is_committed(committed: int, t: int) -> None:
    state = VersionedState(lambda: 0)
    state.commit(committed)
    if t > committed:
        state.write(t, 1)
        state.commit(t)
        return
    with pytest.raises(ValueError, match=f"t={committed}"):
        state.write(t, 1)
    with pytest.raises(ValueError, match=f"t={committed}"):
        state.commit(t)


def test_a_write_is_seen_by_its_own_timestamp_only() -> None:
    state = VersionedState(lambda: "initial")
    state.write(3, "written")
    assert state.read(3) == "written"
    assert state.read(4) == "initial"
    state.commit(3)
    assert state.read(4) == "written"


def test_rolling_back_another_timestamp_leaves_the_running_one_alone() -> None:
    state = VersionedState(lambda: 0)
    state.write(5, 1)
    state.rollback(4)
    assert state.read(5) == 1


def test_the_handler_of_an_aborted_timestamp_sees_the_committed_state_and_may_write_its_own() -> None:
    state = VersionedState(lambda: 0)
    state.write(1, 99)
    state.rollback(1)
    assert state.read(1) == 0
    state.write(1, 5)
    state.commit(1)
    assert state.value == 5


def test_what_was_written_for_an_aborted_timestamp_is_not_committed_by_a_later_one() -> None:
    state = VersionedState(lambda: 0)
    state.write(1, 99)
    state.rollback(1)
    state.commit(2)
    assert state.read(3) == 0
    assert state.committed_at == 2


def test_a_dirty_write_of_another_timestamp_is_not_committed() -> None:
    state = VersionedState(lambda: 0)
    state.write(1, 99)
    state.commit(2)
    assert state.value == 0


def test_none_is_a_value_like_any_other() -> None:
    state: VersionedState = VersionedState(lambda: 1)
    state.write(1, None)
    assert state.read(1) is None
    state.commit(1)
    assert state.value is None


def test_the_initial_value_is_made_anew_for_every_state() -> None:
    first, second = VersionedState(list), VersionedState(list)
    assert first.value is not second.value
