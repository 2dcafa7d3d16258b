"""The drawing of a graph: complete, well-formed, nothing on top of anything else, safe whatever things are called."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import Budget, Graph, Input, Message, Operator, Output, Source, latest, ms
from pipeline.report.drawing import mermaid, svg
from pipeline.report.layout import GAP_X, Cell, crossings, join, place_rows, sort_rows

SVG = "{http://www.w3.org/2000/svg}"


class Thing(Message, frozen=True, kw_only=True):
    number: int = 0


class Camera(Source):
    frame = Output(Thing)
    period = ms(50)


class Step(Operator):
    thing = Input(Thing)
    more = Input(Thing, join=latest(), required=False)
    result = Output(Thing)


class Policy(Operator):
    thing = Input(Thing)
    budget = Output(Budget)


class Sink(Operator):
    thing = Input(Thing)


class Place(NamedTuple):
    x: float
    y: float
    width: float
    height: float


def drive() -> Graph:
    graph = Graph("a <drive> & more")
    camera, detect, plan, policy, sink = Camera(), Step(), Step(), Policy(), Sink()
    for operator, name in ((camera, "camera"), (detect, "detect"), (plan, "plan"), (policy, "policy"), (sink, "sink")):
        graph.add(operator, name)
    graph.connect(camera.frame, detect.thing)
    graph.connect(detect.result, plan.thing)
    graph.connect(detect.result, policy.thing)
    graph.connect(plan.result, sink.thing)
    graph.connect(plan.result, detect.more, feedback=True)
    graph.candidate(detect, Step(), name="cloud", rank=10, within=ms(150), remote=True)
    graph.deadline(plan.result, within=policy.budget, since=camera.frame, static=ms(300), name="end-to-end")
    graph.deadline(detect.result, within=ms(80))
    return graph


def parsed(graph: Graph) -> ElementTree.Element:
    return ElementTree.fromstring(svg(graph))


def words(graph: Graph) -> list[str]:
    return ["".join(text.itertext()) for text in parsed(graph).iter(f"{SVG}text")]


def boxes(graph: Graph) -> list[Place]:
    found = [rect for rect in parsed(graph).iter(f"{SVG}rect") if rect.get("class") in ("source", "box", "sink")]
    return [Place(*(float(rect.get(name, "")) for name in ("x", "y", "width", "height"))) for rect in found]


def test_every_operator_stream_candidate_and_deadline_is_named() -> None:
    said = words(drive())
    for name in ("camera", "detect", "plan", "policy", "sink"):
        assert name in said
    assert "frame: Thing" in said
    assert "local · rank 0" in said and "cloud · rank 10, ≤ 150 ms, remote" in said
    assert "within 80 ms" in said
    assert {"starts end-to-end", "ends end-to-end", "since camera.frame", "within policy.budget"} <= set(said)


def test_every_edge_is_drawn_and_says_from_where_to_where() -> None:
    titles = [title.text or "" for path in parsed(drive()).iter(f"{SVG}path") for title in path.iter(f"{SVG}title")]
    for edge in drive().edges:
        assert sum(title.startswith(f"{edge.source} → {edge.target}:") for title in titles) == 1
    assert "policy.budget sets the budget of end-to-end" in titles


def test_what_is_fed_back_and_what_is_a_budget_look_different_from_a_stream() -> None:
    kinds = {
        (title.text or "").partition(":")[0]: path.get("class")
        for path in parsed(drive()).iter(f"{SVG}path")
        for title in path.iter(f"{SVG}title")
    }
    assert kinds["camera.frame → detect.thing"] == "stream"
    assert kinds["plan.result → detect.more"] == "stream back"
    assert kinds["policy.budget sets the budget of end-to-end"] == "budget"


def test_streams_run_down_the_page_and_a_policy_stands_above_what_it_sets_the_budget_of() -> None:
    camera, detect, plan, policy, sink = boxes(drive())
    assert camera.y < detect.y < policy.y < plan.y < sink.y


def test_a_policy_that_reads_what_its_own_deadline_ends_can_be_drawn() -> None:
    graph = Graph("circle")
    camera, plan, policy = Camera(), Step(), Policy()
    graph.connect(camera.frame, plan.thing)
    graph.connect(plan.result, policy.thing)
    graph.deadline(plan.result, within=policy.budget, static=ms(100))
    assert len(boxes(graph)) == 3


def test_a_source_stands_right_above_its_first_reader() -> None:
    graph = drive()
    late, last = Camera(), Step()
    graph.add(late, "late")
    graph.connect(late.frame, last.thing)
    graph.connect(graph.operators["plan"].outputs()[0], last.more)
    camera, _, plan, _, _, source, reader = boxes(graph)
    assert camera.y < plan.y == source.y < reader.y


def test_names_cannot_break_out_of_the_drawing() -> None:
    assert "a &lt;drive&gt; &amp; more" in svg(drive())
    graph = Graph("odd")
    graph.add(type("<b>Odd</b>", (Step,), {})(), "odd")
    assert "<b>Odd</b>" in words(graph)
    assert "<b>" not in svg(graph) and "<b>" not in mermaid(graph)


def test_the_drawing_needs_nothing_from_outside_and_no_script() -> None:
    text = svg(drive())
    assert "<script" not in text and "url(http" not in text
    assert re.findall(r"https?://[^\"\s]+", text) == ["http://www.w3.org/2000/svg"]
    assert "prefers-color-scheme:dark" in text


def test_a_graph_without_operators_can_be_drawn() -> None:
    assert "no operators yet" in words(Graph("empty"))
    assert mermaid(Graph("empty")) == "flowchart TB\n"


def test_the_same_graph_gives_the_same_drawing() -> None:
    assert svg(drive()) == svg(drive())


def test_mermaid_has_every_operator_edge_budget_and_deadline() -> None:
    text = mermaid(drive())
    assert text.startswith("flowchart TB\n")
    assert 'n0(["camera<br/>Camera, every 50 ms"])' in text
    assert 'n0 -->|"frame: Thing"| n1' in text and 'n2 -.->|"result: Thing"| n1' in text
    assert 'n3 -.->|"budget of end-to-end"| n2' in text
    assert 'n0 -. "end-to-end: plan.result within policy.budget of camera.frame" .-> n2' in text


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_no_two_boxes_overlap_and_all_of_them_are_on_the_page(data: st.DataObject) -> None:
    graph = Graph("any")
    steps: list[Step] = []
    camera = Camera()
    graph.add(camera, "camera")
    for index in range(data.draw(st.integers(1, 9), label="operators")):
        step = Step()
        graph.add(step, f"step_{index}" + "_long" * data.draw(st.integers(0, 4)))
        before = [camera.frame, *(other.result for other in steps)]
        graph.connect(data.draw(st.sampled_from(before)), step.thing)
        if data.draw(st.booleans()):
            graph.connect(data.draw(st.sampled_from(before)), step.more)
        steps.append(step)
    places = boxes(graph)
    assert len(places) == len(graph.operators)
    width, height = (float(parsed(graph).get(name, "")) for name in ("width", "height"))
    for i, a in enumerate(places):
        assert a.x >= 0 and a.y >= 0 and a.x + a.width <= width and a.y + a.height <= height
        for b in places[:i]:
            apart_x = a.x + a.width <= b.x or b.x + b.width <= a.x
            assert apart_x or a.y + a.height <= b.y or b.y + b.height <= a.y


def test_layers_are_reordered_until_nothing_crosses_where_that_is_possible() -> None:
    upper, lower = [[Cell(f"{row}{i}", 20.0, 10.0, True) for i in range(4)] for row in "ab"]
    for i, cell in enumerate(upper):
        join(cell, lower[3 - i])
    rows = [list(upper), list(lower)]
    assert crossings(rows) == 6
    sort_rows(rows)
    assert crossings(rows) == 0


def test_the_lanes_of_a_stream_that_passes_layers_stand_in_one_line() -> None:
    top, bottom = Cell("top", 60.0, 20.0, True), Cell("bottom", 60.0, 20.0, True)
    lanes = [Cell("way", 16.0, 0.0, False) for _ in range(3)]
    others = [Cell(f"other{i}", 40.0 + 250.0 * (i % 2), 20.0, True) for i in range(3)]
    for above, below in zip([top, *lanes], [*lanes, bottom], strict=True):
        join(above, below)
    for above, below in zip([top, *others], [*others, bottom], strict=True):
        join(above, below)
    place_rows([[top], *([other, lane] for lane, other in zip(lanes, others, strict=True)), [bottom]])
    assert len({lane.x for lane in lanes}) == 1
    for lane, other in zip(lanes, others, strict=True):
        assert lane.x - other.x >= (lane.width + other.width) / 2 + GAP_X - 1e-6


@given(st.integers(1, 6), st.floats(20.0, 200.0))
def test_readers_stand_evenly_around_their_writer(readers: int, width: float) -> None:
    writer = Cell("writer", 60.0, 20.0, True)
    below = [Cell(str(i), width, 20.0, True) for i in range(readers)]
    for cell in below:
        join(writer, cell)
    place_rows([[writer], below])
    assert sum(cell.x for cell in below) / readers == pytest.approx(writer.x, abs=1e-6)


@given(st.lists(st.floats(10.0, 300.0), min_size=2, max_size=8))
def test_neighbours_keep_their_order_and_their_distance(widths: list[float]) -> None:
    row = [Cell(str(i), width, 10.0, True) for i, width in enumerate(widths)]
    place_rows([row])
    for left, right in zip(row, row[1:], strict=False):
        assert right.x - left.x >= (left.width + right.width) / 2 + GAP_X - 1e-6


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_the_names_of_several_outputs_do_not_run_into_each_other(outputs: int) -> None:
    ports = {f"a_rather_long_name_{i}": Output(Thing) for i in range(outputs)}
    source = type("Many", (Source,), {**ports, "period": ms(10)})()
    for port in source.outputs():
        assert port.owner is source
    graph = Graph("many")
    graph.add(source, "many")
    labels = [text for text in parsed(graph).iter(f"{SVG}text") if text.get("class") == "halo"]
    starts = sorted(float(label.get("x", "")) for label in labels)
    assert len(starts) == outputs
    assert all(b - a >= 5.0 * len("a_rather_long_name_0: Thing") for a, b in zip(starts, starts[1:], strict=False))
