"""Channels, one package per kind. For a new kind, add a package and a line in `registry.py`."""
