"""Suite → tasks: which runs there are, in which order, and by which digest a finished one is known again.

Loads every scenario once, so that a family or a parameter that does not exist is found before anything runs.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Union

import msgspec

from pipeline.errors import InvalidLaunchFile, SkylaneError
from pipeline.launchfile import LaunchFile, Problems, resolve
from pipeline.located import FieldPath
from pipeline.settings import Settings
from pipeline.suggestions import suggest
from pipeline.timestamps import Duration
from scenarios.library import loading as library
from scenarios.scenario import Scenario
from scenarios.sweeps.driving import Row, drive
from scenarios.sweeps.perception import perception
from scenarios.sweeps.suite import ALL, FamilySettings, InvalidSuite, LaunchSettings, SuiteFile, flow

FORMAT = 1
"""Raised when rows mean something else than before: older ones are run again."""

Scalar = Union[int, float, str]


class Scene(NamedTuple):
    """One scenario: what all variants of a row drive through."""

    family: str
    parameters: tuple[tuple[str, Scalar], ...]
    speed_mps: float
    seed: int

    @property
    def name(self) -> str:
        """The family, and the parameters that were chosen."""
        return " ".join([self.family, *(f"{key}={value}" for key, value in self.parameters)])

    def load(self) -> Scenario:
        """The scenario's data. Raises UsageError for a family or a parameter that does not exist."""
        parameters: dict[str, Any] = dict(self.parameters)
        return library.load(self.family, self.speed_mps, self.seed, **parameters)


@dataclass(frozen=True)
class Task:
    """One run, ready to be sent anywhere: it needs no file that is not part of an installation."""

    key: str
    """Digest of everything that the run's outcome depends on."""
    label: str
    """What is compared: launch file, variant and setting, as far as the suite has several of them."""
    launch: str
    variant: str
    setting: str
    scene: Scene
    scenario: str
    """Digest of the scenario's data."""
    perception: str
    path: str
    text: str
    """The launch file, with everything but the scene in it."""
    overrides: tuple[str, ...]
    """The scene."""

    def columns(self) -> Row:
        """What says which run this is, as a row has it."""
        scene = self.scene
        return {
            "key": self.key,
            "label": self.label,
            "launch": self.launch,
            "variant": self.variant,
            "setting": self.setting,
            "family": scene.family,
            "parameters": dict(scene.parameters),
            "scene": scene.name,
            "speed_mps": scene.speed_mps,
            "seed": scene.seed,
            "perception": self.perception,
        }

    def perform(self) -> Row:
        """Run it here."""
        return self.columns() | drive(self.text, self.path, self.overrides)


class _Subject(NamedTuple):
    """One launch file, variant and setting."""

    label: str
    launch: str
    variant: str
    setting: str
    settings: Settings
    path: str
    text: str
    duration: Duration | None


def expand(file: SuiteFile) -> list[Task]:
    """Every run of the suite: seed by seed, and within a seed scene by scene with all its variants.

    A sweep that is stopped therefore has the same seeds for everything. Raises InvalidSuite.
    """
    problems = file.problems()
    subjects = _subjects(file, problems)
    problems.raise_any()
    if file.suite.baseline is not None and file.suite.baseline not in {each.label for each in subjects}:
        what = f"there is no variant {file.suite.baseline!r} in this suite"
        hint = suggest(file.suite.baseline, {each.label for each in subjects})
        problems.add(("baseline",), what, hint, InvalidSuite)
    scenes = _scenes(file, problems)
    problems.raise_any()
    return [_task(subject, scene, digest, duration) for scene, digest, duration in scenes for subject in subjects]


def _subjects(file: SuiteFile, problems: Problems) -> list[_Subject]:
    suite = file.suite
    settings = suite.settings or {"": {}}
    found: list[_Subject] = []
    for name, launch in suite.launch.items():
        path: FieldPath = ("launch", name)
        for setting, changes in settings.items():
            resolved = _resolve(file, launch, changes, path, problems)
            if resolved is None:
                continue
            known = list(resolved.variants)
            for variant in known if launch.variants is None else launch.variants:
                if variant not in resolved.variants:
                    what, hint = f"{resolved.path} has no variant {variant!r}", suggest(variant, filter(None, known))
                    problems.add((*path, "variants"), what, hint, InvalidSuite)
                    continue
                parts = [name if len(suite.launch) > 1 else "", variant, setting if len(settings) > 1 else ""]
                label = "/".join(part for part in parts if part) or name
                one = resolved.variants[variant]
                _demand(one, resolved, path, problems)
                text = resolved.text(variant)
                found.append(_Subject(label, name, variant, setting, one, str(resolved.path), text, suite.duration))
    return found


def _resolve(
    file: SuiteFile, launch: LaunchSettings, changes: Mapping[str, Any], path: FieldPath, problems: Problems
) -> LaunchFile | None:
    beside = file.path.parent / launch.file
    own = [f"{key}={flow(value)}" for key, value in {**launch.set, **changes}.items()]
    try:
        return resolve(beside if beside.is_file() else launch.file, [*own, *file.overrides])
    except InvalidLaunchFile as error:
        problems.add((*path, "file") if "no such" in error.what else path, str(error), kind=InvalidSuite)
    except SkylaneError as error:
        problems.add(path, str(error), kind=InvalidSuite)
    return None


def _demand(settings: Settings, launch: LaunchFile, path: FieldPath, problems: Problems) -> None:
    if settings.engine != "virtual":
        what = f"{launch.path} runs on the engine {settings.engine!r}"
        problems.add(path, what, "sweeps need repeatable runs: set engine: virtual", InvalidSuite)
    if settings.world is None:
        problems.add(path, f"{launch.path} has no world", "a sweep puts its scenarios there", InvalidSuite)


def _scenes(file: SuiteFile, problems: Problems) -> list[tuple[Scene, str, Duration | None]]:
    """(scene, digest of what it is made of, duration of its runs), seed by seed."""
    suite = file.suite
    families: dict[str, FamilySettings] = {}
    for name, one in suite.families.items():
        if name == ALL:
            families |= {each: families.get(each, one) for each in library.NAMES}
        elif name not in library.NAMES:
            what, hint = f"there is no family of scenarios {name!r}", suggest(name, library.NAMES)
            problems.add(("families", name), what, hint, InvalidSuite)
        else:
            families[name] = one
    cells = [(name, one, parameters) for name, one in families.items() for parameters in _grid(one.parameters)]
    every = {seed: None for _, one, _ in cells for seed in one.seeds or suite.seeds}
    found = []
    for seed in sorted(every):
        for name, one, parameters in cells:
            for speed in one.speeds_mps or suite.speeds_mps if seed in (one.seeds or suite.seeds) else ():
                scene = Scene(name, parameters, speed, seed)
                digest = _loaded(scene, problems)
                if digest is None:
                    break
                found.append((scene, digest, one.duration or suite.duration))
        if problems.found:
            break
    return found


def _grid(parameters: Mapping[str, Iterable[Scalar]]) -> list[tuple[tuple[str, Scalar], ...]]:
    names = sorted(parameters)
    return [tuple(zip(names, values, strict=True)) for values in itertools.product(*(parameters[n] for n in names))]


def _loaded(scene: Scene, problems: Problems) -> str | None:
    """Digest of the scenario's data: a family that is edited is run again."""
    try:
        scenario = scene.load()
    except SkylaneError as error:
        problems.add(("families", scene.family), str(error), kind=InvalidSuite)
        return None
    return hashlib.blake2b(msgspec.msgpack.encode(scenario), digest_size=16).hexdigest()


def _task(subject: _Subject, scene: Scene, digest: str, duration: Duration | None) -> Task:
    world = {"scenario": scene.family, "speed_mps": scene.speed_mps}
    overrides = [f"world.{key}={flow(value)}" for key, value in world.items()]
    if scene.parameters:
        overrides.append(f"world.parameters={flow(dict(scene.parameters))}")
    # Whoever drives to a speed of its own drives to the scene's.
    for name, operator in subject.settings.operators.items():
        if "target_speed_mps" in operator.args:
            overrides.append(f"{name}.args.target_speed_mps={flow(scene.speed_mps)}")
    overrides.append(f"seed={scene.seed}")
    if duration is not None:
        overrides.append(f"duration={duration}ns")
    content = flow([FORMAT, subject.text, overrides, digest, _beside(subject.settings)])
    return Task(
        key=hashlib.blake2b(content.encode(), digest_size=16).hexdigest(),
        label=subject.label,
        launch=subject.launch,
        variant=subject.variant,
        setting=subject.setting,
        scene=scene,
        scenario=digest,
        perception=perception(subject.settings),
        path=subject.path,
        text=subject.text,
        overrides=tuple(overrides),
    )


def _beside(settings: Settings) -> str:
    """Digest of the latency profile, where it is a file of the user's own."""
    if settings.profile is None or not settings.profile.endswith((".yaml", ".yml")):
        return ""
    try:
        return hashlib.blake2b(Path(settings.profile).read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return ""  # reported by the run
