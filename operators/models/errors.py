"""What goes wrong with a model file, said once and clearly."""

from __future__ import annotations

from pipeline.errors import SkylaneError


class ModelFileError(SkylaneError):
    """A weights file or its card is missing, damaged, or of another architecture. ``where`` names the file."""
