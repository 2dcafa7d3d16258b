"""One run of a sweep: build, drive, sum up. One that fails is a row with its error."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.building import Built, build
from pipeline.errors import SkylaneError, described
from pipeline.execution import VirtualClock, run
from pipeline.launchfile import parse
from pipeline.running import outcome, response_stream
from pipeline.summary import Summary

Row = dict[str, Any]

KEPT = (
    "answers",
    "latency_ms_p50",
    "latency_ms_p99",
    "latency_ms_max",
    "deadline_misses",
    "without_answer",
)
"""What a row keeps of a run's summary; the rest is in the records of ``skylane run``."""


def drive(text: str, path: str, overrides: Sequence[str]) -> Row:
    """Run a launch file here, as it stood in ``path``.

    Whatever goes wrong inside is in the row: ``error`` in one line, ``trace`` for people.
    """
    try:
        return figures(build(parse(text, Path(path), overrides)))
    except Exception as error:
        return failure(error)


def figures(built: Built) -> Row:
    """Drive what was built and say how it went."""
    summary = Summary(response_stream(built))
    clock = VirtualClock(built.settings.seed, built.latency)
    result = run(built.graph, clock=clock, until=built.settings.duration, observers=[summary], keep=False)
    told = outcome(built.world)
    said = summary.figures()
    return {
        "error": "",
        **{name: value for name, value in told.items() if name != "outcome"},
        "duration_s": result.ended_at / 1e9,
        **{name: said[name] for name in KEPT},
        "unprofiled": list(built.unprofiled),
        "hash": result.hash,
        "output_hash": result.output_hash,
    }


def failure(error: BaseException) -> Row:
    """The columns of a run that failed."""
    where = "" if isinstance(error, SkylaneError) else "".join(traceback.format_exception(error))
    return {"error": described(error), "trace": where}
