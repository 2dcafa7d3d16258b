"""OpenSCENARIO 1.x: import of the common subset, export of our scenarios. Nothing is skipped silently."""
