"""What the D3 paper claims of its runtime, beside what was measured here, and whether it is beaten.

Source: D3 (EuroSys'22), figures 8 and 10 and section 7. Another machine and another language: order and growth count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.measuring import deadlines, protection
from pipeline.measuring.sampling import rounded
from pipeline.timestamps import seconds

CLAIMS = {
    "R1": ("delay inside a process hardly depends on the size", "0.030 to 0.048 ms, 10 KB to 10 MB"),
    "R2": ("1 MB between processes", "0.84 ms, others 2.0 to 2.5 times as long"),
    "R3": ("10 MB between processes", "9.2 ms, 11 times as long as 1 MB"),
    "R4": ("6.2 MB to 5 readers in other processes", "1.7 times as long as to 1 reader"),
    "R5": ("5 copies of a car's pipeline in a process", "1.4 times as long as 1 copy (1.8 to 2.5 ms)"),
    "R8": ("end-to-end misses without and with handlers", "0.6 % and 0"),
    "R9": ("deadline longer than the period", "fails"),
}


def claim(row: str, measured: str, beaten_if: str, beaten: bool | None) -> dict[str, Any]:
    """One row; ``beaten`` None: it could not be measured."""
    what, claimed = CLAIMS[row]
    return {
        "row": row,
        "claim": what,
        "claimed": claimed,
        "measured": measured,
        "beaten_if": beaten_if,
        "beaten": beaten,
    }


def runtime_claims(
    found: Mapping[str, float], growth: float | None, growth_apart: float | None = None
) -> list[dict[str, Any]]:
    """Rows R1 to R5 from median delays in ms: ``inside_10kb``, ``between_1mb``, ``fan_1`` …, and the copies' growth.

    ``growth_apart``: of copies that do not all tick at the same instants.
    """
    return [
        _inside(found),
        _against_pickle(found),
        _ratio("R3", found, "between_10mb", "between_1mb", 10.0),
        _ratio("R4", found, "fan_5", "fan_1", 1.7),
        _growth("R5", growth),
        {**_growth("R5", growth_apart), "row": "R5 (apart)"},
    ]


def _growth(row: str, growth: float | None) -> dict[str, Any]:
    measured = "not measured" if growth is None else f"{growth:.2f} times as long"
    return claim(row, measured, "at most 1.4 times as long", None if growth is None else growth <= 1.4)


def _inside(found: Mapping[str, float]) -> dict[str, Any]:
    small, large = found.get("inside_10kb"), found.get("inside_10mb")
    if small is None or large is None:
        return claim("R1", "not measured", "", None)
    beaten = max(small, large) <= 0.1 and large <= 1.6 * small
    condition = "at most 0.1 ms, and no steeper than the paper's 1.6 times"
    return claim("R1", f"{rounded(small)} to {rounded(large)} ms", condition, beaten)


def _against_pickle(found: Mapping[str, float]) -> dict[str, Any]:
    ours, theirs = found.get("between_1mb"), found.get("pickle_between_1mb")
    if ours is None or theirs is None:
        return claim("R2", "not measured", "", None)
    measured = f"{rounded(ours)} ms; pickled over TCP {rounded(theirs)} ms, {theirs / ours:.1f} times as long"
    return claim("R2", measured, "at least twice as fast as pickled over TCP on this machine", theirs >= 2 * ours)


def _ratio(row: str, found: Mapping[str, float], over: str, under: str, bound: float) -> dict[str, Any]:
    a, b = found.get(over), found.get(under)
    condition = f"less than {bound:g} times as long"
    if a is None or b is None:
        return claim(row, "not measured", condition, None)
    return claim(row, f"{rounded(a)} ms, {a / b:.2f} times as long", condition, a < bound * b)


def deadline_claims(*, quick: bool = False) -> list[dict[str, Any]]:
    """Rows R7 to R9, each measured shortly here; ``bench deadlines`` measures R7 at length."""
    graph = deadlines.graph_of(deadlines.KINDS, 2, deadlines.PERIOD, deadlines.WITHIN)
    handlers = deadlines.handler_delay(deadlines.measured(graph, seconds(1 if quick else 10)))
    many, some = (2_000, 20) if quick else (20_000, 100)
    rows = {
        "R8": protection.heavy_tail(timestamps=many),
        "R8 (wall clock)": protection.heavy_tail(timestamps=some, wall=True),
        "R9": protection.pipelined(timestamps=many),
        "R9 (wall clock)": protection.pipelined(timestamps=some, wall=True),
    }
    told = [{"row": "R7", "claim": "a handler's start after the miss", **handlers}]
    return [*told, *({"row": name, "claim": CLAIMS[name[:2]][0], **row} for name, row in rows.items())]
