"""Light and weather: what each does to a picture, and that by default none does anything."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from pathlib import Path

import msgspec
import numpy as np
import pytest

from pipeline.errors import UsageError
from scenarios.scenario import Drive, Stand, Weather
from scenarios.world.drawing.camera import Rendered
from scenarios.world.drawing.classes import BUILDING, ROAD
from tests.scenarios.pictures import bytes_of, on_street, user

KEPT = Path(__file__).with_name("pictures.json")
CAR = user(1, "car", 40.0, -1.9, colour=(150, 40, 40))
PERSON = user(2, "pedestrian", 34.0, 2.0, math.pi / 2)


def signature() -> str:
    """Machines with the same one compute the same bits, as far as is known."""
    features = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return f"{platform.system()} {platform.machine()} {' '.join(sorted(features))}"


def brightness(rendered: Rendered, where: np.ndarray) -> float:
    return float(rendered.rgb[where].mean())


def test_the_street_by_default_looks_to_the_last_bit_as_it_did(update_goldens: bool) -> None:
    digest = hashlib.blake2b(bytes_of(on_street(CAR, PERSON)), digest_size=16).hexdigest()
    if update_goldens:
        KEPT.write_text(json.dumps({"machine": signature(), "street": digest}, indent=2) + "\n", encoding="utf-8")
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    if kept["machine"] != signature():
        pytest.skip("written on another kind of machine, which may round otherwise")
    assert digest == kept["street"], "make update-goldens, if it is meant"


def test_weather_that_does_nothing_gives_the_bytes_of_no_weather() -> None:
    # An exposure of a nanosecond smears nothing, but takes the code that weather takes.
    assert bytes_of(on_street(CAR, PERSON, weather=Weather(blur_s=1e-9))) == bytes_of(on_street(CAR, PERSON))


@pytest.mark.parametrize(
    "weather",
    [
        Weather(night=1.0, rain=0.7, grain=5.0, blur_s=0.01),
        Weather(night=0.5, fog_m=120.0, auto_exposure=True),
        Weather(shadow_map=True, clouds=0.3),
    ],
)
def test_equal_states_at_equal_times_give_equal_bytes(weather: Weather) -> None:
    pictures = [on_street(CAR, PERSON, weather=weather, speed_mps=9.0, now_ns=7) for _ in range(2)]
    assert bytes_of(pictures[0]) == bytes_of(pictures[1])


def test_rain_and_noise_fall_otherwise_at_another_time() -> None:
    weather = Weather(rain=0.5, grain=4.0)
    assert bytes_of(on_street(weather=weather, now_ns=0)) != bytes_of(on_street(weather=weather, now_ns=50_000_000))


@pytest.mark.parametrize(
    "weather",
    [Weather(night=1.0), Weather(rain=1.0), Weather(fog_m=60.0), Weather(blur_s=0.03, grain=8.0, shadow_map=True)],
)
def test_depth_and_masks_know_no_weather(weather: Weather) -> None:
    clear, other = on_street(CAR, PERSON, speed_mps=12.0), on_street(CAR, PERSON, weather=weather, speed_mps=12.0)
    assert np.array_equal(clear.depth_m, other.depth_m)
    assert np.array_equal(clear.instance, other.instance)
    assert np.array_equal(clear.semantic, other.semantic)
    assert not np.array_equal(clear.rgb, other.rgb)


def test_night_is_dark_and_windows_are_lit() -> None:
    day, night = on_street(), on_street(weather=Weather(night=1.0))
    sky, walls = np.isinf(day.depth_m), day.semantic == BUILDING
    assert brightness(night, sky) < 0.2 * brightness(day, sky)
    assert np.percentile(night.rgb[walls].max(axis=1), 99.5) > 150 > np.percentile(night.rgb[walls].max(axis=1), 50)


def test_the_ego_s_headlights_light_the_road_ahead_and_whoever_stands_on_it() -> None:
    night = on_street(PERSON, weather=Weather(night=1.0))
    road = night.semantic == ROAD
    ahead = road & (np.abs(night.depth_m - 10.0) < 2.5)
    far = road & (night.depth_m > 45.0) & (night.depth_m < 70.0)
    middle = np.zeros_like(road)
    middle[:, 100:140] = True
    assert brightness(night, ahead & middle) > 1.5 * brightness(night, far & middle)
    person = on_street(user(2, "pedestrian", 34.0, -1.75), weather=Weather(night=1.0))
    aside = on_street(user(2, "pedestrian", 34.0, 9.0), weather=Weather(night=1.0))
    assert brightness(person, person.instance == 2) > 1.3 * brightness(aside, aside.instance == 2)


def test_a_car_that_drives_has_its_lights_on_at_night_and_a_parked_one_has_not() -> None:
    def red(driving: bool) -> int:
        motion = Drive(speed_mps=5.0) if driving else Stand()
        rendered = on_street(user(1, "car", 32.0, -1.75, motion=motion), weather=Weather(night=1.0))
        rgb = rendered.rgb.astype(int)
        return int(((rgb[..., 0] > 170) & (rgb[..., 1] < 90) & (rendered.instance == 1)).sum())

    assert red(True) > 5
    assert red(False) == 0


def test_the_headlights_of_others_light_the_road_before_them() -> None:
    def before(speed_mps: float) -> float:
        other = user(1, "car", 60.0, 1.75, math.pi, speed_mps, motion=Drive(speed_mps=5.0)) if speed_mps else None
        rendered = on_street(*([other] if other else []), weather=Weather(night=1.0))
        where = (rendered.semantic == ROAD) & (rendered.depth_m > 25.0) & (rendered.depth_m < 34.0)
        where[:, 120:] = False
        return brightness(rendered, where)

    assert before(5.0) > before(0.0) + 5.0


def test_fog_grows_with_distance() -> None:
    clear, fog = on_street(), on_street(weather=Weather(fog_m=80.0))
    lost = []
    for low, high in ((5.0, 12.0), (20.0, 30.0), (45.0, 60.0)):
        where = (clear.semantic == BUILDING) & (clear.depth_m > low) & (clear.depth_m < high)
        lost.append(float(fog.rgb[where].std() / clear.rgb[where].std()))
    assert lost[0] > lost[1] > lost[2]
    # Koschmieder: 5 % of the contrast is left at 80 m, so about 15 % at 50 m.
    assert lost[2] < 0.35


def test_rain_darkens_the_road_and_greys_the_sky() -> None:
    clear, rain = on_street(), on_street(weather=Weather(rain=0.6))
    road = (clear.semantic == ROAD) & (clear.depth_m < 12.0)
    assert brightness(rain, road) < 0.85 * brightness(clear, road)
    sky = rain.rgb[np.isinf(clear.depth_m)].astype(float)
    assert np.ptp(sky.mean(axis=0)) < 12.0


def test_wet_ground_mirrors_what_stands_on_it() -> None:
    weather = Weather(wetness=1.0)
    red = user(1, "truck", 44.0, -1.75, colour=(230, 10, 10), second_colour=(230, 10, 10))
    empty, truck = on_street(weather=weather), on_street(red, weather=weather)
    ground = (truck.semantic == ROAD) & (truck.depth_m < 18.0) & (truck.depth_m > 9.0)
    ground[:, :110] = ground[:, 130:] = False
    redder = (truck.rgb[ground].astype(int)[:, 0] - truck.rgb[ground].astype(int)[:, 2]).mean()
    assert redder > (empty.rgb[ground].astype(int)[:, 0] - empty.rgb[ground].astype(int)[:, 2]).mean() + 4.0


def test_motion_blur_smears_what_passes_and_not_what_keeps_up() -> None:
    def sharpness(rendered: Rendered, number: int) -> float:
        rows, columns = np.nonzero(rendered.instance == number)
        part = rendered.rgb[rows.min() : rows.max(), columns.min() : columns.max()].astype(float)
        return float(np.abs(np.diff(part, axis=1)).mean())

    passing = user(1, "car", 27.0, -4.2)
    keeping = user(2, "car", 34.0, -1.75, 0.0, 14.0)
    still = on_street(passing, keeping, speed_mps=14.0)
    blurred = on_street(passing, keeping, speed_mps=14.0, weather=Weather(blur_s=0.03))
    assert sharpness(blurred, 1) < 0.8 * sharpness(still, 1)
    assert sharpness(blurred, 2) > 0.9 * sharpness(still, 2)


def test_automatic_exposure_lifts_a_dark_picture() -> None:
    dark = on_street(weather=Weather(night=1.0))
    lifted = on_street(weather=Weather(night=1.0, auto_exposure=True))
    assert lifted.rgb.mean() > 1.3 * dark.rgb.mean()


def test_grain_has_the_strength_that_is_asked_for() -> None:
    clean, noisy = on_street(), on_street(weather=Weather(grain=6.0))
    grey = (clean.rgb > 110) & (clean.rgb < 146)
    difference = noisy.rgb[grey].astype(float) - clean.rgb[grey].astype(float)
    assert difference.std() == pytest.approx(6.0, rel=0.15)
    assert abs(difference.mean()) < 0.6


def test_with_a_shadow_map_shadow_falls_on_walls_and_people() -> None:
    truck, person = user(1, "truck", 33.0, -1.0), user(2, "pedestrian", 36.0, -4.4)
    plain = on_street(truck, person)
    mapped = on_street(truck, person, weather=Weather(shadow_map=True))
    above = (plain.semantic == BUILDING) | (plain.instance == 2)
    darker = plain.rgb[above].astype(int).sum(axis=1) - mapped.rgb[above].astype(int).sum(axis=1)
    assert (darker > 40).sum() > 30
    assert (darker < -6).sum() == 0


@pytest.mark.parametrize("field", ["night", "rain", "clouds", "wetness", "fog_m", "blur_s", "grain"])
@pytest.mark.parametrize("value", [math.nan, -0.1, math.inf])
def test_weather_that_cannot_be_is_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(UsageError, match=field):
        msgspec.structs.replace(Weather(), **{field: value})
