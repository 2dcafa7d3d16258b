"""Files with something wrong in them: a scenario or one clear error, never a crash or a hang."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import SkylaneError
from scenarios.library.loading import FOLDER, NAMES, family, load, parse
from scenarios.openscenario.exporting import write_openscenario
from scenarios.openscenario.importing import read_openscenario

VALUES = [
    "nan", ".inf", "-1", "0", "1e308", "[]", "{}", "null", "true", "'x'", "[1, 2]", "{value: 3}", "speed_mps",
    "lane_m / 0", "{choice: []}", "1e9", "~", "[[1, 2], [3]]", "__import__", "on: ego",
]  # fmt: skip
WORDS = ["nan", "-1", "0", "1e308", "x", "", "$speed", "${1/0}", "Ego", "99999999999", "true"]


def mutated(text: str, rng: np.random.Generator, pattern: str, values: list[str]) -> str:
    """One match of ``pattern`` replaced, removed, or put where another is."""
    found = list(re.finditer(pattern, text))
    one, other = (found[int(k)] for k in rng.integers(len(found), size=2))
    choice = rng.random()
    new = values[int(rng.integers(len(values)))] if choice < 0.6 else "" if choice < 0.8 else other.group()
    return text[: one.start()] + new + text[one.end() :]


@pytest.mark.parametrize("name", [name for name in NAMES if family(name).file.city is None])
def test_a_family_with_any_word_changed_is_a_family_or_a_clear_error(name: str) -> None:
    rng = np.random.default_rng([len(name), 5])
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    refused = 0
    for seed in range(25):
        broken = mutated(text, rng, r"[A-Za-z_0-9.]+|\[[^\]]*\]", VALUES)
        try:
            parse(name, broken, "broken.yaml").scenario(12.0, seed, {})
        except SkylaneError as error:
            refused += 1
            assert "broken.yaml" in str(error) or f"scenario {name}" in str(error)
    assert 0 < refused <= 25


@pytest.mark.parametrize("name", ["traffic_jam", "cut_in", "debris"])
def test_an_openscenario_file_with_any_word_changed_is_read_or_refused(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng([len(name), 6])
    file = write_openscenario(load(name, 12.0, 0), tmp_path / "whole.xosc").scenario
    text, broken = file.read_text(encoding="utf-8"), tmp_path / "broken.xosc"
    for _ in range(8):
        broken.write_text(mutated(text, rng, r'(?<=")[^"]*(?=")|<\w+[^<>]*/>', WORDS), encoding="utf-8")
        for allowed in (False, True):
            try:
                read_openscenario(broken, allow_unsupported=allowed)
            except SkylaneError as error:
                assert str(error)
