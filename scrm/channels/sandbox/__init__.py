"""A small simulated community that behaves like a remote network, with its failures."""
