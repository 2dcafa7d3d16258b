"""What reaches the actuators."""

from __future__ import annotations

from pipeline.messages import Message


class ControlCommand(Message, frozen=True, kw_only=True):
    """Pedals and steering.

    Throttle and brake in [0, 1]; ``steer_rad`` is the road-wheel angle, positive to the left.
    """

    throttle: float
    brake: float
    steer_rad: float
    reason: str = "nominal"
    """``nominal``, ``safe_stop: …`` when the gate overruled."""
