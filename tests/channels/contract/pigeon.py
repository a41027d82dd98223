"""The contract suite on the pigeon post, the example of CONTRIBUTING.md for a new channel."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from scrm.channels.base import Credentials
from scrm.channels.channel import Channel
from tests.channels.contract.adapter import Adapter
from tests.crm.pigeon import CHANNEL
from tests.standins.pigeon import WORD, Loft

_SIMPLE = "Letters are only sent and read."


class Pigeon(Adapter):
    kind = "pigeon"
    address = own_address = "roof"
    lacks = dict.fromkeys(
        ("threads", "quotes", "withdraw", "messages", "edits", "deletions"), _SIMPLE
    ) | {
        "limit": "A letter may have any length.",
        "prices": "Pigeons work free of charge.",
    }
    timeout = "tests.crm.pigeon_letters.SECONDS"

    @property
    def channel(self) -> Channel:
        return CHANNEL  # the registry of scrm does not contain it

    def start(self) -> None:
        self.server = self.stack.enter_context(Loft())
        self.wire.upstream = self.server.url

    def connect(self) -> Credentials:
        config = {"loft": self.wire.url}
        return Credentials("pigeon", "north", "north 1", {"word": WORD}, config)

    def post_as_other(self, text: str, *, late: timedelta = timedelta()) -> str:
        key = str(uuid4())
        self.server.write("south", key, text)
        return key

    def our_posts(self) -> list[str]:
        return [letter["text"] for letter in self.server.letters if letter["from"] == "north"]

    def publishes(self, method: str, path: str) -> bool:
        return method == "PUT"
