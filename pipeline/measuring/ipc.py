"""``skylane bench ipc``: one hop between two Python processes, beside what others need for it, in the same run.

Ours carries a typed message, its timestamp, its watermark and an armed deadline; the peers carry what they carry.
"""

from __future__ import annotations

import functools
import platform
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.errors import SkylaneError, UsageError
from pipeline.measuring import environments, hop
from pipeline.measuring.environments import PeerUnavailable
from pipeline.measuring.load import load_average
from pipeline.measuring.sampling import Hop, Measured, figures, median_ms, rounded

KB, MB, FRAME = 1_000, 1_000_000, hop.FRAME_BYTES
ROUNDS, ROUNDS_QUICK = 3, 2
Contender = Callable[[Hop], Measured]
Results = dict[tuple[str, str], list[Measured]]
"""(contender, case) → one measurement a round."""

TARGETS: dict[str, tuple[str, float]] = {
    "ratio_erdos_6mb_loan": (">=", 100.0),
    "ratio_erdos_6mb_copy": (">=", 12.0),
    "ratio_erdos_1kb": (">=", 4.0),
    "ratio_erdos_fanout4": (">=", 20.0),
    "ratio_dora_6mb_loan": (">=", 5.0),
    "ratio_dora_1kb": (">=", 1.5),
    "ratio_raw_iceoryx2_6mb": ("<=", 2.0),
    "cpu_ms_per_6mb_loan": ("<=", 0.3),
}


def ipc(*, peers: bool = False, quick: bool = False) -> dict[str, Any]:
    """One hop between two processes: delay, fan-out, throughput and processor time, also of peers in the same run."""
    count, warm_up = (20, 5) if quick else (60, 15)
    contenders, missing = contend(peers)
    before = load_average()
    results, failed = measure_all(contenders, cases(count, warm_up), ROUNDS_QUICK if quick else ROUNDS, tell)
    told: dict[str, Any] = {
        "rounds": ROUNDS_QUICK if quick else ROUNDS,
        "messages_a_round": count,
        "load_average_before": before,
        "load_average_after": load_average(),
        **report(results, cases(count, warm_up), failed),
    }
    if missing:
        told["unavailable"] = missing
    return told


def cases(count: int, warm_up: int) -> dict[str, Hop]:
    """What is measured, by name."""
    return {
        "1kb": Hop(KB, count=count, warm_up=warm_up),
        "1mb": Hop(MB, count=count, warm_up=warm_up),
        "6mb": Hop(FRAME, count=count, warm_up=warm_up),
        "fanout4": Hop(FRAME, readers=4, count=count, warm_up=warm_up),
        "throughput": Hop(FRAME, hz=0.0, count=3 * count, warm_up=warm_up),
    }


def tell(line: str) -> None:
    """Progress, for a person who waits."""
    print(line, file=sys.stderr, flush=True)


def contend(peers: bool) -> tuple[dict[str, Contender], dict[str, str]]:
    """Who takes part, and why others do not. Environments are made before anything is measured."""
    contenders: dict[str, Contender] = {"loan": functools.partial(hop.measure, form="loan")}
    missing: dict[str, str] = {}
    here = (environments.ICEORYX2, environments.ICEORYX2_EVENTS)
    others = (environments.ERDOS, environments.DORA, environments.ZENOH) if peers else ()
    for peer in (*others, *here):
        try:
            python = environments.interpreter(peer, tell)
        except PeerUnavailable as error:
            missing[peer.name] = str(error)
            tell(f"{peer.name} is left out: {error}")
            continue
        contenders[peer.name] = functools.partial(environments.measure, peer, python)
    contenders["copy"] = functools.partial(hop.measure, form="copy")
    return contenders, missing


def measure_all(
    contenders: dict[str, Contender], hops: dict[str, Hop], rounds: int, say: Callable[[str], None] = lambda line: None
) -> tuple[Results, dict[tuple[str, str], str]]:
    """All contenders one after another on each case, round after round, so that a busy machine is busy for everybody.

    Returns the measurements, and why some could not be made; whoever has failed is not asked again.
    """
    results: Results = {}
    failed: dict[tuple[str, str], str] = {}
    for number in range(rounds):
        for case, each in hops.items():
            for name, measure in contenders.items():
                if (name, case) in failed:
                    continue
                say(f"round {number + 1} of {rounds}: {case}, {name}")
                try:
                    measured = measure(each)
                    results.setdefault((name, case), []).append(measured)
                except UsageError:
                    raise
                except SkylaneError as error:
                    failed[name, case] = str(error)
    return results, failed


def report(results: Results, hops: dict[str, Hop], failed: dict[tuple[str, str], str]) -> dict[str, Any]:
    """Figures by contender and case, ratios, and which targets they meet."""
    told: dict[str, Any] = {}
    for (name, case), rounds in results.items():
        row = told.setdefault(name, {"python": rounds[0].python or platform.python_version()})
        if rounds[0].version:
            row["version"] = rounds[0].version
        row[case] = figures(hops[case], rounds)
    for (name, case), why in failed.items():
        told.setdefault(name, {})[case] = {"failed": why}
    ratios = {
        "ratio_erdos_6mb_loan": ratio(results, "erdos", "loan", "6mb"),
        "ratio_erdos_6mb_copy": ratio(results, "erdos", "copy", "6mb"),
        "ratio_erdos_1mb_loan": ratio(results, "erdos", "loan", "1mb"),
        "ratio_erdos_1kb": ratio(results, "erdos", "loan", "1kb"),
        "ratio_erdos_fanout4": ratio(results, "erdos", "loan", "fanout4"),
        "ratio_dora_6mb_loan": ratio(results, "dora", "loan", "6mb"),
        "ratio_dora_1kb": ratio(results, "dora", "loan", "1kb"),
        "ratio_zenoh_6mb_loan": ratio(results, "zenoh", "loan", "6mb"),
        "ratio_zenoh_1kb": ratio(results, "zenoh", "loan", "1kb"),
        "ratio_raw_iceoryx2_6mb": ratio(results, "loan", "raw_iceoryx2", "6mb"),
        "ratio_raw_iceoryx2_1kb": ratio(results, "loan", "raw_iceoryx2", "1kb"),
        "gain_eventfd_over_events_1kb": ratio(results, "raw_iceoryx2_events", "raw_iceoryx2", "1kb"),
        "gain_eventfd_over_events_fanout4": ratio(results, "raw_iceoryx2_events", "raw_iceoryx2", "fanout4"),
        "cpu_ms_per_6mb_loan": cpu(results, "loan", "throughput"),
        "cpu_ms_per_6mb_loan_at_30hz": cpu(results, "loan", "6mb"),
        "cpu_ms_per_6mb_copy": cpu(results, "copy", "throughput"),
    }
    told |= {name: value for name, value in ratios.items() if value is not None}
    told["targets"] = judge(told)
    return told


def ratio(results: Results, over: str, under: str, case: str) -> float | None:
    """Median over the rounds of one contender's median delay divided by another's; None without such rounds.

    A round in which one of them lost messages does not count: the delays of those that arrived say too little.
    """
    found: list[float] = []
    for a, b in zip(results.get((over, case), []), results.get((under, case), []), strict=False):
        arrived = len(a.last_reader_ms()), len(b.last_reader_ms())
        if arrived[0] and arrived[0] == arrived[1]:
            found.append(median_ms(a) / median_ms(b))
    return rounded(np.median(found)) if found else None


def cpu(results: Results, name: str, case: str) -> float | None:
    """Processor time per message in milliseconds, the median over the rounds."""
    rounds = results.get((name, case))
    return rounded(np.median([each.cpu_ms() for each in rounds])) if rounds else None


def judge(told: dict[str, Any]) -> dict[str, str]:
    """Each target that was measured: met or missed, and what was asked."""
    verdicts = {}
    for name, (sign, bound) in TARGETS.items():
        if name in told:
            met = told[name] >= bound if sign == ">=" else told[name] <= bound
            verdicts[name] = f"{'met' if met else 'missed'}: {told[name]:.4g}, target {sign} {bound:g}"
    return verdicts
