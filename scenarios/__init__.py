"""The embedded world, the scenario library and the judges: everything that stands around the car."""
