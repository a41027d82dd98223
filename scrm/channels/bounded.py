"""Shorten the names of networks and the keys on them, so that they fit into the database.

What is too long gets a hash of the whole at its end. So the same long key always becomes the same
short key, and two different long keys stay different.
"""

from __future__ import annotations

from hashlib import sha256

_LONGEST_KEY = 400
_LONGEST_NETWORK = 60
"""`Account.network` and `Profile.network` can store this many characters."""


def bounded_key(key: str) -> str:
    """Return the key, shortened if it is too long for a database index."""
    if len(key) <= _LONGEST_KEY:
        return key
    return f"{key[: _LONGEST_KEY - 65]}#{sha256(key.encode()).hexdigest()}"


def bounded_network(network: str) -> str:
    """Return the name of a network, shortened if it is too long, for example for a long host."""
    if len(network) <= _LONGEST_NETWORK:
        return network
    return f"{network[: _LONGEST_NETWORK - 21]}#{sha256(network.encode()).hexdigest()[:20]}"
