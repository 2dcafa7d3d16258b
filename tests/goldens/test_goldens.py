"""What the shipped twin says, held against what it said before; ``make update-goldens`` writes it anew.

``course`` (who answered which timestamp with what quality) holds on every machine. ``outputs`` holds every value to
the last bit, which another processor or another library may round otherwise: it is compared on the kind of machine
that wrote it alone.
"""

from __future__ import annotations

import hashlib
import json
import platform
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.building import build
from pipeline.events import Event, Missed, Sealed, Sent
from pipeline.execution import VirtualClock, run
from pipeline.launchfile import resolve

FILE = Path(__file__).with_name("twin.json")
DURATION = "2s"
VARIANTS = ("periodic", "data-driven", "dynamic")

pytestmark = pytest.mark.slow


class Course:
    """What was answered, without the values and the nanosecond."""

    def __init__(self) -> None:
        self.digest = hashlib.blake2b(digest_size=16)
        self.answers = self.misses = 0

    def on_event(self, event: Event) -> None:
        if isinstance(event, Sent):
            self.answers += 1
            said = ("sent", event.stream, event.t, event.quality, event.winner)
        elif isinstance(event, Missed):
            self.misses += 1
            said = ("missed", event.operator, event.t, event.deadline, event.reason)
        elif isinstance(event, Sealed):
            said = ("sealed", event.operator, event.t, event.quality, event.reason)
        else:
            return
        self.digest.update(json.dumps(said).encode())


@cache
def signature() -> str:
    """Machines with the same one compute the same bits, as far as is known."""
    features = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    numpy = ".".join(np.__version__.split(".")[:2])
    return f"{platform.system()} {platform.machine()} numpy {numpy} {' '.join(sorted(features))}"


@cache
def driven(variant: str) -> dict[str, Any]:
    root = Path(__file__).resolve().parents[2]
    built = build(resolve(str(root / "launch" / "twin.yaml"), [f"duration={DURATION}"]), variant)
    course = Course()
    clock = VirtualClock(built.settings.seed, built.latency)
    result = run(built.graph, clock=clock, until=built.settings.duration, observers=[course], keep=False)
    return {
        "answers": course.answers,
        "misses": course.misses,
        "course": course.digest.hexdigest(),
        "outputs": result.output_hash,
    }


def kept() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return told


def test_goldens_are_written_when_asked(update_goldens: bool) -> None:
    if update_goldens:
        found = {
            "machine": signature(),
            "duration": DURATION,
            "variants": {variant: driven(variant) for variant in VARIANTS},
        }
        FILE.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    assert kept()["duration"] == DURATION
    assert tuple(kept()["variants"]) == VARIANTS


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_twin_takes_the_course_it_took(variant: str, update_goldens: bool) -> None:
    if update_goldens:
        pytest.skip("being written")
    golden = {key: value for key, value in kept()["variants"][variant].items() if key != "outputs"}
    assert {key: driven(variant)[key] for key in golden} == golden, "make update-goldens, if it is meant"


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_twin_says_to_the_last_bit_what_it_said(variant: str, update_goldens: bool) -> None:
    if update_goldens:
        pytest.skip("being written")
    if kept()["machine"] != signature():
        pytest.skip("written on another kind of machine, which may round otherwise")
    assert driven(variant)["outputs"] == kept()["variants"][variant]["outputs"], "make update-goldens, if it is meant"


def test_the_variants_differ() -> None:
    assert len({row["course"] for row in kept()["variants"].values()}) == len(VARIANTS)
