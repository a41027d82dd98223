"""Channel for phone, letter and conversations in person: staff record them afterwards."""

from scrm.channels.channel import Channel

CHANNEL = Channel(kind="manual", label="Logged manually", visibilities=("private",))
