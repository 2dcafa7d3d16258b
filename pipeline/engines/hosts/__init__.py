"""One graph over several machines: they meet over Zenoh, agree on a clock, and pass their streams to each other."""
