"""How the ego moves: a dynamic bicycle with saturating tyres and actuator lag; kinematic at walking pace.

Decides motion from pedals and steering. Knows neither road nor other road users.
Source: Rajamani, Vehicle Dynamics and Control, §2.3 (bicycle) and §4.1 (longitudinal); tanh-saturated tyres.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from operators.messages import ControlCommand, EgoSize, EgoState
from scenarios.world.kernels import kernel

STEP_S = 0.005
GRAVITY_MPS2 = 9.81
AIR_KGPM3 = 1.2

X, Y, YAW, SPEED, SLIP, YAW_RATE, STEER, FORCE, ACCEL = range(9)
"""Rows of the state vector: SLIP is the lateral speed of the centre of gravity, FORCE the wheels' force (N)."""


MODELS = ("dynamic", "kinematic")
DRY_FRICTION = 0.92


def parameters(size: EgoSize, friction: float = 1.0) -> NDArray[np.float64]:
    """A mid-size electric car: mass, inertia, axle distances, tyres, friction, drag, drive and brakes.

    ``friction``: factor on that of dry asphalt.
    """
    front = 0.46 * size.wheelbase_m
    grip = DRY_FRICTION * friction
    return np.array(
        [
            1700.0,  # mass, kg
            2600.0,  # yaw inertia, kg m²
            front,  # centre of gravity to front axle, m
            size.wheelbase_m - front,  # centre of gravity to rear axle, m
            0.55,  # height of the centre of gravity, m
            85e3,  # front cornering stiffness, N/rad
            95e3,  # rear cornering stiffness, N/rad
            grip,  # friction; that of dry asphalt is 0.92
            0.70,  # drag area, m²
            110e3,  # drive power, W
            min(6800.0, 0.5 * grip * 1700.0 * GRAVITY_MPS2),  # drive force limit, N: what the driven axle can bear
            14600.0,  # brake force at full pedal, N: 8.6 m/s²
            0.8,  # steering rate limit, rad/s
            0.61,  # steering limit, rad
            0.10,  # brake lag, s
            0.18,  # drive lag, s
        ]
    )


@kernel
def wheel_force(pedals: float, force: float, speed: float, p: NDArray[np.float64], dt: float) -> float:
    """Force at the wheels after ``dt``: first-order lag towards what throttle (> 0) or brake (< 0) asks for."""
    if pedals >= 0.0:
        wanted = min(p[10] * pedals, p[9] * pedals / max(speed, 1.0))
    else:
        wanted = max(p[11] * pedals, -p[7] * p[0] * GRAVITY_MPS2)
    lag = p[14] if wanted < force else p[15]
    if force < 0.0 <= wanted:
        lag = p[14]
    return float(force + (wanted - force) * min(1.0, dt / lag))


@kernel
def step(state: NDArray[np.float64], throttle: float, brake: float, steer: float, p: NDArray[np.float64]) -> None:
    """Advance ``state`` by one ``STEP_S`` in place (semi-implicit Euler)."""
    mass, front, rear, height, friction = p[0], p[2], p[3], p[4], p[7]
    base, dt = front + rear, STEP_S
    yaw, vx, vy, rate = state[YAW], state[SPEED], state[SLIP], state[YAW_RATE]
    wanted = min(p[13], max(-p[13], steer))
    delta = state[STEER] + min(p[12] * dt, max(-p[12] * dt, wanted - state[STEER]))
    force = wheel_force(-brake if brake > 0.0 else throttle, state[FORCE], vx, p, dt)
    resistance = 0.5 * AIR_KGPM3 * p[8] * vx * vx / mass + (0.012 * GRAVITY_MPS2 if vx > 0.05 else 0.0)
    drive = force / mass - resistance
    load_front = mass * (GRAVITY_MPS2 * rear - drive * height) / base
    load_rear = mass * GRAVITY_MPS2 - load_front
    speed = max(vx, 1.5)
    slip_front = math.atan2(vy + front * rate, speed) - delta
    slip_rear = math.atan2(vy - rear * rate, speed)
    # Braking spreads with the axle loads, driving goes to the rear: what a tyre spends along, it lacks sideways.
    along_front = force * load_front / (mass * GRAVITY_MPS2) if force < 0.0 else 0.0
    along_rear = force - along_front
    side_front = math.sqrt(max(1.0, (friction * load_front) ** 2 - along_front**2))
    side_rear = math.sqrt(max(1.0, (friction * load_rear) ** 2 - along_rear**2))
    lateral_front = -side_front * math.tanh(p[5] * slip_front / side_front)
    lateral_rear = -side_rear * math.tanh(p[6] * slip_rear / side_rear)
    ax = drive - lateral_front * math.sin(delta) / mass + vy * rate
    ay = (lateral_front * math.cos(delta) + lateral_rear) / mass - vx * rate
    turn = (front * lateral_front * math.cos(delta) - rear * lateral_rear) / p[1]
    blend = min(1.0, max(0.0, (vx - 2.0) / 2.0))
    vx_next = max(0.0, vx + ax * dt)
    rate_rolling = vx_next * math.tan(delta) / base
    vy = blend * (vy + ay * dt) + (1.0 - blend) * rate_rolling * rear
    rate = blend * (rate + turn * dt) + (1.0 - blend) * rate_rolling
    yaw += rate * dt
    # The state's point is the rear axle: its lateral speed is that of the centre of gravity less the lever.
    across = vy - rear * rate
    state[X] += (vx_next * math.cos(yaw) - across * math.sin(yaw)) * dt
    state[Y] += (vx_next * math.sin(yaw) + across * math.cos(yaw)) * dt
    state[YAW], state[ACCEL] = yaw, (vx_next - vx) / dt
    state[SPEED], state[SLIP], state[YAW_RATE], state[STEER], state[FORCE] = vx_next, vy, rate, delta, force


@kernel
def step_kinematic(
    state: NDArray[np.float64], throttle: float, brake: float, steer: float, p: NDArray[np.float64]
) -> None:
    """Like ``step`` for wheels that roll where they point: no slip, but no more turning than friction allows."""
    base, dt = p[2] + p[3], STEP_S
    vx = state[SPEED]
    wanted = min(p[13], max(-p[13], steer))
    delta = state[STEER] + min(p[12] * dt, max(-p[12] * dt, wanted - state[STEER]))
    force = wheel_force(-brake if brake > 0.0 else throttle, state[FORCE], vx, p, dt)
    resistance = 0.5 * AIR_KGPM3 * p[8] * vx * vx / p[0] + (0.012 * GRAVITY_MPS2 if vx > 0.05 else 0.0)
    vx_next = max(0.0, vx + (force / p[0] - resistance) * dt)
    rate, most = vx_next * math.tan(delta) / base, p[7] * GRAVITY_MPS2 / max(vx_next, 0.1)
    rate = min(most, max(-most, rate))
    yaw = state[YAW] + rate * dt
    state[X] += vx_next * math.cos(yaw) * dt
    state[Y] += vx_next * math.sin(yaw) * dt
    state[YAW], state[ACCEL] = yaw, (vx_next - vx) / dt
    state[SPEED], state[SLIP], state[YAW_RATE], state[STEER], state[FORCE] = vx_next, p[3] * rate, rate, delta, force


class EgoDynamics:
    """The ego's state and its step; pedals and steering hold until replaced. ``model``: one of ``MODELS``."""

    def __init__(
        self,
        size: EgoSize,
        *,
        x_m: float,
        y_m: float,
        yaw_rad: float,
        speed_mps: float,
        model: str = "dynamic",
        friction: float = 1.0,
    ) -> None:
        self.size = size
        self._step = step_kinematic if model == "kinematic" else step
        self.state = np.zeros(9)
        self.state[[X, Y, YAW, SPEED]] = x_m, y_m, yaw_rad, speed_mps
        self._parameters = parameters(size, friction)
        # Cruise: the throttle that holds the start speed, until the first command arrives.
        drag = 0.5 * AIR_KGPM3 * self._parameters[8] * speed_mps**2 + 0.012 * GRAVITY_MPS2 * self._parameters[0]
        limit = min(self._parameters[10], self._parameters[9] / max(speed_mps, 1.0))
        self.state[FORCE] = drag if speed_mps > 0.0 else 0.0
        self._pedals = (min(1.0, drag / limit) if speed_mps > 0.0 else 0.0, 0.0, 0.0)

    @property
    def braking(self) -> bool:
        """Whether the brake pedal is pressed."""
        return self._pedals[1] > 0.0

    def apply(self, command: ControlCommand) -> None:
        """Take over pedals and steering; values outside their ranges are limited."""
        self._pedals = (
            min(1.0, max(0.0, command.throttle)),
            min(1.0, max(0.0, command.brake)),
            command.steer_rad,
        )

    def advance(self) -> None:
        """One step of ``STEP_S``."""
        throttle, brake, steer = self._pedals
        self._step(self.state, throttle, brake, steer, self._parameters)

    def ego(self) -> EgoState:
        """The state as a message."""
        state = self.state
        return EgoState(
            x_m=float(state[X]),
            y_m=float(state[Y]),
            yaw_rad=float(state[YAW]),
            speed_mps=float(state[SPEED]),
            accel_mps2=float(state[ACCEL]),
            yaw_rate_radps=float(state[YAW_RATE]),
            steer_rad=float(state[STEER]),
        )
