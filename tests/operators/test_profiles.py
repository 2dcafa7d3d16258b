"""Latency profiles: the published tables are in them, mistakes are named, and what is written is read back."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators import profiles
from operators.profiles import InvalidProfile, load, names, write
from pipeline.errors import UsageError
from pipeline.latency import Distribution, Profile
from pipeline.timestamps import Duration, ms

STAGES = {"detect", "track", "locate", "predict", "plan", "control", "gate", "budget", "encode"}


def median_ms(profile: str, work: str) -> float:
    entry = load(profile).lookup("detect", work)
    assert entry is not None
    return entry.p50 / 1e6


def p99_ms(profile: str, work: str) -> float:
    entry = load(profile).lookup("detect", work)
    assert entry is not None
    return entry.p99 / 1e6


def test_the_shipped_profiles_are_known_by_name() -> None:
    assert names() == ("a100", "h100", "orin", "rtx2080", "xeon")


@pytest.mark.parametrize("name", ["a100", "h100", "orin", "rtx2080"])
def test_every_computer_covers_every_stage_and_all_three_sizes(name: str) -> None:
    profile = load(name)
    assert set(profile.table) == STAGES
    assert {"small", "medium", "large"} <= set(profile.table["detect"])
    assert profile.name == name
    assert profile.source


@pytest.mark.parametrize("name", ["a100", "h100", "orin", "rtx2080"])
def test_a_larger_model_is_slower(name: str) -> None:
    detect = load(name).table["detect"]
    assert detect["small"].p50 < detect["medium"].p50 < detect["large"].p50


@pytest.mark.parametrize("name", ["a100", "h100", "orin", "rtx2080", "xeon"])
def test_unknown_work_falls_back_to_the_stage_default(name: str) -> None:
    profile = load(name)
    for stage, row in profile.table.items():
        assert profile.lookup(stage, "no_such_work") == row[""]


def test_the_bandwidth_papers_table_is_in_orin_and_h100() -> None:
    published = {"ed0": (112, 26), "ed1": (136, 32), "ed3": (325, 41), "ed5": (1067, 65), "ed7": (1955, 101)}
    for model, (orin, h100) in published.items():
        assert (median_ms("orin", model), median_ms("h100", model)) == (orin, h100)


def test_the_iros_table_is_in_orin_and_a100_with_its_speed_ups() -> None:
    published = {
        "detr_r50": (301.7, 102.2, 2.95),
        "detr_r101": (407.7, 118.2, 3.45),
        "detr_r101_dc": (859.2, 146.6, 5.86),
        "dino_swin_t": (722.1, 90.1, 8.01),
        "dino_swin_s": (903.5, 107.1, 8.43),
        "dino_swin_l": (1529.9, 180.8, 8.46),
    }
    for model, (orin, a100, speed_up) in published.items():
        assert (median_ms("orin", model), median_ms("a100", model)) == (orin, a100)
        # The paper's last digit is cut off in one row and rounded in others.
        assert median_ms("orin", model) / median_ms("a100", model) == pytest.approx(speed_up, abs=0.011)


def test_the_d3_artifacts_99th_percentiles_are_in_rtx2080() -> None:
    published = {"ed1": 55, "ed2": 59, "ed3": 77, "ed4": 105, "ed5": 158, "ed6": 200, "ed7": 269}
    assert {model: p99_ms("rtx2080", model) for model in published} == published


@pytest.mark.parametrize(("model", "p999_ms"), [("ed1", 60), ("ed4", 110), ("ed7", 274)])
def test_the_derived_medians_of_rtx2080_reproduce_the_published_999th_permille(model: str, p999_ms: float) -> None:
    entry = load("rtx2080").lookup("detect", model)
    assert entry is not None
    assert entry.at(0.999) / 1e6 == pytest.approx(p999_ms, abs=0.1)


@pytest.mark.parametrize("name", ["orin", "h100", "a100"])
def test_single_published_numbers_get_the_stated_spread(name: str) -> None:
    for entry in load(name).table["detect"].values():
        assert entry.p99 / 1e6 == pytest.approx(1.15 * entry.p50 / 1e6, abs=0.06)


def test_the_policys_published_90th_percentile_follows_from_its_entry() -> None:
    entry = load("xeon").table["budget"][""]
    assert entry.at(0.9) / 1e6 == pytest.approx(2.3, abs=0.01)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        load("titan")
    assert "titan" in str(caught.value)
    for name in names():
        assert name in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidProfile, match=r"mine\.yaml: cannot read the profile"):
        load(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\nstages:\n  detect:\n    small: {p50: 12, p99: 20ms}\n", r"detect\.small\.p50: 12 is no time"),
        ("name: x\nstages: {detect: {small: {p50: 20ms, p99: 12ms}}}\n", r"detect\.small: latency p50=20 ms"),
        ("name: x\nstages: {detect: {small: {p50: 20 parsecs, p99: 12ms}}}\n", r"detect\.small\.p50: .*parsecs"),
        ("name: x\nstages: {detect: {small: {p50: 1ms}}}\n", r"detect\.small\.p99"),
        ("name: x\nstages: {detect: {small: {p50: 1ms, p99: 2ms, p999: 3ms}}}\n", r"unknown field 'p999'"),
        ("name: x\nstages: {detect: {small: 5ms}}\n", r"detect\.small is not a mapping"),
        ("name: x\nstages: {detect: {}}\n", r"stage detect has no works"),
        ("name: x\nstages: {Detect: {small: {p50: 1ms, p99: 1ms}}}\n", r"'Detect' is no name"),
        ("stages: {}\n", r"name: is missing"),
        ("name: x\nspeed: 3\nstages: {}\n", r"unknown field 'speed'"),
        ("name: x\n", r"stages: is missing"),
        ("- 1\n", r"not a mapping"),
        ("name: x\nstages: {detect: [\n", r"mine\.yaml:\d+: the profile is not YAML"),
        ("name: x\nextends: nothing\nstages: {}\n", r"extends: 'nothing'"),
        ("name: !!python/object/apply:os.system [true]\nstages: {}\n", r"not YAML"),
    ],
)
def test_a_mistake_in_a_profile_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidProfile, match=message) as caught:
        load(path)
    assert "mine.yaml" in str(caught.value)


def test_a_file_may_extend_a_shipped_profile(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nextends: orin\nstages: {track: {default: {p50: 1ms, p99: 2ms}}}\n", encoding="utf-8")
    profile = load(str(path))
    assert profile.lookup("track", "step") == Distribution(ms(1), ms(2))
    assert profile.lookup("detect", "small") == load("orin").lookup("detect", "small")


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["detect", "plan"]),
        st.dictionaries(
            st.sampled_from(["", "small", "ed5"]),
            st.tuples(st.integers(0, 10**12), st.integers(0, 10**12)).map(sorted),
            min_size=1,
        ),
        min_size=1,
    )
)
def test_a_written_profile_is_read_back_to_the_nanosecond(
    tmp_path_factory: pytest.TempPathFactory, table: dict[str, dict[str, list[int]]]
) -> None:
    profile = Profile(
        "mine",
        {k: {w: Distribution(Duration(a), Duration(b)) for w, (a, b) in row.items()} for k, row in table.items()},
        "a calibration",
    )
    path = tmp_path_factory.mktemp("profiles") / "mine.yaml"
    write(profile, path)
    assert load(path) == profile


def test_a_profile_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    with pytest.raises(InvalidProfile, match="cannot write"):
        write(load("orin"), tmp_path / "missing" / "mine.yaml")


def test_draws_from_a_profile_have_its_median_and_99th_percentile() -> None:
    entry = load("orin").table["detect"]["small"]
    assert entry.at(0.5) == entry.p50
    assert math.isclose(entry.at(0.99), entry.p99, rel_tol=1e-5)
    assert profiles.SHIPPED.is_dir()
