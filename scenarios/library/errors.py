"""A family file that does not say what it must."""

from __future__ import annotations

from pipeline.errors import UsageError


class InvalidFamily(UsageError):
    """A family file that cannot be read or makes no scenario; names file, line and field."""
