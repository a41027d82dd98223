"""The channel for phone calls, letters and talks in person, which staff record afterwards."""

from scrm.channels.channel import Channel

CHANNEL = Channel(kind="manual", label="Logged manually", visibilities=("private",))
