"""The contract suite on Bluesky."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from scrm.channels.base import Credentials
from scrm.channels.bluesky.connect import connect
from tests.channels.contract.adapter import Adapter
from tests.standins.bluesky import Bluesky as Server
from tests.standins.bluesky_methods import text_length


class Bluesky(Adapter):
    kind = "bluesky"
    address, message_address = "mentions", "messages"
    latest, renews = timedelta(minutes=10), True
    lacks = {"prices": "Bluesky is free of charge."}
    timeout = "scrm.channels.bluesky.client.SECONDS"

    def start(self) -> None:
        self.server = self.stack.enter_context(Server())
        self.wire.upstream, self.server.url = self.server.url, self.wire.url
        self.care, self.jo = self.server.person("skycare"), self.server.person("joanna")
        self.offset = timedelta()

    def connect(self) -> Credentials:
        typed = {"handle": "skycare.test", "password": "skycare-chat", "server": self.wire.url}
        return connect(typed, None)

    @property
    def own_address(self) -> str:  # type: ignore[override]
        return f"author:{self.care.did}"

    @property
    def secrets(self) -> list[str]:
        secrets = self.us.secrets
        return [str(secrets[name]) for name in ("password", "access", "refresh")]

    def post_as_other(self, text: str, *, late: timedelta = timedelta()) -> str:
        at = datetime.now(UTC) + self.offset - late
        made = self.jo.post(f"@skycare.test {text}", mention=self.care, at=at)
        return str(made["uri"])

    def edit(self, key: str, text: str) -> None:
        stored = self.server.records[key]
        self.server.store(*key.split("/")[2:], stored["value"] | {"text": text})
        self.server.records[key]["sort"] = stored["sort"]

    def delete(self, key: str) -> None:
        self.jo.delete({"uri": key})

    def message_as_other(self, text: str) -> None:
        self.jo.write(self.care, text)

    def our_posts(self) -> list[str]:
        texts = [str(post["text"]) for post in self.server.posts_of(self.care)]
        messages = [row for each in self.server.convos.values() for row in each["messages"]]
        return texts + [row["text"] for row in messages if row["sender"]["did"] == self.care.did]

    def skew(self, by: timedelta) -> None:
        self.offset = by

    def publishes(self, method: str, path: str) -> bool:
        return method == "POST" and path.endswith((".createRecord", ".sendMessage"))

    def limit_headers(self, seconds: int) -> dict[str, str]:
        return {"ratelimit-reset": str(int(datetime.now(UTC).timestamp()) + seconds)}

    def length(self, text: str) -> int:
        return text_length(text)
