"""The deadline policies of D3 and ours behind the same ports: predictions, ego and route in, the budget out."""

from __future__ import annotations

from dataclasses import replace

from operators.budget.anticipation import AnticipationSettings, AnticipationState, anticipated, hazards
from operators.budget.policy import DeadlinePolicy
from operators.geometry.windows import RouteLine
from operators.messages import EgoState, Obstacles, Predictions, Route
from pipeline.definition import Context
from pipeline.messages import Budget
from pipeline.ports import Input, State, keep_last, latest
from pipeline.timestamps import Duration, ms, seconds


class AnticipatingPolicy(DeadlinePolicy):
    """Budget from what is ahead along the route.

    Ports: ``predictions``, ``ego`` (same t), ``route`` (latest) in; ``budget`` out.

    ``variant``: ``ours``; or D3's policy, ``fixed`` or ``as_shipped`` with its unit error, which ignore the other
    settings. ``answers``: how many of the pipeline's answers must fit into the time before braking.
    """

    predictions = Input(Predictions, queue=keep_last(1))
    ego = Input(EgoState)
    route = Input(Route, join=latest(max_age=seconds(60)))
    state: State[AnticipationState] = State(AnticipationState)

    def __init__(
        self, *, variant: str = "ours", shortest: Duration = ms(160), longest: Duration = ms(500), answers: float = 3.5
    ) -> None:
        super().__init__(variant, shortest, longest)
        self.settings = replace(
            AnticipationSettings(), shortest_ms=shortest * 1e-6, longest_ms=longest * 1e-6, answers=answers
        )
        self._line: RouteLine | None = None

    def on_watermark(self, ctx: Context) -> Budget:
        ctx.work("policy")
        predictions, ego = ctx[self.predictions], ctx[self.ego]
        if self.variant != "ours":
            items = tuple(item.obstacle for item in predictions.items)
            obstacles = Obstacles(items=items, frame_id=predictions.frame_id)
            return self.as_published(ctx, obstacles, ego)
        route, state = ctx[self.route], ctx[self.state]
        if self._line is None or not self._line.is_of(route):
            self._line = RouteLine(route)
        window, s_m = self._line.around(ego.x_m, ego.y_m, ego.yaw_rad, state.s_m)
        found = hazards(predictions, ego, window, self.settings)
        state, budget_ms, reason = anticipated(state, found, ego.speed_mps, self.since_last_s(ctx), self.settings)
        ctx[self.state] = state._replace(s_m=s_m)
        return Budget(within_ns=ms(budget_ms), reason=reason)
