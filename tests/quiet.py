"""A channel that never finds an item.

Workers that a test starts load this module with the option `-I`.
"""

from __future__ import annotations

from scrm.channels import registry
from scrm.channels.base import Batch, Credentials, FetchRequest, Found
from scrm.channels.channel import Channel


class Silence:
    def listen(self, request: FetchRequest) -> Batch:
        return Batch(cursor=request.cursor, unchanged=True)

    def discover(self, address: str, credentials: Credentials | None = None) -> list[Found]:
        return []


CHANNEL = Channel(kind="quiet", label="Quiet", listener=Silence())
registry._KINDS["quiet"] = __name__
