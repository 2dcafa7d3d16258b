"""What all sensors have in common: they end with the world, answer late, and fail for a while.

Decides when a measurement leaves and what faults make of it. What is measured is each sensor's own business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from operators.sensors.base import Clocked, over
from operators.sensors.faults import BLACK, DROPOUT, EVERYWHERE, FREEZE, STAMP_SHIFT, Faults
from pipeline.definition import END, Context, Source, Wait
from pipeline.errors import UsageError
from pipeline.timestamps import Duration

AT_ONCE = Duration(0)


class Sensor(Source):
    """A source whose message of tick t says what it captured at t (``captured_ns``) and is sent ``latency`` later.

    Timestamp and origin of the message are t, however late it is: a deadline that begins with the sensor counts from
    the capture. With a latency, a capture may begin while earlier ones are under way.
    """

    fault_kinds: ClassVar[tuple[str, ...]] = EVERYWHERE

    def __init__(
        self,
        world: Clocked,
        *,
        latency: Duration = AT_ONCE,
        faults: Sequence[Mapping[str, Any]] | None = None,
        seed: int = 0,
    ) -> None:
        if latency < 0:
            raise UsageError("the latency is negative", hint="give 0ms for a sensor that answers at once")
        self.latency, self.faults, self.seed = latency, Faults(faults, kinds=self.fault_kinds, seed=seed), seed
        self._clock = world
        self._last: Any = None
        # Of this one only: a sensor that answers at once has no reason to overlap with itself.
        vars(self).update(reentrant=latency > 0)

    def measure(self, ctx: Context) -> Any:
        """The message of tick t without faults, or None. The world stands at t."""
        raise NotImplementedError(f"{type(self).__name__} has no measure")

    def blinded(self, message: Any, share: float) -> Any:
        """What is left of a message when ``share`` of the field of view, up to 1, is lost."""
        raise NotImplementedError(f"{type(self).__name__} has no blinded")

    def on_tick(self, ctx: Context) -> Any:
        if over(self._clock, ctx.t):
            return END
        message = self._spoilt(ctx) if self.faults.items else self.measure(ctx)
        if message is None or self.latency == 0:
            return message
        return self._late(message)

    def _late(self, message: Any) -> Iterator[Any]:
        yield Wait(self.latency)
        yield message

    def _spoilt(self, ctx: Context) -> Any:
        active = self.faults.active(ctx.t)
        if not any(fault.kind == FREEZE for fault in active):
            message = self._last = self.measure(ctx)
        else:
            self._last = message = self.measure(ctx) if self._last is None else self._last
        for fault in active:
            if message is None or (fault.kind == DROPOUT and self.faults.drops(fault, self.name, ctx.t)):
                return None
            if fault.kind == STAMP_SHIFT:
                shifted = max(0, message.captured_ns + fault.by_ns)
                message = msgspec.structs.replace(message, captured_ns=shifted)
            elif fault.kind not in (FREEZE, DROPOUT):
                message = self.blinded(message, 1.0 if fault.kind == BLACK else fault.share)
        return message
