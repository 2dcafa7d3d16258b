"""The deadline policy as an operator: obstacles and the ego's motion in, the end-to-end budget out."""

from __future__ import annotations

from dataclasses import replace

from operators.budget.stopping_distance import ShippedState, StoppingSettings, StoppingState, shipped, stopping
from operators.messages import EgoState, Obstacles
from pipeline.definition import Context, Operator
from pipeline.errors import UsageError
from pipeline.messages import Budget
from pipeline.ports import Input, Output, State, keep_last
from pipeline.timestamps import Duration, ms

VARIANTS = ("ours", "fixed", "as_shipped")


class UnknownVariant(UsageError):
    """A budget policy that does not exist."""


class BudgetPolicy(Operator):
    """Budget from stopping distance. Ports: ``obstacles``, ``ego`` (same t) in; ``budget`` out.

    ``variant``: ``ours``, ``fixed`` or ``as_shipped``. The two published ones ignore ``shortest`` and ``longest``.
    """

    obstacles = Input(Obstacles, queue=keep_last(1))
    ego = Input(EgoState)
    budget = Output(Budget)
    published: State[ShippedState] = State(ShippedState)
    state: State[StoppingState] = State(StoppingState)
    last: State[int] = State(lambda: -1)

    def __init__(
        self, *, variant: str = "ours", shortest: Duration = ms(120), longest: Duration = ms(500), answers: float = 3.0
    ) -> None:
        if variant not in VARIANTS:
            raise UnknownVariant(f"variant {variant!r} is not known", hint=f"use one of {', '.join(VARIANTS)}")
        if not 0 < shortest <= longest:
            raise UnknownVariant(f"shortest ({shortest} ns) must be positive and at most longest ({longest} ns)")
        self.variant = variant
        self.settings = replace(
            StoppingSettings(), shortest_ms=shortest * 1e-6, longest_ms=longest * 1e-6, answers=answers
        )

    def on_watermark(self, ctx: Context) -> Budget:
        ctx.work("policy")
        obstacles, ego = ctx[self.obstacles], ctx[self.ego]
        if self.variant != "ours":
            after, budget_ms = shipped(ctx[self.published], obstacles, ego, unit_error=self.variant == "as_shipped")
            ctx[self.published] = after
            return Budget(within_ns=ms(budget_ms), reason=self.variant)
        dt_s = 0.0 if ctx[self.last] < 0 else (ctx.t - ctx[self.last]) * 1e-9
        state, budget_ms, reason = stopping(ctx[self.state], obstacles, ego, dt_s, self.settings)
        ctx[self.state], ctx[self.last] = state, int(ctx.t)
        return Budget(within_ns=ms(budget_ms), reason=reason)
