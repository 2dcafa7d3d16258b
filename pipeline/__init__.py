"""skylane's runtime: timestamped dataflow in which every operator answers on time. Public names only."""

from pipeline.definition import END, Aborted, CandidateFailed, Context, DeadlineMissed, Operator, Source, Wait
from pipeline.errors import SkylaneError, UsageError
from pipeline.execution import RunResult, VirtualClock, WallClock, run
from pipeline.graph import ExecutionModel, Graph
from pipeline.latency import MEASURED, Distribution, LatencyModel, Profile, constant
from pipeline.messages import Budget, Envelope, Message, Quality, readonly
from pipeline.ports import Input, Output, State, block, drop_newest, exact, keep_last, latest, nearest
from pipeline.race import MissPolicy
from pipeline.recipe import Recipe
from pipeline.timestamps import FOREVER, Duration, Timestamp, format_duration, ms, parse_duration, seconds, us

__all__ = [
    "END",
    "FOREVER",
    "MEASURED",
    "Aborted",
    "Budget",
    "CandidateFailed",
    "Context",
    "DeadlineMissed",
    "Distribution",
    "Duration",
    "Envelope",
    "ExecutionModel",
    "Graph",
    "Input",
    "LatencyModel",
    "Message",
    "MissPolicy",
    "Operator",
    "Output",
    "Profile",
    "Quality",
    "Recipe",
    "RunResult",
    "SkylaneError",
    "Source",
    "State",
    "Timestamp",
    "UsageError",
    "VirtualClock",
    "Wait",
    "WallClock",
    "block",
    "constant",
    "drop_newest",
    "exact",
    "format_duration",
    "keep_last",
    "latest",
    "ms",
    "nearest",
    "parse_duration",
    "readonly",
    "run",
    "seconds",
    "us",
]
