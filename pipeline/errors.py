"""Every error of the runtime. Each says what is wrong, where, and what to do about it.

``UsageError`` is a user's mistake found before anything runs (exit code 2); every other SkylaneError is a failure
(exit code 1).
"""

from __future__ import annotations


class SkylaneError(Exception):
    """What is wrong (``what``), where (file:line, operator.port, t) and a ``hint`` at what to do."""

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(what, where, hint)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.what}{advice}"


class UsageError(SkylaneError):
    """A mistake in what the user wrote: a launch file, an option, a graph."""


class InvalidDuration(UsageError):
    """A time without a unit, with an unknown one, or out of range."""


class InvalidLaunchFile(UsageError):
    """A launch file that cannot be read or does not say what it must; names file, line and field."""


class UnknownOperator(UsageError):
    """A name that no installed package provides."""


class InvalidGraph(UsageError):
    """A graph that cannot run: see the subclasses."""


class UnconnectedInput(InvalidGraph):
    """A required input that nothing writes to."""


class WrongType(InvalidGraph):
    """Two ports of different types connected, or a value of another type than its port's."""


class UndeclaredCycle(InvalidGraph):
    """A cycle in which no edge is declared as feedback."""


class TwoWriters(InvalidGraph):
    """An input that two outputs write to, or an operator under two names."""


class InvalidDeadline(InvalidGraph):
    """A deadline that is not positive, has no path, or stands twice."""


class InvalidMessage(SkylaneError):
    """A payload with a value that its consumers cannot use, such as NaN pixels."""


class OperatorFailed(SkylaneError):
    """An operator's callback raised; the cause is chained."""


class RecordingFailed(SkylaneError):
    """The run's folder cannot be written (read-only, full)."""


class InvalidRecord(SkylaneError):
    """A run folder or log that is missing, cut off or not ours."""


class MissingExtra(UsageError):
    """Something needs an optional dependency that is not installed."""


def described(error: BaseException) -> str:
    """An error in one line: ours as they stand, others with their type."""
    return str(error) if isinstance(error, SkylaneError) else f"{type(error).__name__}: {error}"
