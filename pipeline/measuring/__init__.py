"""Benchmarks of the runtime on the wall clock: what it promises, measured on this machine."""
