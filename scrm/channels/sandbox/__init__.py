"""A small simulated community that behaves like a remote network, including failures."""
