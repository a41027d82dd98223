"""Channels, one package per kind. To add a kind, add its package and a line in `registry`."""
