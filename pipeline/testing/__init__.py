"""Test kit for operators: ``drive`` one on scripted inputs; ``zoo`` holds operators that behave badly.

``pipeline.testing.strategies`` (needs hypothesis) makes inputs up.
"""

from pipeline.testing.kit import Answer, Driven, Script, drive

__all__ = ["Answer", "Driven", "Script", "drive"]
