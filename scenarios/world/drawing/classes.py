"""Classes of ``Rendered.semantic``, their names, and their tags in CARLA's semantic segmentation camera."""

from __future__ import annotations

SKY, ROAD, VEHICLE, PEDESTRIAN, BUILDING, VEGETATION, PAVEMENT, POLE = range(8)
TERRAIN, ROAD_LINE, TRAFFIC_LIGHT, TRAFFIC_SIGN, OBJECT, GUARD_RAIL = range(8, 14)
"""8 to 13 occur where a map or a road user of the newer kinds has them. A street without a map keeps its classes:
its markings are road, the green behind its pavements is pavement."""

NAMES = (
    "sky", "road", "vehicle", "pedestrian", "building", "vegetation", "pavement", "pole",
    "terrain", "road line", "traffic light", "traffic sign", "object", "guard rail",
)  # fmt: skip

CARLA_TAGS: dict[int, int] = {
    SKY: 11,
    ROAD: 1,
    VEHICLE: 14,
    PEDESTRIAN: 12,
    BUILDING: 3,
    VEGETATION: 9,
    PAVEMENT: 2,
    POLE: 6,
    TERRAIN: 10,
    ROAD_LINE: 24,
    TRAFFIC_LIGHT: 7,
    TRAFFIC_SIGN: 8,
    OBJECT: 21,
    GUARD_RAIL: 28,
}
"""By class: the tag since CARLA 0.9.14 (Cityscapes order). Source: carla.readthedocs.io, sensors reference."""

CARLA_VEHICLE_TAGS: dict[str, int] = {
    "car": 14,
    "estate": 14,
    "mini": 14,
    "suv": 14,
    "van": 14,
    "truck": 15,
    "trailer": 15,
    "bus": 16,
    "motorcycle": 18,
    "cyclist": 19,
}
"""By kind of road user, finer than ``VEHICLE``: car, truck, bus, motorcycle, bicycle with its rider."""


def class_of(label: str) -> int:
    """The class of a road user with this detector label."""
    return {"pedestrian": PEDESTRIAN, "vehicle": VEHICLE}.get(label, OBJECT)
