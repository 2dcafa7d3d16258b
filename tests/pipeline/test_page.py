"""The report's page: complete, self-contained, safe whatever stands in a record, and honest about limits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pipeline import events as ev
from pipeline import ms
from pipeline.report import timeline
from pipeline.report.page import NOT_USED, page
from pipeline.report.panels import Panel, RunData
from pipeline.report.timeline import timelines
from pipeline.runlog import LoggedMessage

LAUNCH = "operators:\n  camera: {}\n  detect: {}\n  plan: {}\n"
RESULT = {
    "response": "plan.trajectory",
    "execution": "dynamic",
    "duration_s": 1.0,
    "latency_ms_p50": 90.0,
    "latency_ms_p99": 120.0,
    "deadline_misses": 3,
    "winners": {"detect": {"local": 6, "cloud": 4}},
    "dropped": {"overload": 2},
    "output_hash": "abcdef0123456789",
}


@dataclass
class Log:
    """What a page asks of a log."""

    items: Sequence[ev.Event] = ()
    answers: Sequence[LoggedMessage] = ()
    launch: str = LAUNCH
    metadata: dict[str, str] = field(default_factory=lambda: {"hash": "0123456789abcdef", "python": "3.11"})

    def events(self) -> Iterator[ev.Event]:
        return iter(self.items)

    def messages(self, topic: str) -> Iterator[LoggedMessage]:
        return iter(self.answers if topic == "plan.trajectory" else ())


FAULT = {
    "at_s": 1.25,
    "operator": "",
    "process": "p<b>",
    "kind": "killed",
    "reason": "ended by <SIGKILL>",
    "count": 2,
    "last_s": 1.5,
    "recovered_s": None,
}


def finished(operator: str, start: int, end: int, *, work: str = "", candidate: str = "local") -> ev.Finished:
    return ev.Finished(ms(end), operator, 0, candidate, ms(start), work, "done")


def armed(at: int, t: int, limit: int, operator: str = "plan") -> ev.Armed:
    return ev.Armed(ms(at), operator, ms(t), "end-to-end", ms(t + limit))


def budget(at: int, within: int, reason: str) -> ev.BudgetSet:
    return ev.BudgetSet(ms(at), "policy", ms(at), "end-to-end", ms(within), reason)


def answer(t: int, at: int) -> LoggedMessage:
    return LoggedMessage(ms(t), ms(at), ms(t), "final", "local", "", {})


def run(name: str = "dynamic", log: Log | None = None, **result: Any) -> RunData:
    return RunData(name, Path("nowhere"), {**RESULT, **result}, log or Log())  # type: ignore[arg-type]


def text_of(html: str) -> str:
    class Reader(HTMLParser):
        words: list[str] = []

        def handle_data(self, data: str) -> None:
            self.words.append(data)

    reader = Reader()
    reader.words = []
    reader.feed(html)
    return " ".join(" ".join(reader.words).split())


def data_of(html: str) -> Any:
    found = re.search(r"const DATA = (.*?);\n", html)
    assert found is not None
    return json.loads(found[1])


# -- the page ------------------------------------------------------------------------------------------------------


def test_the_page_opens_without_asking_for_anything_from_outside() -> None:
    html = page("A run", [run()], [])
    assert not re.findall(r"""(?:src|href|url|import|fetch)\s*[=(:]\s*["']?(?:https?:)?//""", html)
    assert "{{" not in html.replace(LAUNCH, "")


def test_every_variant_stands_in_the_headline_with_what_became_of_it() -> None:
    hit = run("periodic", collided=True, collided_with="pedestrian", impact_speed_mps=4.73, min_gap_m=0.0)
    stopped = run("dynamic", collided=False, min_gap_m=2.345)
    said = text_of(page("x", [hit, stopped], []))
    assert "periodic hit a pedestrian 4.7 m/s 0.00 m 90 ms 120 ms 3 detect: local 6, cloud 4 abcdef01" in said
    assert "dynamic no collision – 2.35 m" in said


@pytest.mark.parametrize("execution", ["periodic", "data-driven"])
def test_a_variant_without_deadlines_is_not_praised_for_missing_none(execution: str) -> None:
    assert "no deadlines" in text_of(page("x", [run(execution=execution, deadline_misses=0)], []))
    assert "no deadlines" not in text_of(page("x", [run(execution="static", deadline_misses=0)], []))


def test_a_run_that_was_killed_has_a_page_too() -> None:
    log = Log([finished("detect", 10, 90)])
    killed = RunData("killed", Path("nowhere"), {}, log)  # type: ignore[arg-type]
    assert "killed" in text_of(page("x", [killed], []))
    assert timelines([killed])[0]["end"] == 90.0


def test_what_looks_like_a_field_of_the_template_is_left_as_it_is() -> None:
    log = Log(launch="operators: {}\nname: '{{data}} {{script}} {{nothing}}'\n")
    html = page("{{style}}", [run(log=log)], [Panel("{{sections}}", "<p>{{title}}</p>")])
    said = text_of(html)
    assert "{{data}} {{script}} {{nothing}}" in said and "{{title}}" in said and "{{sections}}" in said
    assert "<title>{{style}}</title>" in html


def test_nothing_in_a_record_can_end_the_script_or_become_markup() -> None:
    evil = "</script><!--<script>alert(1)"
    log = Log([finished("detect", 0, 5, work=evil)], launch=f"operators: {{}} # {evil}")
    html = page(evil, [run(evil, log=log, collided=True, collided_with=evil, winners={evil: {evil: 1}})], [])
    assert evil not in html
    assert html.count("<script") == html.count("</script>") == 1
    assert data_of(html)["runs"][0]["kinds"] == [evil]


def test_panels_of_other_packages_stand_where_their_order_says() -> None:
    html = page("x", [run()], [Panel("Driving", "<p>fast</p>", 10), Panel("Last & least", "<p>slow</p>", 99)])
    titles = re.findall(r"<h2>(.*?)</h2>", html)
    assert titles[0] == "Outcome" and titles[1] == "Driving" and titles[-1] == "Last &amp; least"
    assert "<p>fast</p>" in html


def test_a_candidate_has_one_colour_in_all_variants() -> None:
    runs = [
        run("a", winners={"detect": {"cloud": 9, "local": 1}}),
        run("b", winners={"detect": {"local": 5, "cloud": 5}}),
    ]
    html = page("x", runs, [])
    for name in ("cloud", "local"):
        assert len(set(re.findall(rf'background:(#\w+);color:#\w+" title="{name}:', html))) == 1
    assert len(set(re.findall(r'background:(#\w+);color:#\w+" title="', html))) == 2


def test_every_reason_for_a_drop_is_counted_and_explained() -> None:
    said = text_of(page("x", [run(dropped={"overload": 114, "new_reason": 7})], []))
    assert "variant new_reason overload dynamic 7 114" in said
    assert NOT_USED["overload"] in said


def test_launch_file_hash_and_versions_stand_on_the_page() -> None:
    said = text_of(page("x", [run()], []))
    assert "0123456789abcdef" in said and "python 3.11" in said and "camera: {}" in said


# -- the data behind the plots -------------------------------------------------------------------------------------


def test_each_answer_is_drawn_under_the_limit_that_held_for_it() -> None:
    # The policy shortens the budget while t=50 is under way: what started before keeps the longer one.
    events = [budget(10, 480, "free"), armed(52, 50, 480), budget(60, 240, "a person"), armed(105, 100, 240)]
    log = Log(events, [answer(50, 317), answer(100, 330)])
    assert timelines([run(log=log)])[0]["budgets"] == [[52.0, 480.0, "free"], [317.0, 240.0, "a person"]]


def test_a_static_deadline_has_its_limit_drawn_too() -> None:
    log = Log([armed(0, 0, 300), armed(50, 50, 300)], [answer(0, 120), answer(50, 170)])
    assert [row[1] for row in timelines([run(log=log)])[0]["budgets"]] == [300.0, 300.0]


def test_of_several_deadlines_the_earliest_is_the_limit() -> None:
    log = Log([armed(0, 0, 300), armed(0, 0, 200), armed(0, 0, 250)], [answer(0, 120)])
    assert [row[1] for row in timelines([run(log=log)])[0]["budgets"]] == [200.0]


def test_limits_of_other_operators_are_not_the_answers() -> None:
    log = Log([armed(0, 0, 80, operator="detect")], [answer(0, 120)])
    assert timelines([run(log=log)])[0]["budgets"] == []


def test_lanes_stand_in_the_order_of_the_launch_file() -> None:
    log = Log([finished("plan", 1, 2), finished("other", 1, 2), finished("detect", 1, 2)])
    assert timelines([run(log=log)])[0]["lanes"] == ["detect", "plan", "other"]


def test_a_record_whose_launch_file_cannot_be_read_has_lanes_all_the_same() -> None:
    for launch in ("", "[", "- a\n- b", "operators"):
        log = Log([finished("plan", 1, 2), finished("detect", 1, 2)], launch=launch)
        assert timelines([run(log=log)])[0]["lanes"] == ["plan", "detect"]


def test_kinds_mean_the_same_in_all_variants_and_rivals_come_first() -> None:
    one = run("one", log=Log([finished("detect", 0, 5, work="small"), finished("plan", 5, 7, work="fine")]))
    two = run("two", log=Log([finished("plan", 5, 7, work="fine"), finished("detect", 0, 5, candidate="cloud")]))
    first, second = timelines([one, two])
    assert first["kinds"] == second["kinds"] == ["cloud", "small", "fine"]
    assert first["rivals"] == 2
    assert [first["kinds"][row[1]] for row in first["slices"]] == ["small", "fine"]
    assert [second["kinds"][row[1]] for row in second["slices"]] == ["cloud", "fine"]


def test_misses_and_real_drops_are_marked_and_ordinary_ones_are_not() -> None:
    missed = ev.Missed(ms(80), "detect", ms(0), "d", ms(80), ms(80), (), "deadline")
    drops = [
        ev.Dropped(ms(20), "detect", ms(20), "detect.frame", reason)
        for reason in ("overload", "superseded", "no_partner")
    ]
    marks = timelines([run(log=Log([finished("detect", 0, 30), *drops, missed]))])[0]["marks"]
    assert [(why, at) for _, why, at, _ in marks] == [("overload", 20.0), ("miss", 80.0)]


def test_a_long_run_keeps_its_end_and_the_page_says_from_when_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "SLICES_MAX", 3)
    log = Log([finished("detect", 100 * i, 100 * i + 50) for i in range(10)])
    row = timelines([run(log=log)])[0]
    assert [part[2] for part in row["slices"]] == [700.0, 800.0, 900.0]
    assert "only what happened after 0.7 s is drawn" in text_of(page("x", [run(log=log)], []))
    assert "only what happened" not in text_of(page("x", [run()], []))


def test_faults_have_a_panel_that_says_where_when_and_what_they_mean_and_no_fault_has_none() -> None:
    html = page("x", [run(faults=[FAULT], processes={"p<b>": {"restarts": 3, "rss_mb_max": 9.0}})], [])
    text = text_of(html)
    for part in ("Health", "p<b>", "killed", "ended by <SIGKILL>", "1.25 s", "started again: dynamic: p<b> 3"):
        assert part in text
    assert "by a signal" in text and "p<b>" not in html and "<SIGKILL>" not in html
    assert "<h2>Health" not in page("x", [run(), run(faults=[], processes={"main": {"restarts": 0}})], [])
