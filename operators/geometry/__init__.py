"""Boxes, cameras and road coordinates: pure functions that every stage may use."""
