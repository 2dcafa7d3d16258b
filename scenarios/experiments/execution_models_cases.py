"""Which drives the comparison of execution models makes, and one of them: drive it, say how it went.

Decides nothing about how drives are judged together: that is ``execution_models_summary``.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.building import Built, build
from pipeline.errors import UsageError
from pipeline.execution import VirtualClock, run
from pipeline.launchfile import LaunchFile, resolve
from pipeline.recording import write_json
from pipeline.running import outcome
from scenarios.experiments.execution_models_watch import Watch
from scenarios.sweeps.driving import failure

STATICS = tuple(f"static-{budget}" for budget in (125, 200, 250, 400, 500))
DYNAMICS = ("dynamic", "dynamic-fixed", "dynamic-as-shipped")
MODELS = ("periodic", "data-driven", *STATICS, *DYNAMICS)
"""As the variants of the launch files are called; ``dynamic`` is our policy, the other two D3's."""

GRID = {"person_behind_truck": (11.0, 12.0, 13.0), "traffic_jam": (8.0, 10.0, 12.0)}

POLICY_SEEDS = tuple(range(101, 111))
"""What the policy was improved on."""
FINAL_SEEDS = tuple(range(1, 11))
"""What is reported; never looked at while the policy was changed."""


JUDGED = ("operators/budget", "operators/planning", "operators/prediction")
"""Where the code is that must be the same for a finished drive to be taken over."""


def launch_file(name: str) -> str:
    """One of the experiment's launch files, in the repository or as it came with the package."""
    root = Path(__file__).parents[2]
    for folder in (root / "launch", root / "pipeline" / "launch"):
        path = folder / "experiments" / f"{name}.yaml"
        if path.is_file():
            return str(path)
    raise UsageError(f"the launch file {name!r} of the experiment is missing", hint="install the package again")


@dataclass(frozen=True)
class Case:
    """One drive."""

    part: str
    """``grid`` or ``city``."""
    model: str
    scenario: str
    speed_mps: float
    seed: int
    length_m: float = 0.0

    @property
    def place(self) -> str:
        """Its file below the experiment's folder."""
        return f"{self.part}/{self.scenario}-{self.speed_mps:g}/{self.model}/{self.seed}.json"

    @property
    def scene(self) -> tuple[str, str, float, int]:
        """What all models drive through."""
        return self.part, self.scenario, self.speed_mps, self.seed

    def columns(self) -> dict[str, Any]:
        """What says which drive it is."""
        return asdict(self)

    def perform(self) -> dict[str, Any]:
        """Drive it here."""
        return drive(self)

    @property
    def launch(self) -> str:
        """The launch file."""
        return launch_file("grid" if self.part == "grid" else "city")

    @property
    def overrides(self) -> tuple[str, ...]:
        """What it changes in the launch file."""
        if self.part == "grid":
            return (
                f"world.scenario={self.scenario}",
                f"world.speed_mps={self.speed_mps}",
                f"plan.args.target_speed_mps={self.speed_mps}",
                f"seed={self.seed}",
            )
        return (
            f"world.map={self.scenario}",
            f"world.length_m={self.length_m:g}",
            f"seed={self.seed}",
        )


def grid_cases(seeds: Sequence[int], models: Sequence[str] = (*STATICS, *DYNAMICS)) -> list[Case]:
    """D3's speed grid, seed by seed."""
    return [
        Case("grid", model, scenario, speed, seed)
        for seed in seeds
        for scenario, speeds in GRID.items()
        for speed in speeds
        for model in models
    ]


def city_cases(seeds: Sequence[int], models: Sequence[str] = MODELS, *, length_m: float = 5000.0) -> list[Case]:
    """Mixed city driving: every seed's route of ``length_m`` through the map, under every model."""
    return [Case("city", model, "grid", 0.0, seed, length_m) for seed in seeds for model in models]


@cache
def judged() -> str:
    """Digest of the code whose behaviour is compared: results of another version are not taken over."""
    digest = hashlib.blake2b(digest_size=8)
    root = Path(__file__).parents[2]
    for folder in JUDGED:
        for path in sorted((root / folder).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def kept(case: Case, folder: Path) -> dict[str, Any] | None:
    """What an earlier run of the same found, if there is one."""
    try:
        row: dict[str, Any] = json.loads((folder / case.place).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return row if row.get("launch_hash") == _identity(case, resolve(case.launch, case.overrides)) else None


def keep(case: Case, row: dict[str, Any], folder: Path) -> None:
    """Write down what a drive found; a failed one is driven again next time."""
    if not row["error"]:
        place = folder / case.place
        place.parent.mkdir(parents=True, exist_ok=True)
        write_json(place, row)


def _identity(case: Case, launch: LaunchFile) -> str:
    town = Path(__file__).with_name("execution_models_city.py").read_text("utf-8") if case.part == "city" else ""
    return hashlib.blake2b(f"{launch.text(case.model)}{judged()}{town}".encode(), digest_size=8).hexdigest()


def drive(case: Case) -> dict[str, Any]:
    """Drive one case; a failed drive is a row with its ``error``."""
    try:
        launch = resolve(case.launch, case.overrides)
        return {**case.columns(), "launch_hash": _identity(case, launch), **_driven(build(launch, case.model))}
    except Exception as error:  # whatever it is, the other drives go on
        return {**case.columns(), **failure(error)}


def _driven(built: Built) -> dict[str, Any]:
    watch = Watch(built.world)
    clock = VirtualClock(built.settings.seed, built.latency)
    result = run(built.graph, clock=clock, until=built.settings.duration, observers=[watch], keep=False)
    told = outcome(built.world)["outcome"]
    impacts = collisions(built.world, told)
    return {
        "error": "",
        "collisions": len(impacts),
        "impacts_mps": [round(impact, 3) for impact, _ in impacts],
        "at_fault": dict(sorted(Counter(fault for _, fault in impacts).items())),
        "incidents": incidents(built.world),
        "with": told["collided_with"],
        "km": round(told["distance_m"] / 1000.0, 4),
        "duration_s": round(result.ended_at / 1e9, 3),
        "min_gap_m": told["min_gap_m"],
        "progress": round(told["progress"], 4),
        "hash": result.hash,
        **watch.figures(),
    }


def collisions(world: Any, told: dict[str, Any]) -> list[tuple[float, str]]:
    """Impact speed of every collision, and whose fault it was (``unknown`` where the world does not judge)."""
    tell = getattr(world, "incidents", None)
    if tell is None:
        return [(float(told["impact_speed_mps"]), "unknown")] if told["collided"] else []
    return [(float(each.impact_speed_mps), each.at_fault) for each in tell() if each.kind == "collision"]


def incidents(world: Any) -> dict[str, int]:
    """How often each kind of incident happened, collisions left out."""
    tell = getattr(world, "incidents", None)
    counts = Counter(each.kind for each in tell() if each.kind != "collision") if tell is not None else Counter[str]()
    return dict(sorted(counts.items()))
