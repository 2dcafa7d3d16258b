"""What the trained detectors find in rendered drives, beside the truth: the data that accuracy models are fitted to.

Decides which pictures are taken. What is learnt from them is ``operators.models.accuracy``'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from operators.messages import LABELS, Box, Detection
from operators.models.accuracy import AccuracyRecipe, DetectorAccuracy, write_accuracy
from operators.models.accuracy_fitting import fit
from operators.models.cards import SIZES, read_card
from operators.models.sightings import Sighting, Sightings, View
from pipeline.errors import SkylaneError
from scenarios.library import loading as library
from scenarios.scenario import Scenario, Weather
from scenarios.sweeps import memory
from scenarios.sweeps.agreement import agreement
from scenarios.sweeps.pictures import passive_drive
from scenarios.world.world import World

STEP_NS = 100_000_000
PICTURES_PER_SCENE = 14
SPEEDS_MPS = (7.0, 10.0, 13.0)
PIXELS_MIN = 8
HEIGHT_MIN_PX = 3.0
HELD_OUT = 1_000_000
"""Seeds from here on are for judging, never for fitting."""

DATA = (
    "Pictures of this project's own renderer: every family of the scenario library in turn, at 7, 10 or 13 m/s, the "
    "car keeping lane and speed; half of the scenes by clear day, the others at any hour, in rain and in fog."
)

Report = Callable[[str], None]


def scenes(count: int, seed: int) -> list[tuple[str, float, int]]:
    """Family, speed and seed of ``count`` scenes: every family in turn."""
    rng = np.random.default_rng([seed, 41])
    return [(library.NAMES[k % len(library.NAMES)], float(rng.choice(SPEEDS_MPS)), seed + k) for k in range(count)]


def collect(count: int, seed: int, cache: Path, sizes: Sequence[str], report: Report) -> list[Sightings]:
    """What is seen in ``count`` scenes, scene by scene; those in ``cache`` are not driven again."""
    from operators.detection.torch_detector import TorchDetector

    cache.mkdir(parents=True, exist_ok=True)
    detectors = {size: TorchDetector(size) for size in sizes}
    found = []
    for k, (family, speed_mps, number) in enumerate(scenes(count, seed)):
        path = cache / f"{family}-{speed_mps:g}-{number}.msgpack"
        if not path.exists():
            try:
                seen = drive(family, speed_mps, number, detectors)
            except SkylaneError as error:
                report(f"{family} is left out: {error}")
                continue
            path.write_bytes(msgspec.msgpack.encode(seen))
        found.append(msgspec.msgpack.decode(path.read_bytes(), type=Sightings))
        if k % 10 == 9:
            memory.give_back()  # streets that are not seen again
            report(f"{k + 1} of {count} scenes")
    return found


def drive(family: str, speed_mps: float, seed: int, detectors: dict[str, Any]) -> Sightings:
    """One scene in a weather of its own: pictures every ``STEP_NS``, what is true in them, what is found."""
    rng = np.random.default_rng([seed, 43])
    scenario = library.load(family, speed_mps, seed)
    scenario = msgspec.structs.replace(scenario, weather=_weather(scenario, rng))
    world = World(scenario, seed=seed)
    longest = min(scenario.duration_s, 9.0) - PICTURES_PER_SCENE * STEP_NS / 1e9
    start_ns = round(rng.uniform(0.2, max(0.3, longest)) * 1e9)
    passive_drive(world, scenario.speed_mps, start_ns)
    views = []
    for k in range(PICTURES_PER_SCENE):
        passive_drive(world, scenario.speed_mps, start_ns + k * STEP_NS)
        if world.finished:
            break
        views.append(_view(world, detectors, k * STEP_NS))
    return Sightings(scene=f"{family} {speed_mps:g} {seed}", views=tuple(views))


def _weather(scenario: Scenario, rng: np.random.Generator) -> Weather:
    """A clear day for half of the scenes, else any light and weather."""
    draw = rng.random(5)
    if draw[0] < 0.5:
        return scenario.weather
    night = float(draw[1]) if draw[1] < 0.3 or draw[1] > 0.7 else scenario.weather.night
    rain = float(draw[2]) if draw[2] > 0.6 else 0.0
    fog_m = float(40.0 + 260.0 * draw[4]) if draw[3] > 0.65 else 0.0
    return msgspec.structs.replace(scenario.weather, night=night, rain=rain, fog_m=fog_m)


def _view(world: World, detectors: dict[str, Any], t: int) -> View:
    rendered = world.render()
    weather, camera = world.scenario.weather, world.camera
    tight = dict(_tight_boxes(rendered.instance))
    seen = []
    for user in world.truth():
        box = user.box
        if box is None or box.y1_px - box.y0_px < HEIGHT_MIN_PX or user.visible <= 0.0:
            continue
        seen.append(
            Sighting(
                id=user.id,
                label=user.label,
                box=_edges(box),
                visible=user.visible,
                distance_m=user.distance_m,
                tight=tight.get(user.id),
            )
        )
    return View(
        t=t,
        width_px=camera.width_px,
        height_px=camera.height_px,
        night=weather.night,
        rain=weather.rain,
        fog_m=weather.fog_m,
        seen=tuple(seen),
        found={
            size: tuple(_row(item) for item in detector.detect(rendered.rgb)) for size, detector in detectors.items()
        },
    )


def _tight_boxes(instance: NDArray[np.uint16]) -> Iterator[tuple[int, tuple[float, float, float, float]]]:
    for number in np.unique(instance):
        if number == 0:
            continue
        rows, columns = np.nonzero(instance == number)
        if len(rows) >= PIXELS_MIN:
            yield (
                int(number),
                (float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1)),
            )


def _edges(box: Box) -> tuple[float, float, float, float]:
    return box.x0_px, box.y0_px, box.x1_px, box.y1_px


def _row(item: Detection) -> tuple[str, float, float, float, float, float]:
    return item.label, item.score, *_edges(item.box)


def fit_detectors(
    *, scenes_: int, held_out: int, seed: int, out: Path, sizes: Sequence[str] = SIZES, report: Report
) -> dict[str, DetectorAccuracy]:
    """Fit an accuracy model for every size, judge it on held-out scenes, and write both into ``out``."""
    learnt = collect(scenes_, seed, out / "sightings", sizes, report)
    judged = collect(held_out, HELD_OUT + seed, out / "sightings", sizes, report)
    models = {}
    for size in sizes:
        card = read_card(size)
        recipe = AccuracyRecipe(
            command=f"skylane fit-detectors --scenes {scenes_} --held-out {held_out} --seed {seed}",
            scenes=len(learnt),
            pictures=sum(len(one.views) for one in learnt),
            road_users=sum(len(view.seen) for one in learnt for view in one.views),
            seed=seed,
            held_out_scenes=len(judged),
            held_out_seed=HELD_OUT + seed,
            data=DATA,
            weights=card.blake2b,
        )
        labels = {label: fit(learnt, size, label, card.threshold(label)) for label in LABELS}
        model = DetectorAccuracy(name=size, labels=labels, recipe=recipe)
        models[size] = msgspec.structs.replace(model, agreement=agreement(judged, model))
        for name, one in models[size].agreement.items():
            report(f"{size:<7} {name:<30} pixels {one.pixels:.3f}  fitted {one.fitted:.3f}")
    write_accuracy(models, out)
    return models
