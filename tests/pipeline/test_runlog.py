"""Logs that were cut off, damaged, foreign or are not there: read up to the damage or refused, never wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import InvalidRecord
from pipeline.runlog import RunLog
from tests.pipeline.recorded import every_event, write


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write(tmp_path_factory.mktemp("log") / "log.mcap").read_bytes()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    return read(write(tmp_path_factory.mktemp("log") / "log.mcap"))


def read(path: Path) -> tuple[Any, ...]:
    """Everything that a log gives."""
    log = RunLog(path)
    values = {topic: list(log.messages(topic)) for topic in log.topics()}
    return log.complete, log.launch, log.metadata, list(log.records()), list(log.events()), values


def holds_the_beginning(found: tuple[Any, ...], told: tuple[Any, ...]) -> None:
    """What was read is what was recorded, up to somewhere."""
    complete, launch, metadata, records, events, _ = found
    if complete:
        assert found == told
    assert launch in ("", told[1])
    assert metadata.items() <= told[2].items()
    assert records == told[3][: len(records)]
    assert events == told[4][: len(events)]


def check(data: bytes, path: Path, told: tuple[Any, ...]) -> bool:
    """Whether the log could be read at all; InvalidRecord is the only error there may be, and names the file."""
    path.write_bytes(data)
    try:
        found = read(path)
    except InvalidRecord as error:
        assert str(path) in str(error)
        return False
    holds_the_beginning(found, told)
    return True


@pytest.mark.parametrize("part", range(0, 60, 10))
def test_a_log_cut_anywhere_is_read_up_to_the_cut_or_refused(
    whole: bytes, told: tuple[Any, ...], tmp_path: Path, part: int
) -> None:
    path = tmp_path / "log.mcap"
    readable = [n for n in range(part, len(whole), 60) if check(whole[:n], path, told)]
    assert all(not complete(whole[:n], path) for n in readable)
    assert readable == [n for n in range(part, len(whole), 60) if n >= min(readable)], "more of it is never worse"


def complete(data: bytes, path: Path) -> bool:
    path.write_bytes(data)
    return RunLog(path).complete


def test_a_log_that_lost_only_its_index_has_every_event(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log.mcap"
    path.write_bytes(whole[:-40])
    log = RunLog(path)
    assert not log.complete
    assert len(list(log.records())) == len(every_event())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(data=st.data())
def test_one_flipped_bit_is_noticed_or_does_no_harm(
    whole: bytes, told: tuple[Any, ...], tmp_path: Path, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(whole) - 1))
    broken = bytearray(whole)
    broken[place] ^= 1 << data.draw(st.integers(0, 7))
    check(bytes(broken), tmp_path / "log.mcap", told)


@pytest.mark.slow
def test_bytes_all_over_a_log_cannot_be_damaged_unnoticed(whole: bytes, told: tuple[Any, ...], tmp_path: Path) -> None:
    refused = 0
    for place in range(0, len(whole), 7):
        broken = bytearray(whole)
        broken[place] ^= 0x01 << place % 8
        refused += not check(bytes(broken), tmp_path / "log.mcap", told)
    assert refused > len(whole) // 21


def test_a_flipped_byte_in_the_launch_file_is_damage(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log.mcap"
    path.write_bytes(whole.replace(b"name: made-up", b"name: made-op", 1))
    with pytest.raises(InvalidRecord, match="is damaged"):
        RunLog(path)


def test_a_flipped_byte_in_the_seed_is_damage(whole: bytes, tmp_path: Path) -> None:
    assert (at := whole.index(b"seed\x01\x00\x00\x003")) > 0
    path = tmp_path / "log.mcap"
    path.write_bytes(whole[: at + 8] + b"4" + whole[at + 9 :])
    with pytest.raises(InvalidRecord, match="is damaged"):
        RunLog(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89MCAP0\r\n", b"PK\x03\x04" + bytes(500), b"\x89MCAP0\r\n" * 9])
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log.mcap").write_bytes(content)
    with pytest.raises(InvalidRecord, match="is not a run's log"):
        RunLog(tmp_path)


def test_another_program_s_mcap_file_is_refused(tmp_path: Path) -> None:
    from mcap.writer import Writer

    with (tmp_path / "log.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start()
        schema = writer.register_schema("Thing", "jsonschema", b"{}")
        channel = writer.register_channel("/things", "json", schema)
        writer.add_message(channel, 0, b"{}", 0)
        writer.finish()  # type: ignore[no-untyped-call]
    with pytest.raises(InvalidRecord, match="is an MCAP file, but not a run's log"):
        RunLog(tmp_path)


@pytest.mark.parametrize("name", ["", "log.mcap", "no/such/folder"])
def test_a_missing_log_says_what_to_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidRecord, match=r"cannot be read: No such file.*name a run's folder"):
        RunLog(tmp_path / name)


def test_a_stream_that_carried_nothing_is_empty(tmp_path: Path) -> None:
    log = RunLog(write(tmp_path / "log.mcap"))
    assert list(log.messages("a.nothing")) == []
    assert list(log.images("a.out")) == []
