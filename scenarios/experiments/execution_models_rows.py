"""The papers' claims beside what was measured: one line each, and whether it is beaten. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Row = dict[str, Any]
STATIC_PREFIX = "static-"


class Line(NamedTuple):
    """``beaten``: True, False, or None where it was not measured."""

    row: str
    claim: str
    claimed: str
    measured: str
    beaten: bool | None


NOT_MEASURED = "not measured in this run"


def judged_rows(report: Row, rows: Sequence[Row]) -> list[Row]:
    """R8 and R11 to R22, in order."""
    judges: tuple[Callable[[Row], Line], ...] = (
        _r8, _r11, _r12, _r13, _r14, _r15, _r16, _r17, _r18, _r19, _r20, _r21, _r22,
    )  # fmt: skip
    return [judge(report)._asdict() for judge in judges]


def _of(report: Row, study: str) -> Row | None:
    found: Row | None = report["studies"].get(study)
    return found


def _model(report: Row, name: str) -> Row | None:
    return next((entry for entry in report["models"] if entry["name"] == name), None)


def per_km(entry: Row) -> float:
    """Collisions per 50 km, so that models that drove unlike distances compare."""
    return 50.0 * float(entry["collisions"]) / max(float(entry["km"]), 1e-9)


def _cells(report: Row, scenario: str, speed: float) -> dict[str, Row]:
    return {
        cell["model"]: cell for cell in report["grid"] if cell["scenario"] == scenario and cell["speed_mps"] == speed
    }


def _best_static(cells: dict[str, Row]) -> Row | None:
    statics = [cell for name, cell in cells.items() if name.startswith(STATIC_PREFIX)]
    return min(statics, key=lambda cell: (cell["impact_speed_mps_max"], cell["collisions"]), default=None)


def _r8(report: Row) -> Line:
    claim, claimed = "end-to-end misses without and with handlers", "0.6 % → 0"
    study = _of(report, "handlers")
    if study is None:
        return Line("R8", claim, claimed, NOT_MEASURED, None)
    without, with_ = study["without"], study["with"]
    measured = (
        f"{without['late_pct']:g} % of {without['answers']} later than {study['end_to_end_ms']:g} ms (worst "
        f"{without['worst_ms']:g} ms) → {with_['late_pct']:g} % (worst {with_['worst_ms']:g} ms, {with_['handled']} "
        f"handled); timestamps completed twice: {with_['answered_twice']}"
    )
    return Line("R8", claim, claimed, measured, with_["late"] == 0 and with_["answered_twice"] == 0)


def _r11(report: Row) -> Line:
    claim, claimed = "mode changes are met", "response stays under random budgets of 40–200 ms"
    study = _of(report, "mode_changes")
    if study is None:
        return Line("R11", claim, claimed, NOT_MEASURED, None)
    measured = (
        f"{study['late']} of {study['answers']} answers beyond the budget in force; slack of the detector in the "
        f"median {study['slack_ms_median']} ms (the models are discrete)"
    )
    return Line("R11", claim, claimed, measured, study["late"] == 0 and study["slack_ms_median"] < 20.0)


def _r12(report: Row) -> Line:
    claim, claimed = "collisions by execution model, 50 km", "periodic 78, data-driven 36, static 34, dynamic 25"
    if not report["models"]:
        return Line("R12", claim, claimed, NOT_MEASURED, None)
    entries = {entry["name"]: entry for entry in report["models"]}
    measured = ", ".join(f"{name} {entry['collisions']} ({entry['km']:.0f} km)" for name, entry in entries.items())
    dynamic = entries.get("dynamic")
    statics = [name for name in entries if name.startswith(STATIC_PREFIX)]
    if dynamic is None or not statics:
        return Line("R12", claim, claimed, measured, None)
    best = min(statics, key=lambda name: per_km(entries[name]))
    reduction = report["reductions_pct"].get(best)
    order = all(per_km(dynamic) < per_km(entries[name]) for name in entries if not name.startswith("dynamic"))
    if reduction is None:
        return Line("R12", claim, claimed, f"{measured}; best static {best}", order)
    low, high = reduction["ci95"]
    measured += f"; dynamic {reduction['value']:g} % fewer than {best} (95 %: {low:g} to {high:g})"
    return Line("R12", claim, claimed, measured, order and reduction["value"] > 26.0 and low > 0.0)


def _r13(report: Row) -> Line:
    claim, claimed = "dynamic against periodic", "−68 %"
    reduction = report["reduction_vs_periodic_pct"]
    if reduction is None:
        return Line("R13", claim, claimed, NOT_MEASURED, None)
    low, high = reduction["ci95"]
    measured = f"−{reduction['value']:g} % (95 %: {low:g} to {high:g}, paired over {reduction['seeds']} seeds)"
    return Line("R13", claim, claimed, measured, reduction["value"] > 68.0)


def _speeds(report: Row, scenario: str, speeds: Sequence[float]) -> tuple[str, dict[float, tuple[Row, Row]]]:
    words, found = [], {}
    for speed in speeds:
        cells = _cells(report, scenario, speed)
        dynamic, best = cells.get("dynamic"), _best_static(cells)
        if dynamic is None or best is None:
            continue
        found[speed] = (dynamic, best)
        words.append(
            f"{speed:g} m/s: dynamic {dynamic['impact_speed_mps_max']:.1f} worst ({dynamic['collisions']} of "
            f"{dynamic['runs']}), best static {best['model'].removeprefix(STATIC_PREFIX)} ms "
            f"{best['impact_speed_mps_max']:.1f} ({best['collisions']})"
        )
    return "; ".join(words) or NOT_MEASURED, found


def _better(pairs: dict[float, tuple[Row, Row]], *, safe_at: float, softer_at: float, than_mps: float) -> bool | None:
    """No collision at one speed, a softer one than published at the other, nowhere harder than the best static."""
    if safe_at not in pairs or softer_at not in pairs:
        return None
    no_harder = all(ours["impact_speed_mps_max"] <= best["impact_speed_mps_max"] for ours, best in pairs.values())
    softer = pairs[softer_at][0]["impact_speed_mps_max"] < than_mps
    return pairs[safe_at][0]["collisions"] == 0 and softer and no_harder


def _r14(report: Row) -> Line:
    claimed = "12 m/s: dynamic 0, best static (200 ms) 0; 13 m/s: dynamic 8.7, best static 7.4 m/s"
    measured, pairs = _speeds(report, "person_behind_truck", (11.0, 12.0, 13.0))
    beaten = _better(pairs, safe_at=12.0, softer_at=13.0, than_mps=7.4)
    return Line("R14", "person behind truck, worst impact", claimed, measured, beaten)


def _r15(report: Row) -> Line:
    claimed = "10 m/s: dynamic 0, best static 0; 12 m/s: dynamic 6.8, best static (400 ms) 5.8 m/s"
    measured, pairs = _speeds(report, "traffic_jam", (8.0, 10.0, 12.0))
    beaten = _better(pairs, safe_at=10.0, softer_at=12.0, than_mps=5.8)
    return Line("R15", "traffic jam, worst impact", claimed, measured, beaten)


def _r16(report: Row) -> Line:
    claim, claimed = "neither the shortest nor the longest static deadline is best", "best: 200 ms of 125 … 500 ms"
    entries = [entry for entry in report["models"] if entry["name"].startswith(STATIC_PREFIX)]
    source = {entry["name"]: per_km(entry) for entry in entries}
    if len(source) < 3:
        return Line("R16", claim, claimed, NOT_MEASURED, None)
    names = list(source)
    best = min(source, key=lambda name: source[name])
    words = ", ".join(f"{name.removeprefix(STATIC_PREFIX)} ms {source[name]:.1f}" for name in names)
    both = source[best] < min(source[names[0]], source[names[-1]])
    return Line("R16", claim, claimed, f"collisions per 50 km: {words}", both)


def _r17(report: Row) -> Line:
    claim, claimed = "responses are bimodal: quick when needed, slow when safe", "modes at 55–75 and 270–300 ms"
    dynamic = _model(report, "dynamic")
    if dynamic is None:
        return Line("R17", claim, claimed, NOT_MEASURED, None)
    total = max(sum(dynamic["response_histogram"].values()), 1)
    quick = sum(n for ms, n in dynamic["response_histogram"].items() if int(ms) < 160) / total
    slow = sum(n for ms, n in dynamic["response_histogram"].items() if int(ms) >= 260) / total
    tight = {key: dynamic["tight"].get(key, 0) for key in ("right", "early", "late", "calm")}
    recall = tight["right"] / max(tight["right"] + tight["late"], 1)
    precision = tight["right"] / max(tight["right"] + tight["early"], 1)
    measured = (
        f"{100 * quick:.0f} % of the answers below 160 ms, {100 * slow:.0f} % at 260 ms or more; the budget was short "
        f"in {100 * recall:.0f} % of the moments within 2 s before hard braking (recall), and {100 * precision:.0f} % "
        f"of the short budgets were such moments (precision: caution that was not needed lowers it)"
    )
    return Line("R17", claim, claimed, measured, quick > 0.05 and slow > 0.05 and recall > 0.9)


def _r18(report: Row) -> Line:
    claim = "the deadline shrinks and recovers; a fixed one collides"
    claimed = "500 → 116 → 500 ms after the person is visible, no collision; static 500 ms collides"
    study = _of(report, "timeline")
    if study is None:
        return Line("R18", claim, claimed, NOT_MEASURED, None)
    measured = (
        f"{study['before_ms']:g} → {study['shortest_ms']:g} → {study['after_ms']:g} ms; below half of the longest "
        f"{study['ahead_s']:.2f} s before anything of the person is visible; dynamic collides: "
        f"{study['dynamic_collides']}, static 500 ms: {study['static_collides']}"
    )
    return Line("R18", claim, claimed, measured, study["ahead_s"] > 0.0 and not study["dynamic_collides"])


def _r19(report: Row) -> Line:
    claim, claimed = "policy as shipped (unit error), fixed, ours", "fixed ≥ as shipped, ours > both"
    names = ("dynamic-as-shipped", "dynamic-fixed", "dynamic")
    grid = {
        name: (
            sum(cell["collisions"] for cell in report["grid"] if cell["model"] == name),
            sum(cell["runs"] for cell in report["grid"] if cell["model"] == name),
        )
        for name in names
    }
    entries = {name: _model(report, name) for name in names}
    words = []
    for name in names:
        entry = entries[name]
        city = f"{entry['collisions']} in {entry['km']:.0f} km" if entry else "–"
        words.append(f"{name.removeprefix('dynamic-')}: city {city}, grid {grid[name][0]} of {grid[name][1]}")
    if not all(runs for _, runs in grid.values()):
        return Line("R19", claim, claimed, "; ".join(words), None)
    hits = {}
    for name, entry in entries.items():
        hits[name] = grid[name][0] + (0 if entry is None else int(entry["collisions"]))
    return Line("R19", claim, claimed, "; ".join(words), hits[names[2]] < hits[names[1]] <= hits[names[0]])


def _r20(report: Row) -> Line:
    claim, claimed = "tracker run time grows with the agents", "SORT 4 → 14 ms, DaSiamRPN 25 → 362 ms, 1 → 10 agents"
    study = _of(report, "trackers")
    if study is None:
        return Line("R20", claim, claimed, NOT_MEASURED, None)
    chosen = ", ".join(f"{agents} agents: {cell['chosen']}" for agents, cell in study["agents"].items())
    misses = sum(cell["misses"] for cell in study["agents"].values())
    measured = f"within {study['budget_ms']} ms the most accurate that fits: {chosen}; {misses} misses"
    return Line("R20", claim, claimed, measured, misses == 0)


def _r21(report: Row) -> Line:
    claim, claimed = "more planning time, less lateral jerk", "77 / 46 / 14 m/s³ at 125 / 200 / 500 ms"
    study = _of(report, "planner_jerk")
    if study is None:
        return Line("R21", claim, claimed, NOT_MEASURED, None)
    values = [study[name] for name in ("coarse", "medium", "fine")]
    measured = " / ".join(f"{value:g}" for value in values) + " m/s³ after the first, second and third pass"
    falling = values == sorted(values, reverse=True)
    return Line("R21", claim, claimed, measured + ("" if falling else ": lower, but not falling"), falling)


def _r22(report: Row) -> Line:
    claim, claimed = "accuracy as streamed ranks models unlike offline", "best offline AP 38.0 → 6.2 streamed"
    study = _of(report, "streaming")
    if study is None:
        return Line("R22", claim, claimed, NOT_MEASURED, None)
    offline, streamed = study["offline"], study["streamed"]
    best_offline, best = max(offline, key=offline.get), max(streamed, key=streamed.get)
    words = ", ".join(f"{name} {offline[name]:.2f} → {streamed[name]:.2f}" for name in offline)
    measured = f"{study['metric']} {words}; best offline {best_offline}, streamed {best}"
    middle = best not in (next(iter(offline)), list(offline)[-1])
    return Line("R22", claim, claimed, measured, best != best_offline and middle)
