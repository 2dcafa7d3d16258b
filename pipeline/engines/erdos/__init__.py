"""Engine ``erdos``: the same graph on the ERDOS 0.4 runtime. CPython 3.10 with the package ``erdos`` only."""
