"""The contract suite on Mastodon."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from scrm.channels.base import Credentials
from scrm.channels.mastodon.client import network_of
from tests.channels.contract.adapter import Adapter
from tests.standins.mastodon import DOMAIN, TOKEN, MastodonServer
from tests.standins.mastodon_routes import text_length


class Mastodon(Adapter):
    kind = "mastodon"
    address, own_address, message_address = "local", "local", "mentions"
    latest, page = timedelta(minutes=10), 40
    lacks = {"prices": "Mastodon is free of charge."}
    timeout = "scrm.channels.mastodon.client.SECONDS"

    def start(self) -> None:
        self.server = self.stack.enter_context(MastodonServer())
        self.wire.upstream = self.server.url
        self.ann = self.server.account("ann")

    def connect(self) -> Credentials:
        config = {"api": self.wire.url, "domain": DOMAIN}
        network, number = network_of(self.wire.url), self.server.us["id"]
        return Credentials(network, number, f"@us@{DOMAIN}", {"token": TOKEN}, config)

    def post_as_other(self, text: str, *, late: timedelta = timedelta()) -> str:
        row = self.server.write(self.ann, f"@us {text}", late=late.total_seconds() / 60)
        return str(row["id"])

    def edit(self, key: str, text: str) -> None:
        self.server.edit(self.server.statuses[key], f"@us {text}")

    def delete(self, key: str) -> None:
        self.server.remove(key)

    def message_as_other(self, text: str) -> None:
        self.server.write(self.ann, f"@us {text}", visibility="direct")

    def our_posts(self) -> list[str]:
        posts = self.server.posts_of(self.server.us)
        texts = [str(row["text"]) for row in sorted(posts, key=lambda row: int(row["id"]))]
        return [text.removeprefix("@ann ") for text in texts]

    def skew(self, by: timedelta) -> None:
        self.server.hour = -by

    def publishes(self, method: str, path: str) -> bool:
        return method == "POST" and path == "/api/v1/statuses"

    def limit_headers(self, seconds: int) -> dict[str, str]:
        reset = datetime.now(UTC) + timedelta(seconds=seconds)
        facts = {"Reset": reset.isoformat(), "Limit": "300", "Remaining": "0"}
        return {f"X-RateLimit-{name}": value for name, value in facts.items()}

    def length(self, text: str) -> int:
        return text_length(self.server.counted(text))
