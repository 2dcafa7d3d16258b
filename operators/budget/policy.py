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


class DeadlinePolicy(Operator):
    """What all policies share: the variants, and D3's published policy among them."""

    budget = Output(Budget)
    published: State[ShippedState] = State(ShippedState)
    last: State[int] = State(lambda: -1)

    def __init__(self, variant: str, shortest: Duration, longest: Duration) -> None:
        if variant not in VARIANTS:
            raise UnknownVariant(f"variant {variant!r} is not known", hint=f"use one of {', '.join(VARIANTS)}")
        if not 0 < shortest <= longest:
            raise UnknownVariant(f"shortest ({shortest} ns) must be positive and at most longest ({longest} ns)")
        self.variant = variant

    def as_published(self, ctx: Context, obstacles: Obstacles, ego: EgoState) -> Budget:
        """What D3's policy says, with or without its unit error."""
        after, budget_ms = shipped(ctx[self.published], obstacles, ego, unit_error=self.variant == "as_shipped")
        ctx[self.published] = after
        return Budget(within_ns=ms(budget_ms), reason=self.variant)

    def since_last_s(self, ctx: Context) -> float:
        """Time since the last budget; 0 before the first."""
        before, ctx[self.last] = ctx[self.last], int(ctx.t)
        return 0.0 if before < 0 else (ctx.t - before) * 1e-9


class BudgetPolicy(DeadlinePolicy):
    """Budget from stopping distance. Ports: ``obstacles``, ``ego`` (same t) in; ``budget`` out.

    ``variant``: ``ours``, ``fixed`` or ``as_shipped``. The two published ones ignore ``shortest`` and ``longest``.
    """

    obstacles = Input(Obstacles, queue=keep_last(1))
    ego = Input(EgoState)
    state: State[StoppingState] = State(StoppingState)

    def __init__(
        self, *, variant: str = "ours", shortest: Duration = ms(120), longest: Duration = ms(500), answers: float = 3.0
    ) -> None:
        super().__init__(variant, shortest, longest)
        self.settings = replace(
            StoppingSettings(), shortest_ms=shortest * 1e-6, longest_ms=longest * 1e-6, answers=answers
        )

    def on_watermark(self, ctx: Context) -> Budget:
        ctx.work("policy")
        obstacles, ego = ctx[self.obstacles], ctx[self.ego]
        if self.variant != "ours":
            return self.as_published(ctx, obstacles, ego)
        dt_s = self.since_last_s(ctx)
        ctx[self.state], budget_ms, reason = stopping(ctx[self.state], obstacles, ego, dt_s, self.settings)
        return Budget(within_ns=ms(budget_ms), reason=reason)
