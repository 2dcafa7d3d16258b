"""The contact sheet of light and weather in the documents: one drive through a town, seen in every weather.

``python -m scenarios.weather_sheet docs/pictures/weather.jpg`` draws it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from operators.messages import CameraModel
from scenarios.city import city
from scenarios.scenario import Scenario, Weather
from scenarios.world.world import World

COLUMNS = 3
WEATHERS: dict[str, Weather] = {
    "clear day": Weather(),
    "shadow map": Weather(shadow_map=True),
    "overcast": Weather(clouds=1.0),
    "dusk": Weather(night=0.5),
    "night": Weather(night=1.0, grain=3.0),
    "night, auto exposure": Weather(night=1.0, auto_exposure=True, grain=6.0),
    "rain": Weather(rain=0.8),
    "rain at night": Weather(night=1.0, rain=0.5, grain=4.0),
    "wet ground": Weather(wetness=1.0, clouds=0.4),
    "fog, 60 m": Weather(fog_m=60.0),
    "fog at night": Weather(night=1.0, fog_m=120.0, grain=3.0),
    "motion blur, 1/50 s": Weather(blur_s=0.02),
}


def weather_sheet(
    width_px: int = 480, seconds: float = 11.0, weathers: Mapping[str, Weather] = WEATHERS
) -> NDArray[np.uint8]:
    """A town in all ``weathers``, with their names, ``COLUMNS`` beside one another: (H, W, 3) RGB."""
    scenario = city("grid", 6, length_m=400.0, cars=70, pedestrians=70, cyclists=14, speed_mps=9.0)
    pictures = [_labelled(_seen(scenario, weather, width_px, seconds), name) for name, weather in weathers.items()]
    rows = [np.concatenate(pictures[i : i + COLUMNS], axis=1) for i in range(0, len(pictures), COLUMNS)]
    sheet: NDArray[np.uint8] = np.concatenate(rows, axis=0)
    return sheet


def _seen(scenario: Scenario, weather: Weather, width_px: int, seconds: float) -> NDArray[np.uint8]:
    focal, height = 0.5 * width_px, width_px * 9 // 16
    camera = CameraModel(width_px=width_px, height_px=height, fx_px=focal, fy_px=focal, cx_px=focal, cy_px=0.5 * height)
    world = World(msgspec.structs.replace(scenario, weather=weather), seed=4, camera=camera)
    world.advance(int(seconds * 1e9))
    return world.render().rgb


def _labelled(rgb: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """The picture with its name in the lower left corner, in place."""
    (wide, tall), _ = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
    low = rgb.shape[0]
    rgb[low - tall - 14 :, : wide + 16] //= 3
    cv2.putText(rgb, name, (8, low - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    return rgb


if __name__ == "__main__":
    cv2.imwrite(str(Path(sys.argv[1])), weather_sheet()[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
