"""The channel for mentions that are imported from the CSV export of another listening tool."""

from scrm.channels.channel import Channel

KIND = "csv"
CHANNEL = Channel(kind=KIND, label="CSV import")
