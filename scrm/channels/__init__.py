"""Channels: what a channel is, and each kind. To add a kind: its package, a line in `registry`."""
