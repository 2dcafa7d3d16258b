"""The live view counts what happens, whatever happens, and writes nothing but lines where there is no terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from pipeline import events as ev
from pipeline import ms, seconds
from pipeline.report.live import RECENT, STEPS, LiveView, ProgressLines, following


def sent(at: int, t: int, *, operator: str = "plan", port: str = "trajectory", winner: str = "local") -> ev.Sent:
    return ev.Sent(ms(at), operator, ms(t), f"{operator}.{port}", ms(t), "final", winner, None)


def started(at: int, t: int, operator: str = "plan") -> ev.Started:
    return ev.Started(ms(at), operator, ms(t), "local")


def row(view: LiveView, name: str = "plan") -> tuple[str, ...]:
    return next(cells for cells in view.cells() if cells[0] == name)


def drawn(view: LiveView) -> str:
    out = io.StringIO()
    Console(file=out, width=120).print(view.render())
    return out.getvalue()


def test_rate_and_time_to_answer_are_those_of_the_events() -> None:
    view = LiveView("dynamic", seconds(10))
    for t in range(0, 1000, 100):
        view.on_event(started(t + 20, t))
        view.on_event(sent(t + (90 if t == 900 else 60), t))
    name, rate, p50, p99, *_ = row(view)
    assert (name, p50, p99) == ("plan", "40 ms", "70 ms")
    assert rate == "9.7/s"  # nine gaps within 930 ms


def test_the_first_candidate_to_start_begins_the_time_to_answer() -> None:
    view = LiveView("x", seconds(1))
    view.on_event(started(10, 0))
    view.on_event(ev.Started(ms(30), "plan", 0, "cloud"))
    view.on_event(sent(50, 0, winner="cloud"))
    assert row(view)[2] == "40 ms"


def test_one_answer_on_several_outputs_counts_once() -> None:
    view = LiveView("x", seconds(1))
    view.on_event(started(0, 0))
    view.on_event(sent(10, 0, winner="cloud"))
    view.on_event(sent(10, 0, port="other", winner="cloud"))
    view.on_event(sent(20, 10, winner="handler"))
    assert row(view)[5] == "cloud 50 %, handler 50 %"


def test_who_answers_is_said_only_where_somebody_else_does() -> None:
    view = LiveView("x", seconds(1))
    view.on_event(sent(10, 0))
    assert row(view)[5] == ""
    view.on_event(sent(20, 10, winner="handler"))
    view.on_event(sent(30, 20))
    assert row(view)[5] == "local 67 %, handler 33 %"


def test_misses_and_overload_are_counted_and_ordinary_drops_are_not() -> None:
    view = LiveView("x", seconds(1))
    view.on_event(ev.Missed(ms(80), "plan", 0, "d", ms(80), ms(80), (), "deadline"))
    for reason in ("overload", "overload", "superseded", "no_partner", "closed"):
        view.on_event(ev.Dropped(ms(90), "plan", 0, "plan.ego", reason))
    assert row(view)[4] == "1" and row(view)[6] == "2"


def test_what_is_kept_does_not_grow_with_the_run() -> None:
    view = LiveView("x", seconds(100))
    for t in range(4 * RECENT):
        view.on_event(started(t, t))
        view.on_event(sent(t, t) if t % 2 else ev.Sealed(ms(t), "plan", ms(t), "missed", "deadline"))
    kept = view._rows["plan"]
    assert not kept.started and len(kept.at) == len(kept.took) == RECENT


def test_old_answers_no_longer_count() -> None:
    view = LiveView("x", seconds(100))
    for t in range(2 * RECENT):
        took = 90 if t < RECENT else 10
        view.on_event(started(100 * t, 100 * t))
        view.on_event(sent(100 * t + took, 100 * t))
    assert row(view)[2:4] == ("10 ms", "10 ms")


def test_the_table_names_run_operators_and_time_and_takes_names_as_they_are() -> None:
    view = LiveView("[red]dynamic", seconds(9))
    view.on_event(sent(4500, 4400, operator="plan"))
    text = drawn(view)
    assert "[red]dynamic" in text and "4.5 of 9.0 s" in text and "plan" in text


def test_a_run_that_has_not_begun_can_be_drawn() -> None:
    assert "0.0 of 9.0 s" in drawn(LiveView("x", seconds(9)))


def test_without_a_terminal_a_run_writes_a_bounded_number_of_lines() -> None:
    lines: list[str] = []
    view = ProgressLines("dynamic", seconds(1), lines.append)
    for at in range(0, 1500, 3):
        view.on_event(sent(at, at))
    assert len(lines) == STEPS
    assert lines[0].startswith("dynamic: 5 % (0.1 of 1.0 s)") and lines[-1].startswith("dynamic: 100 %")


@pytest.mark.parametrize("terminal", [True, False])
def test_following_gives_an_observer_that_leaves_a_pipe_free_of_control_codes(terminal: bool) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=100)
    with following("[b]x", seconds(1), console) as observer:
        assert isinstance(observer, LiveView if terminal else ProgressLines)
        observer.on_event(sent(500, 500))
    if not terminal:
        assert out.getvalue() == "[b]x: 50 % (0.5 of 1.0 s)\n"


def test_following_lets_an_error_of_the_run_through() -> None:
    with pytest.raises(ValueError, match="of the run"), following("x", seconds(1), Console(file=io.StringIO())):
        raise ValueError("of the run")
