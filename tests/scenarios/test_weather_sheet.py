"""The contact sheet shows every weather once, and they differ."""

from __future__ import annotations

import numpy as np
import pytest

from scenarios.scenario import Weather
from scenarios.weather_sheet import COLUMNS, WEATHERS, weather_sheet


@pytest.mark.slow
def test_the_sheet_has_a_picture_for_every_weather() -> None:
    assert len(WEATHERS) % COLUMNS == 0
    few = {name: WEATHERS[name] for name in ("clear day", "night", "fog, 60 m")}
    sheet = weather_sheet(64, 0.05, few)
    rows = 1
    assert sheet.shape == (rows * 36, COLUMNS * 64, 3)
    cells = {sheet[36 * i : 36 * i + 20, 64 * j : 64 * j + 64].tobytes() for i in range(rows) for j in range(COLUMNS)}
    assert len(cells) == len(few)
    assert next(iter(WEATHERS.values())) == Weather()
    assert sheet.dtype == np.uint8
