"""The small measurements beside the drives: misses with and without handlers, mode changes, a tracker that switches
with its budget, and what the planner's time buys. Each is seconds of work and a plain dictionary.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from operators.messages import Detections, Tracks, Trajectory
from operators.planning.frenet_benchmark import street
from operators.tracking.sort import SortTracker
from pipeline.building import build
from pipeline.definition import Context, Source
from pipeline.events import Event, Missed, Sealed, Sent
from pipeline.execution import VirtualClock, run
from pipeline.latency import Distribution, LatencyModel
from pipeline.launchfile import resolve
from pipeline.messages import Budget
from pipeline.ports import Input, Output
from pipeline.running import outcome
from pipeline.testing import drive
from pipeline.timestamps import Duration, ms, parse_duration
from scenarios.experiments.execution_models_cases import FINAL_SEEDS, POLICY_SEEDS, launch_file
from scenarios.experiments.execution_models_streaming import streaming
from scenarios.experiments.execution_models_watch import Watch

END_TO_END_MS = 269.0
TRACKERS = {
    "sort": {1: 4, 4: 6, 7: 11, 10: 14},
    "deepsort": {1: 14, 4: 45, 7: 57, 10: 75},
    "dasiamrpn": {1: 25, 4: 89, 7: 144, 10: 362},
}
"""Median ms by agents, least to most accurate. Source: D3 (EuroSys'22) Fig. 2."""
TAIL = 1.3
"""p99 over p50 of the trackers: assumed."""


class JumpingBudget(Source):
    """A budget that stays for ``hold`` ticks and then jumps. Ports: ``budget`` out."""

    budget = Output(Budget)
    period = ms(100)

    def __init__(self, *, seed: int, shortest: Duration, longest: Duration, hold: int) -> None:
        self.seed, self.shortest, self.longest, self.hold = seed, shortest, longest, hold

    def on_tick(self, ctx: Context) -> Budget:
        step = ctx.t // self.period // self.hold
        low, high = self.shortest // 1_000_000, self.longest // 1_000_000
        drawn = int(np.random.default_rng([self.seed, step]).integers(low, high + 1))
        return Budget(within_ns=ms(drawn), reason="drawn")


class _Deadlines:
    """Answers, misses and what was sealed, with the budgets that held."""

    def __init__(self) -> None:
        self.sent: dict[str, list[tuple[int, int, int]]] = {}
        self.missed: Counter[str] = Counter()
        self.sealed: Counter[tuple[str, int]] = Counter()
        self.budgets: list[tuple[int, int]] = []

    def on_event(self, event: Event) -> None:
        if isinstance(event, Missed):
            self.missed[event.operator] += 1
        elif isinstance(event, Sealed):
            self.sealed[event.operator, event.t] += 1
        elif isinstance(event, Sent):
            if event.stream == "jump.budget":
                self.budgets.append((event.at, event.value.within_ns))
            self.sent.setdefault(event.stream, []).append((event.t, event.at, event.origin))


def _watched(launch: str, variant: str, duration: str) -> _Deadlines:
    built = build(resolve(launch_file(launch), [f"duration={duration}"]), variant)
    watch = _Deadlines()
    clock = VirtualClock(built.settings.seed, built.latency)
    run(built.graph, clock=clock, until=built.settings.duration, observers=[watch], keep=False)
    return watch


def handlers(quick: bool) -> dict[str, Any]:
    """R8: answers later than 269 ms after the picture, with D3's deadline on every stage and without any."""
    found: dict[str, Any] = {"budgets_ms": [110, 15, 54, 25, 65], "end_to_end_ms": END_TO_END_MS}
    for variant in ("without", "with"):
        watch = _watched("handlers", variant, "20s" if quick else "200s")
        answers = watch.sent.get("plan.trajectory", [])
        late = sum((at - origin) / 1e6 > END_TO_END_MS for _, at, origin in answers)
        found[variant] = {
            "answers": len(answers),
            "late": late,
            "late_pct": round(100.0 * late / max(len(answers), 1), 2),
            "worst_ms": round(max(((at - origin) / 1e6 for _, at, origin in answers), default=0.0), 1),
            "handled": sum(watch.missed.values()),
            "answered_twice": sum(count > 1 for count in watch.sealed.values()),
        }
    return found


def mode_changes(quick: bool) -> dict[str, Any]:
    """R11: does every answer of the detector stay within the budget that held, and how much of it is left over."""
    watch = _watched("mode-changes", "", "60s" if quick else "200s")
    budgets = watch.budgets
    late, slack = 0, []
    for t, at, _ in watch.sent["detect.detections"]:
        # The frame at which the budget jumps may still be under the old one.
        held = [within for since, within in budgets if since <= t][-2:]
        if len(held) == 2:
            jumps = held[0] != held[1]
            late += at - t > (max(held) if jumps else held[1]) + ms(5)
            slack += [] if jumps else [(held[1] - (at - t)) / 1e6]
    return {
        "budgets_ms": [within // 1_000_000 for k, (_, within) in enumerate(budgets) if k % 200 == 0],
        "answers": len(slack),
        "late": late,
        "handled": watch.missed["detect"] + watch.missed["plan"],
        "slack_ms_median": round(float(np.median(slack)), 1) if slack else None,
    }


class SwitchingTracker(SortTracker):
    """SORT's answers at the price of the most accurate tracker that fits the time left and the number of agents."""

    detections = Input(Detections)
    tracks = Output(Tracks)

    def on_watermark(self, ctx: Context) -> Tracks:
        agents = min((n for n in TRACKERS["sort"] if n >= len(ctx[self.detections].items)), default=10)
        works = [f"{name}_{agents}" for name in TRACKERS]
        fitting = [work for work in works if ctx.expected(work) <= ctx.remaining()]
        answer = super().on_watermark(ctx)
        ctx.work((fitting or works[:1])[-1])
        return answer


def tracker_runtimes(budget_ms: int = 100) -> dict[str, Any]:
    """R20: a tracker with a 100 ms budget, 1 to 10 agents: which tracker runs, and is the deadline kept."""
    from operators.messages import Box, Detection

    row = {
        f"{name}_{agents}": Distribution(ms(p50), ms(p50 * TAIL))
        for name, table in TRACKERS.items()
        for agents, p50 in table.items()
    }
    found: dict[str, Any] = {"budget_ms": budget_ms, "agents": {}}
    for agents in TRACKERS["sort"]:
        boxes = [Box(x0_px=40.0 * k, y0_px=100.0, x1_px=40.0 * k + 20.0, y1_px=160.0) for k in range(agents)]
        items = tuple(Detection(label="pedestrian", score=0.9, box=box) for box in boxes)
        frames = [(ms(500 * k), Detections(items=items, model="truth")) for k in range(40)]
        tracker = SwitchingTracker()
        model = LatencyModel(1, {"tracker": row})
        driven = drive(tracker, {"detections": frames}, latency=row, deadline=parse_duration(f"{budget_ms}ms"))
        fixed = Counter({name: model.expected("tracker", f"{name}_{agents}") // 1_000_000 for name in TRACKERS})
        fits = [name for name in TRACKERS if fixed[name] <= budget_ms]
        found["agents"][str(agents)] = {"p99_ms": dict(fixed), "chosen": fits[-1], "misses": len(driven.misses)}
    return found


def planner_jerk(quick: bool) -> dict[str, Any]:
    """R21: 95th percentile of the lateral jerk of the Frenet planner's plans after each pass, over the same scenes."""
    from operators.planning.frenet import plan

    rng = np.random.default_rng(21)
    jerks: list[list[float]] = []
    for _ in range(40 if quick else 300):
        ego, route, predictions = street(rng, 8)
        paths = [answer.trajectory for answer in plan(ego, route, predictions)]
        if all(path.reason != "brake" and len(path.time_s) >= 8 for path in paths):
            jerks.append([lateral_jerk(path) for path in paths])
    names = ("coarse", "medium", "fine")
    return {name: round(float(np.quantile([row[k] for row in jerks], 0.95)), 2) for k, name in enumerate(names)}


def lateral_jerk(path: Trajectory) -> float:
    """95th percentile of a plan's lateral jerk above walking pace, m/s³."""
    yaw_rate = np.gradient(np.unwrap(path.yaw_rad), path.time_s)
    jerk = np.abs(np.gradient(path.speed_mps * yaw_rate, path.time_s))[path.speed_mps > 1.0]
    return float(np.quantile(jerk, 0.95)) if len(jerk) else 0.0


def timeline(seed: int) -> dict[str, Any]:
    """R18: person behind truck at 12 m/s: the budget over time against when anything of the person can be seen."""
    overrides = [f"seed={seed}", "world.scenario=person_behind_truck", "world.speed_mps=12.0"]
    found: dict[str, Any] = {"seed": seed}
    for name, variant in (("dynamic", "dynamic"), ("static", "static-500")):
        built = build(resolve(launch_file("grid"), overrides), variant)
        watch = Watch(built.world)
        clock = VirtualClock(built.settings.seed, built.latency)
        run(built.graph, clock=clock, until=built.settings.duration, observers=[watch], keep=False)
        found[f"{name}_collides"] = bool(outcome(built.world)["collided"])
        if name == "dynamic":
            found |= watch.timeline()
    return found | _around(found["budget_s_ms"], found["visible_s"] or 0.0)


def _around(budgets: list[tuple[float, float]], visible_s: float) -> dict[str, float]:
    """The budgets before, at and after the moment of sight, and how long before it they were short already."""
    longest = max(budget for _, budget in budgets)
    before = [(at, budget) for at, budget in budgets if at <= visible_s]
    last_long = max((at for at, budget in before if budget > longest / 2.0), default=0.0)
    short = bool(before) and before[-1][1] <= longest / 2.0
    return {
        "before_ms": max((budget for _, budget in before), default=0.0),
        "shortest_ms": min(budget for _, budget in budgets),
        "after_ms": max((budget for at, budget in budgets if at > visible_s), default=0.0),
        "ahead_s": round(visible_s - last_long, 2) if short else 0.0,
    }


def studies(quick: bool) -> dict[str, Any]:
    """All of them."""
    return {
        "timeline": timeline(POLICY_SEEDS[0] if quick else FINAL_SEEDS[0]),
        "handlers": handlers(quick),
        "mode_changes": mode_changes(quick),
        "trackers": tracker_runtimes(),
        "planner_jerk": planner_jerk(quick),
        "streaming": streaming(quick),
    }
