"""Drawings of a graph show every operator, stream and deadline, and no stream crosses a box."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from pipeline import Graph
from pipeline.building import build
from pipeline.drawing import mermaid, plain, svg
from pipeline.launchfile import resolve

WIDE = """\
name: wide
duration: 1s
operators:
  a: {use: "toys:Counter"}
  b: {use: "toys:Counter"}
  c: {use: "toys:Scale", args: {factor: 1}, inputs: {value: a.count}}
  d: {use: "toys:Scale", args: {factor: 1}, inputs: {value: c.scaled}}
  e: {use: "toys:Split", inputs: {value: d.scaled, extra: b.count}}
  f: {use: "toys:Allow", inputs: {value: c.scaled}}
deadlines:
  - {name: whole, since: a.count, on: e.low, within: f.budget}
"""


@pytest.fixture
def graph(toys: None, tmp_path: Path) -> Graph:
    (tmp_path / "wide.yaml").write_text(WIDE)
    return build(resolve(tmp_path / "wide.yaml")).graph


def test_plain_values_name_every_end_of_every_stream(graph: Graph) -> None:
    drawn = plain(graph)
    assert {(edge["from"], edge["to"]) for edge in drawn["edges"]} == {
        ("a.count", "c.value"),
        ("c.scaled", "d.value"),
        ("d.scaled", "e.value"),
        ("b.count", "e.extra"),
        ("c.scaled", "f.value"),
    }
    assert drawn["deadlines"][0]["within"] == "f.budget"
    assert drawn["operators"]["e"]["outputs"] == {"low": "int", "high": "int"}


def test_mermaid_has_a_line_per_operator_stream_and_budget(graph: Graph) -> None:
    lines = mermaid(graph).splitlines()
    assert len(lines) == 1 + 6 + 5 + 1
    assert sum("-.->" in line for line in lines) == 1


def test_the_svg_names_every_operator_and_every_stream(graph: Graph) -> None:
    drawing = ElementTree.fromstring(svg(graph))
    texts = {element.text for element in drawing.iter() if element.tag.endswith("}text")}
    titles = {element.text for element in drawing.iter() if element.tag.endswith("}title")}
    assert set("abcdef") <= texts
    assert {"b.count → e.extra", "budget of whole"} <= titles


def test_a_stream_passes_the_operators_between_its_ends_and_does_not_cross_them(graph: Graph) -> None:
    drawing = ElementTree.fromstring(svg(graph))
    boxes = [
        {k: int(r.attrib[k]) for k in ("x", "y", "width", "height")} for r in drawing.iter() if r.tag.endswith("rect")
    ]
    assert len(boxes) == 6
    passing = re.findall(r"(\d+) (\d+)H(\d+)", svg(graph))
    assert passing, "b's stream passes two columns"
    for x0, y, x1 in ((int(part) for part in found) for found in passing):
        assert not [
            b for b in boxes if b["x"] < x1 and x0 < b["x"] + b["width"] and b["y"] <= y <= b["y"] + b["height"]
        ]
