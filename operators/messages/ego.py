"""Where the car is and how it moves. SI units, ISO 8855 axes (x forward, y left, z up), float64."""

from __future__ import annotations

from pipeline.messages import Message


class EgoState(Message, frozen=True, kw_only=True):
    """Pose and motion of the ego's rear-axle centre projected on the road, in ``frame_id``."""

    x_m: float
    y_m: float
    yaw_rad: float
    speed_mps: float
    """Signed longitudinal speed: negative when reversing."""
    accel_mps2: float = 0.0
    yaw_rate_radps: float = 0.0
    steer_rad: float = 0.0
    """Road-wheel angle, positive to the left."""
    frame_id: str = "map"


class EgoSize(Message, frozen=True, kw_only=True):
    """Outline of the ego and where its rear axle lies in it."""

    length_m: float = 4.7
    width_m: float = 1.9
    height_m: float = 1.5
    wheelbase_m: float = 2.8
    rear_overhang_m: float = 0.95
    """From the rear bumper to the rear axle: the outline spans [-rear_overhang, front] in x."""

    @property
    def front_m(self) -> float:
        """From the rear axle to the front bumper."""
        return self.length_m - self.rear_overhang_m

    @property
    def middle_m(self) -> float:
        """From the rear axle to the middle of the outline."""
        return 0.5 * self.length_m - self.rear_overhang_m
