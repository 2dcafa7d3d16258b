"""Road users that act: drivers and people on foot, junctions, lights, scripts."""
