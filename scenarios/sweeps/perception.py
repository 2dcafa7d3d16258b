"""Which perception a launch file drives with: pixels, the world's truth, or an accuracy model fitted to the detectors.

Decides by the operators' names in the launch file; a table that compares runs has to say so.
"""

from __future__ import annotations

from pipeline.settings import Settings

PIXELS, TRUTH, FITTED, NONE, OTHER = "pixels", "truth", "fitted", "none", "other"

WORDS = {
    PIXELS: "pixels: rendered pictures and a detector that looks at them",
    TRUTH: "truth: no pictures; the detector reads the world's truth",
    FITTED: "fitted: no pictures; an accuracy model fitted to the trained detectors",
    NONE: "none: nothing looks at the road",
    OTHER: "other: a detector of the user's own",
}
"""What a report says about each."""


def perception(settings: Settings) -> str:
    """One of ``WORDS``."""
    uses = [
        use
        for operator in settings.operators.values()
        for use in (operator.use, *(one.use for one in operator.candidates.values() if one.enabled))
    ]
    detectors = [use for use in uses if use.startswith(("detector.", "cloud.detector"))]
    if any(use.startswith("detector.fitted") for use in detectors):
        return FITTED
    if any(use.startswith("detector.truth") for use in detectors):
        return TRUTH
    if not detectors:
        return NONE if not any("detect" in use.lower() for use in uses) else OTHER
    shown = settings.world is not None and settings.world.args.get("pixels", True) is not False
    return PIXELS if shown else OTHER
