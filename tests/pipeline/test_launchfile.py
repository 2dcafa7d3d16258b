"""Launch files: what they mean, and that every mistake is named with file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import ExecutionModel, UsageError, ms, seconds
from pipeline.building import build
from pipeline.errors import InvalidDuration, InvalidLaunchFile, MissingExtra, UnknownOperator
from pipeline.latency import MEASURED, Distribution
from pipeline.launchfile import LaunchFile, find, resolve
from pipeline.located import read, write
from pipeline.ports import keep_last

TOY = """\
name: toy
duration: 500ms
world: {use: "toys:Room", seats: 2}
operators:
  count:
    use: toys:Counter
    args: {upto: 30}
  scale:
    use: toys:Scale
    args: {factor: 3}
    inputs: {value: count.count}
    deadline: 8ms
  table:
    use: toys:Table
    inputs: {value: scale.scaled}
"""

pytestmark = pytest.mark.usefixtures("toys")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("toy.yaml")
    path.write_text(TOY)
    return path


def changed(old: str, new: str) -> LaunchFile:
    assert old in TOY
    Path("toy.yaml").write_text(TOY.replace(old, new))
    return resolve("toy.yaml")


def line_of(text: str) -> int:
    return next(i for i, line in enumerate(Path("toy.yaml").read_text().splitlines(), 1) if text in line)


# -- meaning ---------------------------------------------------------------------------------------------------------


def test_a_launch_file_becomes_a_graph_with_its_world_and_times(file: Path) -> None:
    built = build(resolve(file))
    graph = built.graph
    assert list(graph.operators) == ["count", "scale", "table"]
    assert [(str(e.source), str(e.target)) for e in graph.edges] == [
        ("count.count", "scale.value"),
        ("scale.scaled", "table.value"),
    ]
    assert [(d.output, d.within) for d in graph.deadlines] == [("scale.scaled", ms(8))]
    assert graph.execution is ExecutionModel.DYNAMIC
    assert built.settings.duration == ms(500)
    assert graph.operators["table"].world is built.world  # type: ignore[attr-defined]


def test_overrides_are_yaml_values_at_dotted_keys(file: Path) -> None:
    launch = resolve(
        file,
        ["scale.deadline=80ms", "operators.scale.args.names=[a, b]", "seed=3", "world.seats=7", "scale.args.factor=9"],
    )
    settings = launch.settings
    assert settings.operators["scale"].deadline == ms(80)
    assert settings.operators["scale"].args == {"factor": 9, "names": ["a", "b"]}
    assert settings.seed == 3
    built = build(launch)
    assert built.world is not None
    assert (built.world.seats, built.world.seed) == (7, 3)


def test_a_mapping_is_merged_and_everything_else_replaced(file: Path) -> None:
    launch = resolve(file, ["scale={latency: 2ms}", "scale.args.names=[a]"])
    assert launch.settings.operators["scale"].args == {"factor": 3, "names": ["a"]}
    assert launch.settings.operators["scale"].latency == {"": Distribution(ms(2), ms(2))}
    assert resolve(file, ["scale.args.names=[a]", "scale.args.names=[b]"]).settings.operators["scale"].args[
        "names"
    ] == ["b"]


def test_variants_are_overrides_and_the_command_line_has_the_last_word(file: Path) -> None:
    file.write_text(TOY + "variants:\n  plain: {}\n  hasty: {scale.deadline: 2ms, execution: static, seed: 5}\n")
    launch = resolve(file, ["seed=9"])
    assert list(launch.variants) == ["plain", "hasty"]
    assert [v.operators["scale"].deadline for v in launch.variants.values()] == [ms(8), ms(2)]
    assert [v.execution for v in launch.variants.values()] == ["dynamic", "static"]
    assert {v.seed for v in launch.variants.values()} == {9}


def test_the_resolved_text_is_a_launch_file_that_means_the_same(file: Path, tmp_path: Path) -> None:
    file.write_text(TOY + "variants:\n  hasty: {scale.deadline: 2ms}\n")
    launch = resolve(file, ["seed=9"])
    again = tmp_path / "again.yaml"
    again.write_text(launch.text("hasty"))
    assert resolve(again).settings == launch.variants["hasty"]


def test_deadlines_can_be_overridden_by_their_name(file: Path) -> None:
    file.write_text(TOY + "deadlines:\n  - {name: all, since: count.count, on: scale.scaled, within: 30ms}\n")
    (deadline,) = resolve(file, ["deadlines.all.within=60ms"]).settings.deadlines
    assert deadline.within == ms(60)


def test_every_kind_of_deadline_reaches_the_graph(file: Path) -> None:
    text = TOY + (
        "  allow: {use: toys:Allow, inputs: {value: count.count}}\n"
        "deadlines:\n"
        "  - {name: whole, since: count.count, on: scale.scaled, within: allow.budget, static: 70ms,\n"
        "     policy: continue, handler_budget: 2ms, reserve: {scale: 3ms}}\n"
        "  - {name: often, on: allow.budget, every: 40ms}\n"
    )
    file.write_text(text.replace("    deadline: 8ms\n", ""))
    whole, often = build(resolve(file)).graph.deadlines
    assert (str(whole.within), whole.static, whole.since) == ("allow.budget", ms(70), "count.count")
    assert (whole.policy.value, whole.handler_budget, whole.reserve) == ("continue", ms(2), {"scale": ms(3)})
    assert (often.every, often.within, often.output) == (True, ms(40), "allow.budget")


def test_candidates_queues_periods_and_feedback_reach_the_graph(file: Path) -> None:
    file.write_text(
        TOY.replace("    deadline: 8ms\n", "")
        + "    queue: {value: keep_last(2)}\n    period: 25ms\n"
        + "  split:\n    use: toys:Split\n    inputs: {value: scale.scaled, extra: back.same}\n    feedback: [extra]\n"
        + "  back: {use: 'toys:Fail', args: {at: -1}, inputs: {value: split.low}}\n"
    )
    launch = resolve(
        file,
        [
            "scale.candidates={slow: {use: 'toys:Scale', args: {factor: 4}, rank: 10, deadline: 20ms}}",
            "scale.candidates.off={use: 'toys:Nothing', rank: 11, enabled: false}",
            "count.period=5ms",
            "count.offset=1ms",
        ],
    )
    graph = build(launch).graph
    assert [(c.name, c.rank, c.within) for c in graph.candidates["scale"]] == [("slow", 10, ms(20))]
    assert graph.queues == {"table.value": keep_last(2)}
    assert graph.periods == {"table": ms(25)}
    assert [str(e.target) for e in graph.edges if e.feedback] == ["split.extra"]
    source = graph.operators["count"]
    assert (source.period, source.offset) == (ms(5), ms(1))  # type: ignore[attr-defined]


def test_the_run_s_seed_is_given_to_operators_that_ask_for_it(file: Path) -> None:
    assert build(resolve(file, ["seed=21"])).graph.operators["scale"].seed == 21  # type: ignore[attr-defined]
    explicit = resolve(file, ["seed=21", "scale.args.seed=4"])
    assert build(explicit).graph.operators["scale"].seed == 4  # type: ignore[attr-defined]


def test_a_duration_argument_is_read_with_its_unit(file: Path) -> None:
    assert build(resolve(file, ["scale.args.patience=2s"])).graph.operators["scale"].patience == seconds(2)  # type: ignore[attr-defined]
    with pytest.raises(
        InvalidDuration, match=r"-o scale.args.patience=2: operators.scale.args.patience: '2' has no unit"
    ):
        build(resolve(file, ["scale.args.patience=2"]))


def test_latencies_come_from_the_file_then_from_the_profile_and_else_from_nowhere(file: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\nstages:\n  scale: {default: {p50: 3ms, p99: 4ms}}\n")
    profiled = build(resolve(file, ["profile=./mine.yaml"]))
    assert profiled.latency.by_operator == {"scale": {"": Distribution(ms(3), ms(4))}}
    assert profiled.unprofiled == ()
    own = build(resolve(file, ["profile=./mine.yaml", "scale.latency={rough: 1ms, exact: {p50: 2ms, p99: 9ms}}"]))
    assert own.latency.by_operator["scale"] == {
        "rough": Distribution(ms(1), ms(1)),
        "exact": Distribution(ms(2), ms(9)),
    }
    assert build(resolve(file, ["latency=measured"])).latency.by_operator == {"scale": {"": MEASURED}}
    assert build(resolve(file)).unprofiled == ("scale",)


def test_on_yes_and_clock_times_are_plain_text() -> None:
    values = read("{on: yes, off: 1:30, a: 2026-11-21, b: 1e3, c: 010, d: ~, e: 'true'}", "x").value
    assert values == {"on": "yes", "off": "1:30", "a": "2026-11-21", "b": 1000.0, "c": 10, "d": None, "e": "true"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=5), inner, max_size=3),
        max_leaves=8,
    )
)
def test_what_is_written_is_read_back_the_same(value: object) -> None:
    assert read(write(value), "x").value == value


def test_a_bare_name_is_looked_up_in_the_launch_folder(file: Path) -> None:
    Path("launch").mkdir()
    file.rename("launch/toy.yaml")
    assert find("toy") == Path("launch/toy.yaml")


# -- mistakes --------------------------------------------------------------------------------------------------------


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
