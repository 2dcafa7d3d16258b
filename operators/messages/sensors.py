"""What sensors measure. Arrays are read-only; of pictures row 0 is the top and columns run to the right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import Message, readonly


class CameraModel(Message, frozen=True, kw_only=True):
    """A pinhole camera without distortion and where it sits on the ego.

    The mount is given in the ego frame (x forward, y left, z up, origin at the rear axle on the road); the optical
    frame is x right, y down, z into the picture. ``pitch_rad`` is positive when the camera looks down (about +y).
    """

    width_px: int = 640
    height_px: int = 360
    fx_px: float = 320.0
    fy_px: float = 320.0
    cx_px: float = 320.0
    cy_px: float = 180.0
    x_m: float = 1.7
    y_m: float = 0.0
    z_m: float = 1.5
    yaw_rad: float = 0.0
    pitch_rad: float = 0.0
    frame_id: str = "camera_front"


class CameraFrame(Message, frozen=True, kw_only=True):
    """One RGB picture, ``rgb``: (height, width, 3) uint8; (0, 0, 3) when the run has no pixels."""

    rgb: NDArray[np.uint8]
    camera: CameraModel
    captured_ns: int

    def __post_init__(self) -> None:
        readonly(self.rgb)


class DepthFrame(Message, frozen=True, kw_only=True):
    """Distance along the optical axis, ``depth_m``: (height, width) float32 metres, ``inf`` for sky; (0, 0) without
    pixels.
    """

    depth_m: NDArray[np.float32]
    camera: CameraModel
    captured_ns: int

    def __post_init__(self) -> None:
        readonly(self.depth_m)


SEMANTIC_CLASSES: tuple[str, ...] = (
    "sky", "road", "vehicle", "pedestrian", "building", "vegetation", "pavement", "pole",
    "terrain", "road line", "traffic light", "traffic sign", "object", "guard rail",
)  # fmt: skip
"""What the numbers in ``SemanticFrame.classes`` mean, by index."""


class SemanticFrame(Message, frozen=True, kw_only=True):
    """What each pixel shows. ``classes``: (height, width) uint8, indices of ``SEMANTIC_CLASSES``; ``instances``:
    (height, width) uint16, the road user's id, 0 for everything else. Both (0, 0) when the run has no pixels.
    """

    classes: NDArray[np.uint8]
    instances: NDArray[np.uint16]
    camera: CameraModel
    captured_ns: int

    def __post_init__(self) -> None:
        readonly(self.classes)
        readonly(self.instances)


class Mount(Message, frozen=True, kw_only=True):
    """Where a sensor sits on the ego: in the ego frame (x forward, y left, z up, origin at the rear axle on the road).

    The sensor's own frame is x forward, y left, z up as well; ``pitch_rad`` is positive when it looks down.
    """

    x_m: float = 0.0
    y_m: float = 0.0
    z_m: float = 0.0
    yaw_rad: float = 0.0
    pitch_rad: float = 0.0


class PointCloud(Message, frozen=True, kw_only=True):
    """One sweep of a LiDAR, n points in the order in which they were measured, beams that came back empty left out.

    Each point is in the frame that the sensor had when it was measured: a moving car's sweep is skewed, see
    ``offset_s`` and ``operators.sensors.lidar.deskewed``. All arrays have n rows.
    """

    points_m: NDArray[np.float32]
    """(n, 3): x forward, y left, z up, in the sensor frame."""
    intensity: NDArray[np.float32]
    """(n,): reflectivity as seen, in [0, 1]; distance is compensated."""
    offset_s: NDArray[np.float32]
    """(n,): when the point was measured, relative to ``captured_ns``: 0 at the end of the sweep, negative before."""
    ring: NDArray[np.uint8]
    """(n,): which beam, 0 the lowest."""
    instance: NDArray[np.uint16] | None = None
    """(n,): true id of the road user that was hit, 0 for everything else; None when the sensor does not tell."""
    mount: Mount
    captured_ns: int
    """End of the sweep."""
    frame_id: str = "lidar_top"

    def __post_init__(self) -> None:
        for array in (self.points_m, self.intensity, self.offset_s, self.ring):
            readonly(array)
        if self.instance is not None:
            readonly(self.instance)


class RadarReturns(Message, frozen=True, kw_only=True):
    """What one radar cycle found, nearest first. All arrays: (n,) float32, but ``instance``: (n,) uint16."""

    range_m: NDArray[np.float32]
    azimuth_rad: NDArray[np.float32]
    """Positive to the left of the sensor's x axis."""
    elevation_rad: NDArray[np.float32]
    """Positive upwards."""
    radial_speed_mps: NDArray[np.float32]
    """Rate of change of the range as the moving sensor sees it: **positive = going away**, negative = approaching.

    The ego's own motion is in it: what stands still ahead of a car at 10 m/s reads -10.
    """
    rcs_dbsm: NDArray[np.float32]
    """Radar cross-section in dB above 1 m²."""
    instance: NDArray[np.uint16] | None = None
    """True id of the road user, 0 for a false return; None when the sensor does not tell."""
    mount: Mount
    captured_ns: int
    frame_id: str = "radar_front"

    def __post_init__(self) -> None:
        for array in (self.range_m, self.azimuth_rad, self.elevation_rad, self.radial_speed_mps, self.rcs_dbsm):
            readonly(array)
        if self.instance is not None:
            readonly(self.instance)


class GeoReference(Message, frozen=True, kw_only=True):
    """The point of the WGS 84 ellipsoid at which the map's tangent plane touches: map x is east, y north, z up."""

    latitude_deg: float
    longitude_deg: float
    altitude_m: float = 0.0


class GnssFix(Message, frozen=True, kw_only=True):
    """Where a satellite receiver believes its antenna to be (WGS 84; altitude above the ellipsoid)."""

    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    covariance_m2: NDArray[np.float64]
    """(3, 3): of the position in the order east, north, up, as the receiver estimates it."""
    reference: GeoReference
    """Turns the fix into map coordinates: ``operators.sensors.geodesy.to_map``."""
    valid: bool = True
    """False: no position; the numbers repeat the reference."""
    captured_ns: int
    frame_id: str = "gnss"

    def __post_init__(self) -> None:
        readonly(self.covariance_m2)


class ImuSample(Message, frozen=True, kw_only=True):
    """One reading of an inertial unit, in its own frame (x forward, y left, z up). Vectors: (3,) float64."""

    specific_force_mps2: NDArray[np.float64]
    """Acceleration minus gravity, as accelerometers measure it: at rest on level ground (0, 0, +9.81)."""
    angular_rate_radps: NDArray[np.float64]
    orientation: NDArray[np.float64] | None = None
    """(4,) float64, quaternion x, y, z, w from the sensor frame to the map; None when the unit has no such output."""
    captured_ns: int
    frame_id: str = "imu"

    def __post_init__(self) -> None:
        readonly(self.specific_force_mps2)
        readonly(self.angular_rate_radps)
        if self.orientation is not None:
            readonly(self.orientation)


class WheelSpeeds(Message, frozen=True, kw_only=True):
    """How fast the wheels turn."""

    rates_radps: NDArray[np.float64]
    """(4,): front left, front right, rear left, rear right; positive when rolling forwards."""
    radius_m: float
    """Of a loaded wheel: rate times radius is the speed of a wheel that does not slip."""
    captured_ns: int
    frame_id: str = "wheels"

    def __post_init__(self) -> None:
        readonly(self.rates_radps)
