"""Outcomes of every variant of a launch file over scenarios, speeds and seeds: a table that says whatever came out.

Runs without records, two processes at a time; finished runs are kept and not repeated, so that Ctrl-C loses nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

from pipeline.building import build
from pipeline.errors import SkylaneError
from pipeline.launchfile import resolve
from pipeline.recording import write_json, write_result
from pipeline.running import limit_threads, run_variant


@dataclass(frozen=True)
class Case:
    """One run of a campaign."""

    launch: str
    variant: str
    scenario: str
    speed_mps: float
    seed: int

    @property
    def folder(self) -> str:
        """Where its result lies, below the campaign's folder."""
        return f"{self.scenario}/{self.speed_mps:g}/{self.variant}/{self.seed}"

    @property
    def overrides(self) -> tuple[str, ...]:
        """What it changes in the launch file."""
        return (
            f"world.scenario={self.scenario}",
            f"world.speed_mps={self.speed_mps}",
            f"plan.args.target_speed_mps={self.speed_mps}",
            f"seed={self.seed}",
        )


def cases(
    launch: str, variants: Iterable[str], scenarios: Iterable[str], speeds: Iterable[float], seeds: Iterable[int]
) -> list[Case]:
    """Every combination, seed by seed: a campaign that is stopped has the same seeds for everything."""
    scenes = [(scenario, speed) for scenario in scenarios for speed in speeds]
    variants = list(variants)
    return [
        Case(launch, variant, scenario, speed, seed)
        for seed in seeds
        for scenario, speed in scenes
        for variant in variants
    ]


def run_case(case: Case, folder: str) -> dict[str, Any]:
    """Run one case, or read what an earlier campaign found; a failed run is a row with its ``error``."""
    place = Path(folder) / case.folder
    try:
        launch = resolve(case.launch, case.overrides)
        identity = hashlib.blake2b(launch.text(case.variant).encode(), digest_size=8).hexdigest()
        done = _finished(place, identity)
        if done is not None:
            return done
        result = run_variant(build(launch, case.variant), place, record=False) | {"launch": identity}
        write_result(place, result)
        return result
    except SkylaneError as error:
        return {"error": str(error)}


def _finished(place: Path, identity: str) -> dict[str, Any] | None:
    """The result of an earlier campaign, if it ran to its end from the same launch file."""
    try:
        done: dict[str, Any] = json.loads((place / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return done if not done.get("interrupted", True) and done.get("launch") == identity else None


def run_cases(
    todo: Sequence[Case], folder: Path, *, jobs: int = 2, tell: Callable[[int], None] = lambda done: None
) -> list[tuple[Case, dict[str, Any]]]:
    """Run all cases in ``jobs`` processes. Ctrl-C returns what is there."""
    limit_threads()
    found: dict[Case, dict[str, Any]] = {}
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))
    try:
        futures = {pool.submit(run_case, case, str(folder)): case for case in todo}
        for future in as_completed(futures):
            found[futures[future]] = future.result()
            tell(len(found))
    except KeyboardInterrupt:
        for worker in active_children():
            worker.terminate()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return [(case, found[case]) for case in todo if case in found]


def summarise(results: Sequence[tuple[Case, dict[str, Any]]]) -> list[dict[str, Any]]:
    """One row per scenario, speed and variant."""
    groups: dict[tuple[str, float, str], list[dict[str, Any]]] = {}
    for case, result in results:
        groups.setdefault((case.scenario, case.speed_mps, case.variant), []).append(result)
    rows = []
    for (scenario, speed, variant), found in groups.items():
        good = [r for r in found if "error" not in r]
        hits = [r for r in good if r["collided"]]
        gaps = sorted(r["min_gap_m"] for r in good if not r["collided"] and r["min_gap_m"] is not None)
        latencies = sorted(r["latency_ms_p50"] for r in good if r["latency_ms_p50"] is not None)
        rows.append(
            {
                "scenario": scenario,
                "speed_mps": speed,
                "variant": variant,
                "runs": len(good),
                "failed": len(found) - len(good),
                "collisions": len(hits),
                "impact_speed_mps_mean": _mean([r["impact_speed_mps"] for r in hits]),
                "impact_speed_mps_max": max((r["impact_speed_mps"] for r in hits), default=None),
                "min_gap_m_median": gaps[len(gaps) // 2] if gaps else None,
                "latency_ms_p50_median": latencies[len(latencies) // 2] if latencies else None,
                "deadline_misses": sum(r["deadline_misses"] for r in good),
            }
        )
    return rows


def markdown(rows: Sequence[dict[str, Any]], command: str) -> str:
    """The rows as a page for docs/results."""
    head = ("scenario", "speed", "variant", "runs", "collisions", "impact mean / max", "median gap", "p50", "misses")
    lines = [
        "# Outcomes by execution model",
        "",
        "Every variant drives the same scenes with the same seeds; the table says whatever came out.",
        "",
        f"Command: `{command}`",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    for row in rows:
        impact = (
            "–"
            if not row["collisions"]
            else f"{row['impact_speed_mps_mean']:.1f} / {row['impact_speed_mps_max']:.1f} m/s"
        )
        gap = "–" if row["min_gap_m_median"] is None else f"{row['min_gap_m_median']:.1f} m"
        p50 = "–" if row["latency_ms_p50_median"] is None else f"{row['latency_ms_p50_median']:.0f} ms"
        lines.append(
            f"| {row['scenario']} | {row['speed_mps']:g} m/s | {row['variant']} | {row['runs']} | {row['collisions']} "
            f"| {impact} | {gap} | {p50} | {row['deadline_misses']} |"
        )
    failed = sum(row["failed"] for row in rows)
    return "\n".join([*lines, "", f"Runs that failed: {failed}.", ""])


def campaign(
    launch: str,
    *,
    scenarios: Sequence[str],
    speeds: Sequence[float],
    seeds: Sequence[int],
    folder: Path,
    jobs: int,
    command: str,
    tell: Callable[[int, int], None],
) -> dict[str, Any]:
    """Run the whole campaign and write ``outcomes.json`` and ``outcomes.md`` into ``folder``."""
    variants = list(resolve(launch).variants)
    todo = cases(launch, variants, scenarios, speeds, seeds)
    results = run_cases(todo, folder, jobs=jobs, tell=lambda done: tell(done, len(todo)))
    rows = summarise(results)
    report = {
        "launch": launch,
        "command": command,
        "rows": rows,
        "complete": len(results) == len(todo),
        "load_average": round(os.getloadavg()[0], 2),
    }
    write_json(folder / "outcomes.json", report)
    (folder / "outcomes.md").write_text(markdown(rows, command), encoding="utf-8")
    return report


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None
