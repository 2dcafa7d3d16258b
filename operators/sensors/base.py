"""What sensors and actuators need of a world, as protocols, and the pictures that several sensors share.

A simulated street, a simulator's client or a vehicle can stand behind them; nothing here knows which.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from operators.messages import Box, CameraModel, ControlCommand, EgoState, PointCloud, RadarReturns, Route
from operators.sensors.models import LidarModel, RadarModel
from pipeline.errors import UsageError
from pipeline.timestamps import Timestamp

HISTORY = 256
"""Captures whose truth is kept: ten seconds at 20 Hz and more, longer than any answer takes."""


class Clocked(Protocol):
    """Something with a time of its own that follows the run's clock."""

    @property
    def finished(self) -> bool:
        """Nothing will happen any more."""

    def advance(self, to_ns: int) -> None:
        """Let time pass up to ``to_ns``; earlier times change nothing."""


class Vehicle(Clocked, Protocol):
    """The ego: tells its state, obeys commands."""

    def ego(self) -> EgoState:
        """Pose and motion now."""

    def apply(self, command: ControlCommand) -> None:
        """Hold pedals and steering until the next command."""


class Picture(Protocol):
    """One capture: ``rgb`` (height, width, 3) uint8, ``depth_m`` (height, width) float32, ``inf`` for sky."""

    @property
    def rgb(self) -> NDArray[np.uint8]: ...
    @property
    def depth_m(self) -> NDArray[np.float32]: ...


class CameraDevice(Clocked, Protocol):
    """A camera with depth. Without ``pixels`` it cannot be asked to render."""

    @property
    def camera(self) -> CameraModel:
        """The lens and its mount."""

    @property
    def pixels(self) -> bool:
        """Whether ``render`` works."""

    def render(self) -> Picture:
        """What the camera sees now."""


class LabelledPicture(Picture, Protocol):
    """A capture that knows what it shows: ``semantic`` and ``instance`` as in ``SemanticFrame``."""

    @property
    def semantic(self) -> NDArray[np.uint8]: ...
    @property
    def instance(self) -> NDArray[np.uint16]: ...


class LabellingDevice(CameraDevice, Protocol):
    """A camera whose pictures are labelled."""

    def render(self) -> LabelledPicture: ...


class LidarDevice(Clocked, Protocol):
    """Something that can be scanned with light."""

    def scan(self, model: LidarModel, rng: np.random.Generator) -> PointCloud:
        """The sweep that ends now; all chance comes from ``rng``."""


class RadarDevice(Clocked, Protocol):
    """Something that sends radar waves back."""

    def echoes(self, model: RadarModel, rng: np.random.Generator) -> RadarReturns:
        """What one cycle finds now; all chance comes from ``rng``."""


class SkyView(Protocol):
    """Knows how much of the sky an antenna does not see."""

    def blocked_sky(self, x_m: float, y_m: float, z_m: float) -> float:
        """Share of the sky, in [0, 1], that something hides from a point of the map."""


class TrueObject(Protocol):
    """A road user as it is: identity, class, picture box (None outside the picture), visible share in [0, 1]."""

    @property
    def id(self) -> int: ...
    @property
    def label(self) -> str: ...
    @property
    def box(self) -> Box | None: ...
    @property
    def visible(self) -> float: ...


class GroundTruth(Clocked, Protocol):
    """Knows every road user; for baselines and judges, never for a car that is being judged."""

    def truth(self) -> Sequence[TrueObject]:
        """Every road user now."""


class PartlyHidden(NamedTuple):
    """A road user of whom a sensor's fault hides a part; otherwise as the world told it."""

    id: int
    label: str
    box: Box | None
    visible: float


class RouteProvider(Clocked, Protocol):
    """Knows where to drive."""

    def route(self) -> Route:
        """The lane to follow."""


class Captures:
    """What one world's cameras have captured: one rendering per time, and the truth at recent times on demand."""

    def __init__(self) -> None:
        self._rendered: tuple[int, Picture] | None = None
        self._truth: OrderedDict[int, tuple[TrueObject, ...]] | None = None

    def picture(self, world: CameraDevice, t: int) -> Picture:
        """The rendering at ``t``, made once however many sensors ask; the world must stand at ``t``."""
        if self._rendered is None or self._rendered[0] != t:
            self._rendered = (t, world.render())
        return self._rendered[1]

    def keep_truth(self) -> None:
        """From now on remember the truth of every capture."""
        if self._truth is None:
            self._truth = OrderedDict()

    def note_truth(self, world: Any, t: int) -> None:
        """Remember the truth of the capture at ``t`` if anybody wants it; the world must stand at ``t``."""
        if self._truth is None or t in self._truth:
            return
        self._truth[t] = tuple(world.truth())
        while len(self._truth) > HISTORY:
            self._truth.popitem(last=False)

    def hide_truth(self, t: int, below_px: float) -> None:
        """Of what was noted at ``t``, nothing from picture row ``below_px`` downwards can be seen."""
        if self._truth is not None and t in self._truth:
            self._truth[t] = tuple(_above(user, below_px) for user in self._truth[t])

    def truth_at(self, t: int) -> tuple[TrueObject, ...]:
        """The truth of the newest capture at or before ``t``; nothing before the first."""
        times = [captured for captured in self._truth or () if captured <= t]
        return self._truth[max(times)] if times and self._truth else ()


_captures: WeakKeyDictionary[Any, Captures] = WeakKeyDictionary()


def captures(world: Clocked) -> Captures:
    """The captures of this world, shared by all its sensors."""
    found = _captures.get(world)
    if found is None:
        found = _captures[world] = Captures()
    return found


def over(world: Clocked, t: Timestamp) -> bool:
    """Bring the world to ``t``; True when nothing follows."""
    world.advance(t)
    return world.finished


def required(world: Any, sensor: str, *members: str) -> None:
    """Refuse a world that cannot do what a sensor needs. Raises UsageError."""
    missing = [name for name in members if not hasattr(world, name)]
    if missing:
        raise UsageError(
            f"this world ({type(world).__name__}) has nothing for a {sensor}: it lacks {missing[0]}",
            hint="choose another world, or leave the sensor out",
        )


def _above(user: TrueObject, row_px: float) -> TrueObject:
    box = user.box
    if box is None or box.y1_px <= row_px:
        return user
    if box.y0_px >= row_px:
        return PartlyHidden(user.id, user.label, None, 0.0)
    share = (row_px - box.y0_px) / (box.y1_px - box.y0_px)
    upper = Box(x0_px=box.x0_px, y0_px=box.y0_px, x1_px=box.x1_px, y1_px=row_px)
    return PartlyHidden(user.id, user.label, upper, user.visible * share)
