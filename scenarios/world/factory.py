"""Makes the embedded world from the plain values of a launch file's ``world:`` section."""

from __future__ import annotations

from scenarios.library.loading import load
from scenarios.sumo import engine
from scenarios.world.world import World


def street(
    *,
    scenario: str,
    speed_mps: float,
    seed: int,
    pixels: bool = True,
    parameters: dict[str, float] | None = None,
    traffic: str = "",
) -> World:
    """The scenario of that name at that speed, jittered by ``seed``; ``parameters`` replace what it would draw.

    ``traffic``: ``sumo`` to let SUMO drive everybody who has no script, on a map (needs the extra [sumo]).

    Raises UsageError for a scenario or a parameter that does not exist.
    """
    played = load(scenario, speed_mps, seed, **(parameters or {}))
    return World(played, seed=seed, pixels=pixels, traffic=engine(traffic, seed))


def town(
    *,
    seed: int,
    map: str = "grid",  # noqa: A002  the key in launch files
    length_m: float = 2000.0,
    vehicles: int = 30,
    pedestrians: int = 15,
    crossings: int = 0,
    speed_mps: float = 0.0,
    ego_model: str = "dynamic",
    stop_on_collision: bool = False,
    pixels: bool = True,
    traffic: str = "",
) -> World:
    """A random drive through a map (``scenarios.city``): a fifth of the ``vehicles`` are no cars.

    ``traffic``: ``sumo`` to let SUMO drive them (needs the extra [sumo]); then the map needs no circuits.

    Raises UsageError for a map that does not exist, a route that is too long for it, or no room for so many.
    """
    from scenarios.city import city

    make, drivers = engine(traffic, seed), vehicles if traffic else 0
    vehicles -= drivers
    trucks, buses, motorcycles, cyclists = (vehicles // 15, vehicles // 20, vehicles // 15, vehicles // 12)
    scenario = city(
        map,
        seed,
        length_m=length_m,
        cars=vehicles - trucks - buses - motorcycles - cyclists,
        trucks=trucks,
        buses=buses,
        motorcycles=motorcycles,
        cyclists=cyclists,
        pedestrians=pedestrians,
        crossings=crossings,
        speed_mps=speed_mps,
        ego_model=ego_model,
        stop_on_collision=stop_on_collision,
    )
    if drivers:
        from scenarios.sumo.drivers import with_drivers

        scenario = with_drivers(scenario, drivers, seed)
    return World(scenario, seed=seed, pixels=pixels, traffic=make)
