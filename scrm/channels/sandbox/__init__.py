"""A small simulated community that behaves like a remote network and can simulate failures."""
