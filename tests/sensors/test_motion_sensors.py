"""Satellite receiver, inertial unit and wheel sensors: conventions, sizes of errors, repeatability."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.messages import EgoSize, EgoState, GeoReference, GnssFix
from operators.sensors.drift import Drift
from operators.sensors.geodesy import to_earth, to_map
from operators.sensors.gnss import Gnss, map_position
from operators.sensors.imu import GRAVITY_MPS2, Imu
from operators.sensors.wheels import TRACK_SHARE, WheelEncoders
from pipeline import Graph, UsageError, VirtualClock, ms, run, seconds
from pipeline.messages import canonical

MUNICH = GeoReference(latitude_deg=48.137, longitude_deg=11.575, altitude_m=519.0)


@dataclass(eq=False)
class Steady:
    """An ego in one state for ever."""

    state: EgoState
    duration_ns: int = 20_000_000_000
    now_ns: int = 0
    sky: float = 0.25

    @property
    def finished(self) -> bool:
        return self.now_ns >= self.duration_ns

    def advance(self, to_ns: int) -> None:
        self.now_ns = max(self.now_ns, to_ns)

    def ego(self) -> EgoState:
        return self.state

    def blocked_sky(self, x_m: float, y_m: float, z_m: float) -> float:
        return self.sky


STANDING = EgoState(x_m=120.0, y_m=-40.0, yaw_rad=0.5, speed_mps=0.0)


def sent(sensor: Any, port: str, seed: int = 1) -> list[Any]:
    graph = Graph("g")
    graph.add(sensor, "sensor")
    return [value for _, value in run(graph, clock=VirtualClock(seed=seed))[getattr(sensor, port)]]


def reading(sensor: Any, t: int = 0) -> Any:
    """One measurement without chance."""
    return sensor.measure(SimpleNamespace(t=t, rng=SimpleNamespace(normal=_zeros, random=lambda: 0.5)))


def _zeros(mean: float, std: float, shape: Any) -> Any:
    return np.zeros(shape)


# -- where on earth ----------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    st.floats(-89.0, 89.0),
    st.floats(-180.0, 180.0),
    st.floats(-400.0, 5000.0),
    st.tuples(st.floats(-5e4, 5e4), st.floats(-5e4, 5e4), st.floats(-500.0, 5000.0)),
)
def test_from_the_map_to_the_earth_and_back_is_exact_to_a_micrometre(
    latitude: float, longitude: float, altitude: float, point: tuple[float, float, float]
) -> None:
    reference = GeoReference(latitude_deg=latitude, longitude_deg=longitude, altitude_m=altitude)
    assert to_map(reference, *to_earth(reference, *point)) == pytest.approx(point, abs=1e-6)


def test_the_maps_origin_is_the_reference() -> None:
    assert to_earth(MUNICH, 0.0, 0.0, 0.0) == pytest.approx((48.137, 11.575, 519.0), abs=1e-9)


def test_y_is_north_and_x_is_east_by_the_lengths_of_the_ellipsoids_degrees() -> None:
    # 111.2 km a degree of latitude at 48°, 74.4 km a degree of longitude (tables of WGS 84).
    north, east = to_earth(MUNICH, 0.0, 1000.0), to_earth(MUNICH, 1000.0, 0.0)
    assert (north[0] - 48.137) * 111.2 == pytest.approx(1.0, rel=1e-3)
    assert (east[1] - 11.575) * 74.4 == pytest.approx(1.0, rel=2e-3)
    assert north[1] == pytest.approx(11.575, abs=1e-9)


def test_known_cartesian_points_of_the_ellipsoid() -> None:
    equator = GeoReference(latitude_deg=0.0, longitude_deg=0.0)
    x, _, z = to_map(equator, 0.0, 90.0)
    assert (x, z) == pytest.approx((6_378_137.0, -6_378_137.0), abs=1e-6)
    _, y, z = to_map(equator, 90.0, 0.0)
    assert (y, z) == pytest.approx((6_356_752.314245, -6_378_137.0), abs=1e-5)


# -- errors that wander ------------------------------------------------------------------------------------------------


def test_a_drift_has_its_deviation_and_its_correlation_over_many_seeds() -> None:
    drifts = [Drift(seed, "x", axes=1, std=2.0, correlation_s=10.0) for seed in range(600)]
    values = np.array([[drift.at(seconds(t))[0] for t in (0, 10, 90)] for drift in drifts])
    assert float(values.std()) == pytest.approx(2.0, rel=0.08)
    assert float(values.mean()) == pytest.approx(0.0, abs=0.15)
    assert float(np.corrcoef(values[:, 0], values[:, 1])[0, 1]) == pytest.approx(math.exp(-1.0), abs=0.1)
    assert abs(float(np.corrcoef(values[:, 0], values[:, 2])[0, 1])) < 0.12


def test_a_drift_is_a_function_of_seed_key_and_time_alone() -> None:
    one, two = (Drift(3, "gnss", axes=3, std=1.0, correlation_s=5.0) for _ in range(2))
    two.at(seconds(99))
    assert (one.at(seconds(4)) == two.at(seconds(4))).all()
    assert (one.at(seconds(4)) != Drift(4, "gnss", axes=3, std=1.0, correlation_s=5.0).at(seconds(4))).all()
    assert (one.at(seconds(4)) != Drift(3, "imu", axes=3, std=1.0, correlation_s=5.0).at(seconds(4))).all()


# -- satellites --------------------------------------------------------------------------------------------------------


def test_an_exact_receiver_reports_where_its_antenna_is() -> None:
    fix = reading(Gnss(world=Steady(STANDING), noise_std_m=0.0, bias_std_m=0.0, x_m=2.0, y_m=0.0, z_m=1.5))
    assert map_position(fix) == pytest.approx((120.0 + 2.0 * math.cos(0.5), -40.0 + 2.0 * math.sin(0.5), 1.5), abs=1e-6)
    assert fix.valid


def test_noise_of_a_receiver_has_its_size_and_its_covariance_says_so() -> None:
    fixes = sent(Gnss(world=Steady(STANDING), noise_std_m=0.5, bias_std_m=0.0), "fix")
    places = np.array([map_position(fix) for fix in fixes])
    assert len(places) == 200
    assert places.std(axis=0) == pytest.approx(np.sqrt(np.diag(fixes[0].covariance_m2)), rel=0.15)


def test_the_bias_wanders_slowly_and_stays_the_same_for_the_same_seed() -> None:
    def places(seed: int) -> Any:
        sensor = Gnss(world=Steady(STANDING), noise_std_m=0.0, bias_std_m=1.0, seed=seed)
        return np.array([map_position(fix) for fix in sent(sensor, "fix")])

    first = places(1)
    steps = np.abs(np.diff(first[:, 0]))
    assert steps.max() < 0.35, "0.1 s of a minute's correlation"
    assert np.ptp(first[:, 0]) > 0.05
    assert (first == places(1)).all()
    assert (first != places(2)).any()


def test_multipath_grows_with_the_share_of_sky_that_is_blocked() -> None:
    def spread(sky: float) -> float:
        sensor = Gnss(world=Steady(STANDING, sky=sky), noise_std_m=0.0, bias_std_m=0.0, multipath_m=4.0)
        fixes = sent(sensor, "fix")
        assert fixes[0].covariance_m2[0, 0] == pytest.approx((4.0 * sky) ** 2)
        return float(np.std([map_position(fix)[0] for fix in fixes]))

    assert spread(0.5) == pytest.approx(5.0 * spread(0.1), rel=1e-3)
    assert spread(0.0) == pytest.approx(0.0, abs=1e-6)


def test_lost_fixes_are_marked_and_give_no_position() -> None:
    fixes: list[GnssFix] = sent(Gnss(world=Steady(STANDING), dropout=0.4), "fix")
    lost = [fix for fix in fixes if not fix.valid]
    assert 0.28 < len(lost) / len(fixes) < 0.52
    assert all((fix.latitude_deg, fix.longitude_deg) == (48.137, 11.575) for fix in lost)
    assert all(fix.covariance_m2[0, 0] >= 1e6 for fix in lost)


# -- inertia -----------------------------------------------------------------------------------------------------------


def test_at_a_standstill_the_unit_measures_one_g_upwards() -> None:
    sample = reading(Imu(world=Steady(STANDING), force_bias_std_mps2=0.0, rate_bias_std_radps=0.0))
    assert sample.specific_force_mps2.tolist() == [0.0, 0.0, GRAVITY_MPS2]
    assert sample.angular_rate_radps.tolist() == [0.0, 0.0, 0.0]


def test_braking_reads_backwards_and_a_left_turn_reads_to_the_left() -> None:
    state = EgoState(x_m=0.0, y_m=0.0, yaw_rad=0.0, speed_mps=10.0, accel_mps2=-4.0, yaw_rate_radps=0.3)
    quiet = {"force_bias_std_mps2": 0.0, "rate_bias_std_radps": 0.0}
    sample = reading(Imu(world=Steady(state), **quiet))
    assert sample.specific_force_mps2 == pytest.approx([-4.0, 3.0, GRAVITY_MPS2])
    assert sample.angular_rate_radps == pytest.approx([0.0, 0.0, 0.3])
    ahead = reading(Imu(world=Steady(state), x_m=2.0, **quiet))
    assert ahead.specific_force_mps2[0] == pytest.approx(-4.0 - 0.3**2 * 2.0)


@pytest.mark.parametrize("period", [5, 20])
def test_noise_of_a_reading_is_its_density_times_the_root_of_the_rate(period: int) -> None:
    sensor = Imu(world=Steady(STANDING), force_noise=0.01, force_bias_std_mps2=0.0)
    sensor.period = ms(period)
    force = np.array([sample.specific_force_mps2 for sample in sent(sensor, "sample")])
    assert float(force[:, 0].std()) == pytest.approx(0.01 * math.sqrt(1000.0 / period), rel=0.1)
    assert float(force[:, 2].mean()) == pytest.approx(GRAVITY_MPS2, abs=0.02)


def test_orientation_is_told_only_when_asked_for_and_is_the_heading() -> None:
    assert reading(Imu(world=Steady(STANDING))).orientation is None
    x, y, z, w = reading(Imu(world=Steady(STANDING), orientation=True)).orientation
    assert 2.0 * math.atan2(z, w) == pytest.approx(0.5)
    assert (x, y) == (0.0, 0.0)


# -- wheels ------------------------------------------------------------------------------------------------------------

EXACT = {"step_radps": 0.0, "noise_std_radps": 0.0, "slip_per_g": 0.0}


def test_straight_ahead_all_wheels_turn_with_the_road() -> None:
    state = EgoState(x_m=0.0, y_m=0.0, yaw_rad=0.0, speed_mps=16.0)
    speeds = reading(WheelEncoders(world=Steady(state), **EXACT))
    assert speeds.rates_radps * speeds.radius_m == pytest.approx([16.0] * 4)


def test_in_a_left_turn_the_left_wheels_are_the_slower_ones_by_track_times_rate() -> None:
    size, turn = EgoSize(), 0.4
    steer = math.atan(size.wheelbase_m * turn / 8.0)
    state = EgoState(x_m=0.0, y_m=0.0, yaw_rad=0.0, speed_mps=8.0, yaw_rate_radps=turn, steer_rad=steer)
    front_left, front_right, left, right = reading(WheelEncoders(world=Steady(state), **EXACT)).rates_radps * 0.32
    assert right - left == pytest.approx(TRACK_SHARE * size.width_m * turn)
    assert front_left < front_right
    assert front_left > left, "the front wheels run on the larger circles"


def test_rates_come_in_steps_and_crawling_reads_zero() -> None:
    state = EgoState(x_m=0.0, y_m=0.0, yaw_rad=0.0, speed_mps=7.0)
    rates = np.array([s.rates_radps for s in sent(WheelEncoders(world=Steady(state), step_radps=0.25), "speeds")])
    assert np.abs(rates / 0.25 - np.round(rates / 0.25)).max() < 1e-9
    crawling = EgoState(x_m=0.0, y_m=0.0, yaw_rad=0.0, speed_mps=0.1)
    crept = sent(WheelEncoders(world=Steady(crawling, duration_ns=seconds(1))), "speeds")
    assert all((s.rates_radps == 0.0).all() for s in crept)


def test_driven_wheels_spin_when_accelerating_and_all_of_them_drag_when_braking() -> None:
    def slip(accel: float, driven: str) -> Any:
        state = EgoState(x_m=0.0, y_m=0.0, yaw_rad=0.0, speed_mps=10.0, accel_mps2=accel)
        sensor = WheelEncoders(world=Steady(state), step_radps=0.0, noise_std_radps=0.0, slip_per_g=0.1, driven=driven)
        return reading(sensor).rates_radps * 0.32 / 10.0 - 1.0

    assert slip(GRAVITY_MPS2 / 2.0, "front") == pytest.approx([0.05, 0.05, 0.0, 0.0])
    assert slip(GRAVITY_MPS2 / 2.0, "rear") == pytest.approx([0.0, 0.0, 0.05, 0.05])
    assert slip(GRAVITY_MPS2 / 2.0, "all") == pytest.approx([0.025] * 4)
    assert slip(-GRAVITY_MPS2 / 2.0, "front") == pytest.approx([-0.05] * 4)


# -- all ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "port"), [(Gnss, "fix"), (Imu, "sample"), (WheelEncoders, "speeds")])
def test_the_same_seed_gives_the_same_bytes_and_another_one_others(kind: Any, port: str) -> None:
    def told(seed: int) -> bytes:
        return canonical(sent(kind(world=Steady(STANDING, duration_ns=seconds(1)), seed=seed), port, seed))

    state = EgoState(x_m=0.0, y_m=0.0, yaw_rad=0.0, speed_mps=9.0)
    assert told(1) == told(1)
    moving = [
        canonical(sent(kind(world=Steady(state, duration_ns=seconds(1)), seed=seed), port, seed)) for seed in (1, 2)
    ]
    assert moving[0] != moving[1]


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (Gnss, {"noise_std_m": -1.0}),
        (Gnss, {"bias_std_m": math.nan}),
        (Gnss, {"dropout": 2.0}),
        (Gnss, {"bias_correlation_s": 0.0}),
        (Gnss, {"latitude_deg": 91.0}),
        (Imu, {"force_noise": -0.1}),
        (Imu, {"bias_correlation_s": 0.0}),
        (WheelEncoders, {"driven": "left"}),
        (WheelEncoders, {"radius_m": 0.0}),
        (WheelEncoders, {"step_radps": -1.0}),
    ],
)
def test_parameters_that_no_device_has_are_refused(kind: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        kind(world=Steady(STANDING), **wrong)
