"""From a timed trajectory to pedals and steering, and the gate that has the last word."""
