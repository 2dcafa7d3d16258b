"""``skylane bench pipeline``: the synthetic pipeline of a car in one process and in one process per operator.

Also what the D3 paper claims of its runtime, beside what is measured here. Absolute times are another machine's there:
growth and order are what is compared.
"""

from __future__ import annotations

import functools
import json
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import SkylaneError
from pipeline.execution import WallClock, run
from pipeline.measuring import environments, hop
from pipeline.measuring.claims import deadline_claims, runtime_claims
from pipeline.measuring.environments import PICKLE
from pipeline.measuring.ipc import measure_all, tell
from pipeline.measuring.load import load_average
from pipeline.measuring.pipeline_graph import OPERATORS_A_COPY, car
from pipeline.measuring.sampling import Hop, Measured, median_ms, rounded
from pipeline.timestamps import seconds

HZ = 30.0
COPIES = (1, 2, 3, 4, 5)
SIZES_IN_PROCESS = {"10kb": 10_000, "100kb": 100_000, "1mb": 1_000_000, "10mb": 10_000_000}
GROWTH_TARGET = 1.4
START_S = 2.0
"""How long a process may take until it is ready, at the worst; all start at once."""


def pipeline(*, peers: bool = False, quick: bool = False) -> dict[str, Any]:
    """Delay through 1 to 5 copies of a car's pipeline, in one process and in many, and the D3 paper's claims."""
    count, warm_up, rounds = (15, 5, 1) if quick else (60, 15, 3)
    copies = (1, 2) if quick else COPIES
    before = load_average()
    told: dict[str, Any] = {"hz": HZ, "operators_a_copy": OPERATORS_A_COPY, "rounds": rounds}
    contenders: dict[str, Callable[[Hop], Measured]] = {
        "one_process": functools.partial(measure, processes=False),
        "one_process_apart": functools.partial(measure, processes=False, apart=True),
        "process_per_operator": functools.partial(measure, processes=True),
    }
    if peers:
        try:
            python = environments.interpreter(environments.ERDOS, tell)
            contenders["erdos"] = functools.partial(environments.measure, environments.ERDOS, python, what="car")
        except SkylaneError as error:
            told["unavailable"] = {"erdos": str(error)}
            tell(f"erdos is left out: {error}")
    hops = {f"copies_{n}": Hop(8, readers=n, hz=HZ, count=count, warm_up=warm_up) for n in copies}
    results, failed = measure_all(contenders, hops, rounds, tell)
    for name in contenders:
        told[name] = {"python": platform.python_version()}
        for case in hops:
            measured = results.get((name, case))
            told[name][case] = _row(hops[case], measured) if measured else {"failed": failed[name, case]}
            told[name]["python"] = (measured[0].python if measured else "") or told[name]["python"]
        told[name] |= growth(told[name], hops)
    told["growth_target"] = GROWTH_TARGET
    single = _hops(rounds, count, warm_up)
    names = ("one_process", "one_process_apart")
    to_five = [told[name].get("growth") if max(copies) == max(COPIES) else None for name in names]
    told["claims"] = [*runtime_claims(single, *to_five), *deadline_claims(quick=quick)]
    told |= {"load_average_before": before, "load_average_after": load_average()}
    return told


def measure(each: Hop, *, processes: bool, apart: bool = False) -> Measured:
    """Run ``each.readers`` copies once. ``processes``: an operator in each process. ``apart``: see ``car``."""
    with tempfile.TemporaryDirectory(prefix="skylane-bench-") as folder:
        arguments: dict[str, Any] = {"copies": each.readers, "hz": each.hz, "count": each.count}
        arguments |= {"warm_up": each.warm_up, "folder": folder, "apart": apart}
        graph = car(**arguments)
        clock = hop.alone(graph, f"{car.__module__}:car", arguments) if processes else WallClock()
        until = seconds(each.limit_s + START_S * len(graph.operators))
        run(graph, clock=clock, until=until, keep=False, watch=False)
        files = [Path(folder) / f"sample_{copy}.json" for copy in range(each.readers)]
        delays = [[(n, d) for n, d in json.loads(file.read_text())] if file.exists() else [] for file in files]
    return Measured(delays=delays, cpu_ns=0)


def _row(each: Hop, rounds: list[Measured]) -> dict[str, Any]:
    delays = np.array([delay for m in rounds for reader in m.delays for _, delay in reader]) / 1e6
    if not len(delays):
        return {"failed": "nothing arrived"}
    row = {"e2e_ms_p50": rounded(np.median(delays)), "e2e_ms_p99": rounded(np.percentile(delays, 99))}
    return {**row, "lost": each.count * each.readers * len(rounds) - len(delays)}


def growth(row: dict[str, Any], hops: dict[str, Hop]) -> dict[str, float]:
    """How many times longer the most copies take than one does."""
    first, last = (row.get(case, {}).get("e2e_ms_p50") for case in (min(hops), max(hops)))
    return {"growth": rounded(last / first)} if first and last else {}


def _hops(rounds: int, count: int, warm_up: int) -> dict[str, float]:
    """Median delays of single hops for the paper's rows: ``where_what`` → ms."""
    shape = functools.partial(Hop, count=count, warm_up=warm_up)
    inside = {f"inside_{name}": shape(size) for name, size in SIZES_IN_PROCESS.items()}
    between = {"between_1mb": shape(1_000_000), "between_10mb": shape(10_000_000)}
    fans = {f"fan_{n}": shape(hop.FRAME_BYTES, readers=n) for n in (1, 5)}
    ours = functools.partial(hop.measure, form="copy")
    found, failed = measure_all({"": functools.partial(ours, processes=False)}, inside, rounds, tell)
    more, also_failed = measure_all({"": ours}, {**between, **fans}, rounds, tell)
    python = environments.interpreter(PICKLE)
    plain = functools.partial(environments.measure, PICKLE, python)
    baseline, _ = measure_all({"pickle": plain}, between, rounds, tell)
    for (_, case), why in {**failed, **also_failed}.items():
        tell(f"{case} failed: {why}")
    every = {**found, **more, **baseline}
    return {
        f"{who}_{case}" if who else case: float(np.median([*map(median_ms, ms)])) for (who, case), ms in every.items()
    }
