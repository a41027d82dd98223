"""The contract suite on X."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

from scrm.channels.base import Credentials
from tests.channels.contract.adapter import Adapter
from tests.standins.x import XServer
from tests.standins.x_length import weighted_length


class X(Adapter):
    kind = "x"
    address, own_address, message_address = "mentions", "search:letter", "messages"
    latest, smallest, renews = timedelta(seconds=50), 5, True
    timeout = "scrm.channels.x.client.SECONDS"

    def start(self) -> None:
        self.server = self.stack.enter_context(XServer())
        self.wire.upstream, self.server.url = self.server.url, self.wire.url
        # X refuses only some duplicates, so the channel must not rely on it.
        self.server.refuses_duplicates = False

    def connect(self) -> Credentials:
        return self.server.account()

    def logins(self) -> list[Credentials]:
        names = ("api_key", "api_key_secret", "access_token", "access_token_secret")
        keys = {name: f"{name}-of-5kyward" for name in names}
        pair = (keys["api_key"], keys["access_token"])
        self.server.keys[pair] = ("100", keys["api_key_secret"], keys["access_token_secret"])
        return [self.us, replace(self.us, secrets=keys)]

    def post_as_other(self, text: str, *, late: timedelta = timedelta()) -> str:
        return self.server.post("200", f"@acme {text}", ago=late)

    def edit(self, key: str, text: str) -> None:
        self.server.post("200", f"@acme {text}", edits=key)

    def delete(self, key: str) -> None:
        for number, post in list(self.server.posts.items()):
            if key in post["edit_history_tweet_ids"]:
                del self.server.posts[number]

    def wait_for_deletions(self) -> None:
        self.server.skew += timedelta(hours=13)

    def message_as_other(self, text: str) -> None:
        self.server.message("200", "100", text)

    def our_posts(self) -> list[str]:
        posts = sorted(self.server.posts.values(), key=lambda post: int(post["id"]))
        texts = [self._typed(post) for post in posts if post["author_id"] == "100"]
        sent = [row["text"] for row in self.server.messages if row["sender_id"] == "100"]
        return texts + [unescape(text) for text in sent]

    def _typed(self, post: dict[str, Any]) -> str:
        """Return the text without the address of a quoted post, which X adds."""
        kinds = [reference["type"] for reference in post.get("referenced_tweets", [])]
        text = unescape(post["text"])
        return text.rpartition(" ")[0] if "quoted" in kinds else text

    def skew(self, by: timedelta) -> None:
        self.server.skew = by

    def publishes(self, method: str, path: str) -> bool:
        return method == "POST" and (path == "/2/tweets" or path.endswith("/messages"))

    def limit_headers(self, seconds: int) -> dict[str, str]:
        reset = int(datetime.now(UTC).timestamp()) + seconds
        return {"x-rate-limit-remaining": "0", "x-rate-limit-reset": str(reset)}

    def length(self, text: str) -> int:
        return weighted_length(text)
