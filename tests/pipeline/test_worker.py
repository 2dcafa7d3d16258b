"""A callback can be interrupted at any moment: no job is lost, no thread dies, no lock stays held."""

from __future__ import annotations

import builtins
import importlib
import queue
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline import Context, DeadlineMissed, Graph, Input, Operator, Output, WallClock, events, ms, run
from pipeline.definition import Aborted
from pipeline.engines.crew import Crew
from pipeline.engines.work import Work
from pipeline.engines.worker import Worker
from pipeline.timestamps import seconds
from tests.pipeline.toys import Counter


class Brief(Operator):
    """Ends at about the moment at which it is stopped, again and again."""

    device = True
    value = Input(int)
    same = Output(int)

    def on_watermark(self, ctx: Context) -> int:
        until = ctx.now() + ctx.remaining() + int(ctx.rng.integers(-50_000, 150_000))
        while ctx.now() < until:
            pass
        return ctx[self.value]

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> int:
        return -1


def test_an_interruption_that_comes_as_the_callback_ends_does_not_take_the_operator_along() -> None:
    graph = Graph("brief")
    source, brief = Counter(upto=60), Brief()
    graph.connect(source.count, brief.value)
    graph.deadline(brief.same, within=ms(1))
    result = run(graph, clock=WallClock(), until=seconds(20), keep_events=True)
    assert result.ended_at < seconds(20), "the operator never came back from a timestamp"
    # On a busy machine a number may wait until a newer one takes its place.
    others = sum(isinstance(e, (events.Sealed, events.Dropped)) for e in result.events)
    assert len(result[brief.same]) + others >= 60


class Uninterrupted(Work):
    """Work whose callback does as told."""

    def __init__(self) -> None:
        self.ctx = SimpleNamespace(alive=True)  # type: ignore[assignment]


class Unlucky(Worker):
    """Is interrupted just before its callback begins, or just after it has ended, which no timing can bring about."""

    def __init__(self, moments: tuple[str, ...]) -> None:
        self.moments = list(moments)
        super().__init__()

    def _enter(self, work: Work) -> bool:
        entered = super()._enter(work)
        self._interrupt("begins")
        return entered

    def _leave(self) -> None:
        self._interrupt("ends")
        super()._leave()

    def _interrupt(self, moment: str) -> None:
        if moment in self.moments:
            self.moments.remove(moment)
            raise Aborted(moment)


@pytest.mark.parametrize("moments", [("begins",), ("ends",), ("begins", "ends")])
def test_whatever_moment_an_interruption_meets_the_job_is_finished_and_the_thread_lives_on(
    moments: tuple[str, ...],
) -> None:
    worker, crew = Unlucky(moments), Crew("test", lambda: None)
    told: queue.SimpleQueue[tuple[bool, object, Exception | None]] = queue.SimpleQueue()
    for _ in range(2):
        work = Uninterrupted()
        crew.submit(lambda work=work: told.put(worker.perform(work, lambda: "answer")))  # type: ignore[misc]
    first, second = told.get(timeout=5.0), told.get(timeout=5.0)
    crew.close()
    assert first == ("begins" not in moments, None if "begins" in moments else "answer", None)
    assert second == (True, "answer", None)


def test_interruptions_from_outside_at_any_moment_lose_no_job() -> None:
    worker, crew, rng = Worker(), Crew("test", lambda: None), np.random.default_rng(5)
    told: queue.SimpleQueue[tuple[bool, object, Exception | None]] = queue.SimpleQueue()
    for _ in range(300):
        work = Uninterrupted()
        crew.submit(lambda work=work: told.put(worker.perform(work, lambda: sum(range(20)))))  # type: ignore[misc]
        sum(range(int(rng.integers(0, 400))))
        work.ctx.alive = False
        worker.abort(work)
        began, value, failure = told.get(timeout=5.0)
        assert value in ((None, 190) if began else (None,))
        assert failure is None
    crew.close()


def test_a_callback_in_the_middle_of_an_import_is_interrupted_only_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An exception there would leave the import's lock held: whoever imports the module next would wait for ever.
    (tmp_path / "slowly_loaded.py").write_text("import builtins\nbuiltins.slowly_loaded()\nwhole = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    began, go_on, told = threading.Event(), threading.Event(), queue.SimpleQueue[tuple[bool, object, object]]()

    def inside() -> None:
        began.set()
        go_on.wait(5.0)

    def callback() -> bool:
        return bool(importlib.import_module("slowly_loaded").whole)

    monkeypatch.setattr(builtins, "slowly_loaded", inside, raising=False)
    worker, crew, work = Worker(), Crew("test", lambda: None), Uninterrupted()
    crew.submit(lambda: told.put(worker.perform(work, callback)))
    assert began.wait(5.0)
    work.ctx.alive = False
    worker.abort(work)
    go_on.set()
    assert told.get(timeout=5.0) == (True, True, None)
    crew.close()
