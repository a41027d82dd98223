"""A small simulated community that behaves like a remote network, faults included."""
