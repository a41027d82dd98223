"""The channel for tools that send their items to us by signed HTTP requests."""

from scrm.channels.channel import Channel

CHANNEL = Channel(kind="webhook", label="Webhook", is_pushed=True)
