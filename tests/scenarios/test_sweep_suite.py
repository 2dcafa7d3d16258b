"""Suite files: what they may say, which runs follow, and that every mistake is named with its file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.settings import Settings
from scenarios.library import loading as library
from scenarios.sweeps.expansion import Task, expand
from scenarios.sweeps.perception import FITTED, NONE, PIXELS, TRUTH, perception
from scenarios.sweeps.suite import InvalidSuite, read_suite, seeds_of
from tests.scenarios.sweep_toys import LAUNCH, SUITE, read_toy, written

FAMILIES = "[person_behind_truck, traffic_jam]"


def labels(tasks: list[Task]) -> list[str]:
    return list(dict.fromkeys(task.label for task in tasks))


def test_seeds_are_written_as_numbers_and_ranges() -> None:
    assert seeds_of("1-3,7") == [1, 2, 3, 7]
    assert seeds_of(5) == seeds_of("5") == [5]
    assert seeds_of([1, "3-4"]) == [1, 3, 4]


@pytest.mark.parametrize(
    "wrong", ["", "a", "1-", "-3", "3-1", "1,,2", "1,1", [], True, 1.5, -1, None, "0-999999999999"]
)
def test_what_is_no_list_of_seeds_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="seed"):
        seeds_of(wrong)


@given(st.lists(st.integers(0, 10**6), min_size=1, unique=True))
def test_a_list_of_seeds_reads_back_as_it_was_written(seeds: list[int]) -> None:
    assert seeds_of(",".join(map(str, seeds))) == seeds


def test_every_combination_is_one_run_and_the_variants_of_a_scene_follow_each_other(tmp_path: Path) -> None:
    tasks = expand(read_toy(tmp_path))
    assert len(tasks) == len({task.key for task in tasks}) == 2 * 2 * 2 * 3
    assert labels(tasks) == ["calm", "bold"]
    assert tasks[0].scene == tasks[1].scene
    assert [task.scene.seed for task in tasks] == sorted(task.scene.seed for task in tasks), "seed by seed"


def test_a_run_is_the_launch_file_with_the_scene_in_it(tmp_path: Path) -> None:
    task = expand(read_toy(tmp_path))[0]
    assert list(task.overrides) == [
        'world.scenario="person_behind_truck"',
        "world.speed_mps=10.0",
        "echo.args.target_speed_mps=10.0",
        "seed=1",
    ]
    assert "sweep_toys:Lane" in task.text
    assert "variants" not in task.text


def test_parameters_with_several_values_make_one_scene_for_each(tmp_path: Path) -> None:
    suite = SUITE.replace(FAMILIES, "{person_behind_truck: {parameters: {walk_mps: [2, 3]}}}")
    tasks = expand(read_toy(tmp_path, suite=suite))
    assert list(dict.fromkeys(task.scene.name for task in tasks)) == [
        "person_behind_truck walk_mps=2",
        "person_behind_truck walk_mps=3",
    ]
    assert 'world.parameters={"walk_mps": 2}' in tasks[0].overrides


def test_a_family_may_have_speeds_seeds_and_a_duration_of_its_own(tmp_path: Path) -> None:
    own = "{person_behind_truck: {speeds_mps: [9], seeds: [8], duration: 30ms}, traffic_jam: {}}"
    tasks = expand(read_toy(tmp_path, suite=SUITE.replace("[person_behind_truck, traffic_jam]", own)))
    persons = [task for task in tasks if task.scene.family == "person_behind_truck"]
    assert {(task.scene.speed_mps, task.scene.seed) for task in persons} == {(9.0, 8)}
    assert "duration=30000000ns" in persons[0].overrides
    assert len(tasks) == 2 * 1 + 2 * 2 * 3


def test_all_means_every_family_there_is(tmp_path: Path) -> None:
    tasks = expand(read_toy(tmp_path, "families=all", quick=True))
    assert {task.scene.family for task in tasks} == set(library.NAMES)


def test_settings_and_several_launch_files_are_axes_of_their_own(tmp_path: Path) -> None:
    suite = SUITE.replace(
        "launch: toy.yaml", "launch: {a: toy.yaml, b: {file: toy.yaml, variants: [bold], set: {seed: 4}}}"
    )
    tasks = expand(read_toy(tmp_path, suite=suite + "settings: {fast: {duration: 20ms}, slow: {duration: 40ms}}\n"))
    assert labels(tasks) == ["a/calm/fast", "a/bold/fast", "a/calm/slow", "a/bold/slow", "b/bold/fast", "b/bold/slow"]
    assert {task.label.split("/")[-1]: "20ms" in task.text for task in tasks} == {"fast": True, "slow": False}


def test_the_quick_form_replaces_what_it_names(tmp_path: Path) -> None:
    assert len(expand(read_toy(tmp_path, quick=True))) == 2 * 2
    assert len(expand(read_toy(tmp_path, "seeds=4-5", quick=True))) == 2 * 2 * 2, "the command line has the last word"
    with pytest.raises(InvalidSuite, match="has no quick form"):
        read_toy(tmp_path, quick=True, suite=SUITE.replace("quick", "# quick"))


def test_a_change_of_no_field_of_the_suite_changes_the_launch_files(tmp_path: Path) -> None:
    first, changed = expand(read_toy(tmp_path)), expand(read_toy(tmp_path, "world.bold=true", "seeds=1-2"))
    assert len(changed) == len(first) * 2 // 3
    assert "bold: true" in changed[0].text
    assert "bold: true" not in first[0].text


def test_a_run_is_known_again_by_everything_that_its_outcome_depends_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = [task.key for task in expand(read_toy(tmp_path))]
    assert [task.key for task in expand(read_toy(tmp_path))] == first
    assert not set(first) & {task.key for task in expand(read_toy(tmp_path, "tick.period=20ms"))}
    again = expand(read_toy(tmp_path, suite=SUITE.replace("1-3", "1-4")))
    assert set(first) < {task.key for task in again}, "more seeds repeat nothing"
    load = library.load
    monkeypatch.setattr(library, "load", lambda name, speed, seed, **p: load(name, speed + 0.1, seed, **p))
    assert not set(first) & {task.key for task in expand(read_toy(tmp_path))}, "an edited family is another run"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("seeds: 1-3", "seeds: 3-1", r"suite\.yaml:6: seeds: '3-1' is no list of seeds \(write for example"),
        ("seeds: 1-3", "seed: 1-3", r"suite\.yaml:6: seed: is not a field of a suite here \(did you mean 'seeds'\?\)"),
        ("[10, 12]", "[10, fast]", r"suite\.yaml:5: speeds_mps: 'fast' is no speed in m/s"),
        ("[10, 12]", "[10, .nan]", r"suite\.yaml:5: speeds_mps: nan is no speed in m/s"),
        ("[10, 12]", "[]", r"suite\.yaml:5: speeds_mps: has no speed"),
        ("traffic_jam", "trafic_jam", r"suite\.yaml:4: families.*'trafic_jam' \(did you mean 'traffic_jam'\?\)"),
        ("name: toy", "name: a/b", r"suite\.yaml:2: name: 'a/b' cannot name a folder"),
        ("name: toy\n", "", r"suite\.yaml:\d+: has no 'name'"),
        ("toy.yaml", "nowhere.yaml", r"suite\.yaml:3: launch.*no such launch file"),
        ("launch: toy.yaml", "launch: {a: {file: toy.yaml, variants: [clam]}}", r"did you mean 'calm'"),
        ("launch: toy.yaml", "launch: {a: {file: toy.yaml, set: {ehco.x: 1}}}", r"suite\.yaml:3: launch\.a: .*'ehco'"),
        ("pictures: false", "pictures: maybe", r"suite\.yaml:7: pictures: 'maybe' must be true or false"),
        ("pictures: false", "limits: {memory_mb: lots}", r":7: limits\.memory_mb: 'lots' must be a whole number"),
        ("pictures: false", "duration: 3", r"suite\.yaml:7: duration: '3' has no unit"),
        ("pictures: false", "baseline: blod", r":7: baseline: there is no variant 'blod'.*'bold'"),
        (FAMILIES, "{traffic_jam: {parameters: {nosuch: 1}}}", r"suite\.yaml:4: families.*nosuch"),
        (FAMILIES, "{traffic_jam: {parameters: {walk_mps: .nan}}}", r"walk_mps: is not a number"),
        (FAMILIES, "{traffic_jam: {parameter: {}}}", r"traffic_jam\.parameter: is not a field"),
        (FAMILIES, "[]", r"suite\.yaml:4: families: .*must not be empty"),
        ("seeds: 1-3", "seeds: [1, 2", r"suite\.yaml:\d+: not YAML"),
        ("seeds: 1-3", "seeds: 1\nseeds: 2", r"suite\.yaml:7: seeds: stands twice"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_file_line_and_field(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(InvalidSuite, match=says):
        expand(read_toy(tmp_path, suite=SUITE.replace(old, new, 1)))


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidSuite, match="2 mistakes") as caught:
        read_toy(tmp_path, suite=SUITE.replace("seeds: 1-3", "seeds: x").replace("[10, 12]", "fast"))
    assert "seeds" in str(caught.value)
    assert "speeds_mps" in str(caught.value)


def test_a_change_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSuite, match="--set seeds: is not key=value"):
        read_toy(tmp_path, "seeds")
    with pytest.raises(InvalidSuite, match="--set seeds=x: seeds: 'x' is no list of seeds"):
        read_toy(tmp_path, "seeds=x")


def test_a_suite_is_found_by_its_bare_name_and_a_missing_one_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    assert read_suite("quick").suite.name == "quick"
    with pytest.raises(InvalidSuite, match=r"quikc: no such suite file \(did you mean 'quick'"):
        read_suite("quikc")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("name: toy", "name: toy\nengine: threads", "engine: virtual"),
        (LAUNCH[LAUNCH.index("world") : LAUNCH.index("oper")], "", "no world"),
    ],
)
def test_a_launch_file_that_cannot_be_swept_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    launch = LAUNCH.replace(old, new).replace("{world.bold: true}", "{}")
    with pytest.raises(InvalidSuite, match=says):
        expand(read_toy(tmp_path, launch=launch))


@pytest.mark.parametrize(
    ("use", "pixels", "expected"),
    [
        ("detector.cnn", True, PIXELS),
        ("detector.truth", False, TRUTH),
        ("detector.fitted", False, FITTED),
        ("tracker.sort", True, NONE),
    ],
)
def test_a_run_says_with_which_perception_it_drives(use: str, pixels: bool, expected: str) -> None:
    settings = Settings.model_validate(
        {"name": "x", "duration": "1s", "operators": {"d": {"use": use}}, "world": {"use": "street", "pixels": pixels}}
    )
    assert perception(settings) == expected


@pytest.mark.parametrize("name", ["accuracy", "all", "outcomes", "quick"])
def test_the_shipped_suites_are_valid(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    changes = ["seeds=1", "speeds_mps=[10]"]
    tasks = expand(read_suite(name, changes))
    assert len(tasks) == len({(task.label, task.scene) for task in tasks}) > 0
    if name == "all":
        assert {task.perception for task in tasks} == {PIXELS, FITTED, TRUTH}
        assert {task.scene.family for task in tasks} == set(library.NAMES)


def test_a_suite_that_is_no_mapping_is_named(tmp_path: Path) -> None:
    for text, says in (("", "is empty"), ("[1]", "must be a mapping")):
        with pytest.raises(InvalidSuite, match=says):
            read_suite(written(tmp_path, text))
