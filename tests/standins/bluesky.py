"""A stand-in for a Bluesky server, written from the network's published lexicons.

`bluesky_server` describes its use; `bluesky_methods` contains what each method does.
"""

from __future__ import annotations

from tests.standins import bluesky_methods
from tests.standins.bluesky_server import Bluesky, Person

__all__ = ["Bluesky", "Person", "bluesky_methods"]
