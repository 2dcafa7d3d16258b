"""Launch files: what they mean. What can be wrong with them: see ``test_launchfile_mistakes``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import ExecutionModel, ms, seconds
from pipeline.building import build
from pipeline.errors import InvalidDuration
from pipeline.latency import MEASURED, Distribution
from pipeline.launchfile import find, resolve
from pipeline.located import read, write
from pipeline.ports import keep_last
from tests.pipeline.toy_launch import TOY

pytestmark = pytest.mark.usefixtures("toys")


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


def test_on_the_wall_clock_the_world_lets_one_thread_in_at_a_time(file: Path) -> None:
    built = build(resolve(file, ["engine=threads"]))
    assert built.world is not None
    inside: list[int] = []
    together: list[int] = []

    def visit() -> None:
        inside.append(1)
        together.append(len(inside))
        inside.pop()

    built.world._world.visit = visit
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: built.world.visit(), range(200)))
    assert set(together) == {1}
    assert built.world.seats == 2
