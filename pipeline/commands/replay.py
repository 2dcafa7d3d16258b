"""``skylane replay``: build the graph again from the launch file in the log, run it, and compare every event."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from pipeline.building import build
from pipeline.errors import InvalidRecord, UsageError
from pipeline.events import Observer
from pipeline.execution import VirtualClock, run
from pipeline.latency import MEASURED
from pipeline.launchfile import resolve
from pipeline.replaying import compare
from pipeline.runlog import RunLog
from pipeline.running import limit_threads


def replay_run(folder: Path, *, as_json: bool = False) -> int:
    """Replay one run, or every variant in the folder of a launch file's runs; 1 if any differs."""
    if not (folder / "log.mcap").exists() and (runs := sorted(p.parent for p in folder.glob("*/log.mcap"))):
        found = [_replay(one, as_json=as_json) for one in runs]
        return max(found)
    return _replay(folder, as_json=as_json)


def _replay(folder: Path, *, as_json: bool) -> int:
    limit_threads()
    log = RunLog(folder)
    if not log.launch:
        raise InvalidRecord("holds no launch file, so it cannot be run again", where=str(log.path))
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "launch.yaml"
        path.write_text(log.launch, encoding="utf-8")
        launch = resolve(str(path))
        built = build(launch, next(iter(launch.variants)))
    measured = any(latency == MEASURED for row in built.latency.by_operator.values() for latency in row.values())
    if built.settings.engine != "virtual" or measured:
        how = "with measured latencies" if measured else f"on the engine {built.settings.engine!r}"
        raise UsageError(
            f"was recorded {how}",
            where=str(folder),
            hint="only runs on modelled virtual time can be run again and compared",
        )

    def rerun(observer: Observer, stop: Callable[[], bool]) -> int:
        clock = VirtualClock(built.settings.seed, built.latency)
        return run(
            built.graph, clock=clock, until=built.settings.duration, observers=[observer], keep=False, stop=stop
        ).ended_at

    divergence = compare(log, rerun)
    if as_json:
        found = None if divergence is None else divergence._asdict()
        print(json.dumps({"run": str(folder), "equal": divergence is None, "divergence": found}))
    elif divergence is None:
        print(f"{folder}: equal, hash {log.metadata.get('hash', 'unknown: the run was cut off')}")
    else:
        print(f"{folder}: differs {divergence}")
    return 0 if divergence is None else 1
