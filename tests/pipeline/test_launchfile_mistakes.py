"""Every mistake in a launch file is named with file, line and field, and all of them at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import UsageError
from pipeline.building import build
from pipeline.errors import InvalidDuration, InvalidLaunchFile, MissingExtra, UnknownOperator
from pipeline.launchfile import resolve
from tests.pipeline.toy_launch import TOY, changed, line_of

pytestmark = pytest.mark.usefixtures("toys")


def test_a_deadline_without_a_unit_is_named_with_file_line_and_field(file: Path) -> None:
    with pytest.raises(InvalidDuration) as caught:
        changed("8ms", "80")
    assert str(caught.value).startswith("toy.yaml:12: operators.scale.deadline: '80' has no unit (")


@pytest.mark.parametrize(
    ("old", "new", "field", "says"),
    [
        ("8ms", "80 parsecs", "operators.scale.deadline", "unknown unit 'parsecs'"),
        ("8ms", "-8ms", "operators.scale.deadline", "must be positive"),
        ("8ms", "0ms", "operators.scale.deadline", "must be positive"),
        ("8ms", "true", "operators.scale.deadline", "not a duration"),
        ("500ms", "1e30s", "duration", "does not fit"),
    ],
)
def test_a_wrong_time_is_an_invalid_duration(file: Path, old: str, new: str, field: str, says: str) -> None:
    with pytest.raises(InvalidDuration, match=says) as caught:
        changed(old, new)
    assert caught.value.where == f"toy.yaml:{line_of(': ' + new)}: {field}"


@pytest.mark.parametrize(
    ("old", "new", "where", "says"),
    [
        ("deadline: 8ms", "dedline: 8ms", "operators.scale.dedline", "did you mean 'deadline'"),
        ("    args: {factor: 3}", "    factor: 3", "operators.scale.factor", "go under args"),
        ("name: toy", "nam: toy", "nam", "did you mean 'name'"),
        ("duration: 500ms", "seed: 1", "", "'duration' is missing"),
        ("name: toy", "name: toy\nseed: -1", "seed", "greater than or equal to 0"),
        ("name: toy", "name: ../toy", "name", "cannot name a folder"),
        ("name: toy", "name: toy\nexecution: sometimes", "execution", "none of 'periodic'"),
        ("name: toy", "name: toy\nseed: 'x'", "seed", "'x' must be a whole number"),
        ("{value: count.count}", "{value: count}", "operators.scale.inputs.value", "is not a stream"),
        ("    deadline: 8ms", "    queue: {value: keep_all}", "operators.scale.queue.value", "is not a queue rule"),
        ("    deadline: 8ms", "    latency: {p50: 9ms, p99: 3ms}", "operators.scale.latency", "above p99"),
        ("    deadline: 8ms", "    args: {factor: 4}", "operators.scale.args", "stands twice, first at toy.yaml:10"),
        ("operators:", "deadlines: [{on: a.b}]\noperators:", "deadlines.0", "either within or every"),
        ("operators:", "deadlines: {on: a.b}\noperators:", "deadlines", "must be a list"),
        ("operators:", "variants: {a/b: {}}\noperators:", "variants.a/b", "cannot name a folder"),
        ("operators:", "variants: {a: 3}\noperators:", "variants.a", "must be a mapping"),
    ],
)
def test_a_mistake_of_shape_is_named_with_its_line(file: Path, old: str, new: str, where: str, says: str) -> None:
    with pytest.raises(InvalidLaunchFile) as caught:
        changed(old, new)
    assert says in str(caught.value)
    assert caught.value.where.startswith("toy.yaml:")
    assert caught.value.where.endswith(f": {where}" if where else ":1")


@pytest.mark.parametrize(
    ("old", "new", "where", "says"),
    [
        ("toys:Scale", "toys:Scald", "operators.scale.use", "did you mean 'Scale'"),
        ("toys:Scale", "toyz:Scale", "operators.scale.use", "there is no module toyz"),
        ("toys:Scale", "toys:Room", "operators.scale.use", "is not an operator"),
        ("toys:Scale", "planer.frenet", "operators.scale.use", "did you mean 'planner.frenet'"),
        ("toys:Room", "stret", "world.use", "did you mean 'street'"),
        ("seats: 2", "seats: 0", "world", "a room with 0 seats"),
        ("seats: 2", "chairs: 2", "world.chairs", "takes no argument 'chairs'"),
        ("factor: 3", "facter: 3", "operators.scale.args.facter", "did you mean 'factor'"),
        ("    args: {factor: 3}\n", "", "operators.scale", "needs the argument 'factor'"),
        ("factor: 3", "factor: three", "operators.scale.args.factor", "valid integer"),
        ("factor: 3", "factor: 3, names: [a, 1]", "operators.scale.args.names.1", "valid string"),
        ("count.count", "cont.count", "operators.scale.inputs.value", "did you mean 'count'"),
        ("count.count", "count.cont", "operators.scale.inputs.value", "did you mean 'count'"),
        ("{value: count.count}", "{valu: count.count, value: count.count}", "operators.scale.inputs.valu", "no input"),
        ("    inputs: {value: count.count}\n", "", "operators.scale", "written by count.count"),
        ("    deadline: 8ms", "    deadline: alow.budget", "operators.scale.deadline", "no operator 'alow'"),
        ("    deadline: 8ms", "    offset: 8ms", "operators.scale.offset", "not a source"),
        ("    deadline: 8ms", "    feedback: [valu]", "operators.scale.feedback", "did you mean 'value'"),
        ("name: toy", "name: toy\nprofile: orinn", "profile", "did you mean 'orin'"),
    ],
)
def test_a_mistake_of_meaning_is_named_with_its_line(file: Path, old: str, new: str, where: str, says: str) -> None:
    launch = changed(old, new)
    with pytest.raises((InvalidLaunchFile, UnknownOperator)) as caught:
        build(launch)
    assert says in str(caught.value)
    assert caught.value.where.startswith("toy.yaml:")
    assert caught.value.where.endswith(f": {where}")


def test_without_a_world_the_operator_that_needs_one_says_so(file: Path) -> None:
    launch = changed('world: {use: "toys:Room", seats: 2}\n', "")
    with pytest.raises(InvalidLaunchFile, match="operators.table: Table needs a world") as caught:
        build(launch)
    assert "world: section" in caught.value.hint


def test_a_type_mismatch_names_both_ports_and_both_lines(file: Path) -> None:
    launch = changed("    use: toys:Counter\n    args: {upto: 30}", "    use: toys:Shout")
    Path("toy.yaml").write_text(Path("toy.yaml").read_text().replace("count.count", "count.word"))
    launch = resolve("toy.yaml")
    with pytest.raises(InvalidLaunchFile) as caught:
        build(launch)
    assert "count.word writes str (toy.yaml:5), scale.value reads int" in str(caught.value)
    assert str(caught.value).startswith("toy.yaml:10: operators.scale.inputs.value: ")


def test_two_outputs_need_a_deadline_that_says_which(file: Path) -> None:
    launch = changed("    use: toys:Scale\n    args: {factor: 3}", "    use: toys:Split")
    Path("toy.yaml").write_text(Path("toy.yaml").read_text().replace("scale.scaled", "scale.low"))
    launch = resolve("toy.yaml")
    with pytest.raises(InvalidLaunchFile, match="operators.scale.deadline: scale has 2 outputs"):
        build(launch)


def test_all_mistakes_are_reported_at_once(file: Path) -> None:
    text = TOY.replace("8ms", "8").replace("500ms", "soon").replace("upto: 30}", "upto: 30}\n    colour: red")
    file.write_text(text)
    with pytest.raises(InvalidLaunchFile) as caught:
        resolve(file, ["scle.deadline=3ms"])
    assert str(caught.value).splitlines()[0] == "4 mistakes:"
    assert all(place in str(caught.value) for place in ("toy.yaml:2", "toy.yaml:8", "toy.yaml:13", "-o scle.deadline"))


def test_one_broken_world_is_not_reported_once_per_operator(file: Path) -> None:
    launch = changed("seats: 2", "seats: 0")
    with pytest.raises(InvalidLaunchFile) as caught:
        build(launch)
    assert "mistakes" not in str(caught.value)


def test_a_cycle_is_refused_unless_declared(file: Path) -> None:
    launch = changed("{value: count.count}", "{value: back.same}")
    Path("toy.yaml").write_text(
        Path("toy.yaml").read_text() + "  back: {use: 'toys:Fail', args: {at: 1}, inputs: {value: scale.scaled}}\n"
    )
    launch = resolve("toy.yaml")
    with pytest.raises(InvalidLaunchFile, match="toy.yaml:1: cycle among"):
        build(launch)


@pytest.mark.parametrize(
    ("override", "kind", "says"),
    [
        ("detct.deadline=80ms", UnknownOperator, "no operator and no field 'detct'"),
        ("operators.scle.deadline=80ms", UnknownOperator, "did you mean 'scale'"),
        ("scale.deadline", InvalidLaunchFile, "is not key=value"),
        ("scale.deadline=", InvalidLaunchFile, "is not key=value"),
        ("scale.args=[1", InvalidLaunchFile, "not YAML"),
        ("scale.deadline=80", InvalidDuration, "'80' has no unit"),
        ("name.x=3", InvalidLaunchFile, "name is 'toy'"),
        ("deadlines.all.within=3ms", InvalidLaunchFile, "'all'"),
        ("seed=1.5", InvalidLaunchFile, "must be a whole number"),
    ],
)
def test_a_wrong_override_is_named(file: Path, override: str, kind: type[UsageError], says: str) -> None:
    with pytest.raises(kind) as caught:
        resolve(file, [override])
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"-o {override}: ")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"- a\n", "must be a mapping"),
        (b"a: [1\nb: }", "toy.yaml:2: not YAML"),
        (b"\xff\xfe", "cannot be read"),
        (b"a: &x [*x]\n", "levels deep"),
        (b"name: !!python/object:os.system x\n", "cannot read"),
        (b"{[1]: 2, name: a}", "plain text"),
    ],
)
def test_a_file_that_is_no_launch_file_is_refused(file: Path, content: bytes, says: str) -> None:
    file.write_bytes(content)
    with pytest.raises(InvalidLaunchFile) as caught:
        resolve(file)
    assert says in str(caught.value)


def test_a_missing_file_is_named_with_what_there_is(file: Path) -> None:
    with pytest.raises(InvalidLaunchFile, match="did you mean 'toy.yaml'"):
        resolve("toi.yaml")


def test_an_unknown_variant_is_named_with_those_there_are(file: Path) -> None:
    file.write_text(TOY + "variants: {plain: {}, hasty: {}}\n")
    with pytest.raises(InvalidLaunchFile, match="did you mean 'hasty'"):
        build(resolve(file), "hasti")


def test_an_operator_that_needs_an_extra_says_which(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "heavy.py").write_text("import carla_is_not_here\nimport carla\n")
    (tmp_path / "heavy2.py").write_text("import carla.no_such\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingExtra, match="needs carla_is_not_here"):
        build(changed("toys:Scale", "heavy:X"))
    with pytest.raises(MissingExtra, match=r"pip install 'skylane\[carla\]'"):
        build(changed("toys:Scale", "heavy2:X"))
