"""What can be wrong with a map or a wish on it."""

from __future__ import annotations

from pipeline.errors import UsageError


class MapError(UsageError):
    """A map file that cannot be used; ``where`` names the file, the line and the element."""


class RouteNotFound(UsageError):
    """No lane leads from the start to the goal."""
