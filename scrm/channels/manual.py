"""Phone, letter, in person: a human says it, then logs what was said."""

from scrm.channels.base import Channel

CHANNEL = Channel(kind="manual", label="By hand", by_hand=True, visibilities=("private",))
