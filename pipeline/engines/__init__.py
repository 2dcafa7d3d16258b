"""Engines run a graph: ``virtual`` on a discrete-event schedule, ``threads`` on the wall clock; one stage logic."""
