"""Maps: OpenDRIVE files as lanes, signals and crosswalks, with nearest-lane queries, route search and drawing."""

from operators.maps.errors import MapError, RouteNotFound
from operators.maps.lanes import Crosswalk, Junction, Lane, LaneKey, LanePlace, MapSignal, Stop, Way
from operators.maps.roadmap import Places, RoadMap

__all__ = [
    "Crosswalk",
    "Junction",
    "Lane",
    "LaneKey",
    "LanePlace",
    "MapError",
    "MapSignal",
    "Places",
    "RoadMap",
    "RouteNotFound",
    "Stop",
    "Way",
]
