"""Between the map's plane and the WGS 84 ellipsoid: latitude, longitude and altitude of a point, and back.

The map is the tangent plane at a ``GeoReference``: x east, y north, z up, metres.
Source: NIMA TR8350.2 (the ellipsoid); Bowring 1976 (latitude from Cartesian coordinates).
"""

from __future__ import annotations

import math

from operators.messages import GeoReference
from pipeline.errors import UsageError

EQUATOR_M = 6_378_137.0
FLATTENING = 1.0 / 298.257223563
POLE_M = EQUATOR_M * (1.0 - FLATTENING)
ECCENTRICITY_2 = FLATTENING * (2.0 - FLATTENING)

Triple = tuple[float, float, float]


def to_earth(reference: GeoReference, x_m: float, y_m: float, z_m: float = 0.0) -> Triple:
    """Latitude (deg), longitude (deg) and altitude (m) of a point of the map."""
    origin, (east, north, up) = _origin(reference)
    x, y, z = (origin[k] + east[k] * x_m + north[k] * y_m + up[k] * z_m for k in range(3))
    level = math.hypot(x, y)
    # Two rounds of Bowring's formula: exact to a nanometre near the ground.
    tangent = z / level * EQUATOR_M / POLE_M if level > 0.0 else math.copysign(math.inf, z)
    latitude = 0.0
    for _ in range(2):
        reduced = math.atan(tangent)
        over = z + ECCENTRICITY_2 * EQUATOR_M**2 / POLE_M * math.sin(reduced) ** 3
        latitude = math.atan2(over, level - ECCENTRICITY_2 * EQUATOR_M * math.cos(reduced) ** 3)
        tangent = (1.0 - FLATTENING) * math.tan(latitude)
    curve = EQUATOR_M / math.sqrt(1.0 - ECCENTRICITY_2 * math.sin(latitude) ** 2)
    altitude = level * math.cos(latitude) + z * math.sin(latitude) - EQUATOR_M**2 / curve
    return math.degrees(latitude), math.degrees(math.atan2(y, x)), altitude


def to_map(reference: GeoReference, latitude_deg: float, longitude_deg: float, altitude_m: float = 0.0) -> Triple:
    """x, y and z (m) on the map of a point of the earth."""
    origin, axes = _origin(reference)
    point = _cartesian(math.radians(latitude_deg), math.radians(longitude_deg), altitude_m)
    away = [point[k] - origin[k] for k in range(3)]
    x, y, z = (sum(axis[k] * away[k] for k in range(3)) for axis in axes)
    return x, y, z


def checked(latitude_deg: float, longitude_deg: float, altitude_m: float) -> GeoReference:
    """A reference, if there is such a place. Raises UsageError."""
    if not (abs(latitude_deg) < 90.0 and abs(longitude_deg) <= 180.0 and abs(altitude_m) < 1e5):
        raise UsageError(
            f"latitude {latitude_deg}, longitude {longitude_deg}, altitude {altitude_m} is no place for a map",
            hint="latitude must be between -90 and 90 degrees, longitude from -180 to 180, altitude in metres",
        )
    return GeoReference(latitude_deg=latitude_deg, longitude_deg=longitude_deg, altitude_m=altitude_m)


def _origin(reference: GeoReference) -> tuple[Triple, tuple[Triple, Triple, Triple]]:
    latitude, longitude = math.radians(reference.latitude_deg), math.radians(reference.longitude_deg)
    cos, sin, c, s = math.cos(latitude), math.sin(latitude), math.cos(longitude), math.sin(longitude)
    axes = ((-s, c, 0.0), (-sin * c, -sin * s, cos), (cos * c, cos * s, sin))
    return _cartesian(latitude, longitude, reference.altitude_m), axes


def _cartesian(latitude: float, longitude: float, altitude: float) -> Triple:
    curve = EQUATOR_M / math.sqrt(1.0 - ECCENTRICITY_2 * math.sin(latitude) ** 2)
    level = (curve + altitude) * math.cos(latitude)
    upright = (curve * (1.0 - ECCENTRICITY_2) + altitude) * math.sin(latitude)
    return level * math.cos(longitude), level * math.sin(longitude), upright
