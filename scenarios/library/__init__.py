"""The scenario library: families as YAML files; ``loading.load(name, speed_mps, seed)`` makes a scenario of one."""
