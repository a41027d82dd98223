"""The channel for phone calls, letters and talks in person, which staff record afterwards."""

from scrm.channels.channel import Channel
from scrm.channels.network_facts import SLOW_JOINS, SLOW_REOPENS

CHANNEL = Channel(
    kind="manual",
    label="Logged manually",
    visibilities=("private",),
    joins_within=SLOW_JOINS,
    reopens_within=SLOW_REOPENS,
)
