"""The contract suite on a WordPress blog."""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta

from scrm.channels.base import Credentials
from tests.channels.contract.adapter import Adapter
from tests.standins.wordpress import GUID, PASSWORD, USER, Blog


class WordPress(Adapter):
    kind = "wordpress"
    timeout = "scrm.channels.wordpress.site.SECONDS"
    lacks = {
        "quotes": "A blog has no quotes.",
        "threads": "A post of a blog is as long as it needs to be.",
        "limit": "A post of a blog is as long as it needs to be.",
        "messages": "Everything on a blog is public.",
        "prices": "A blog of our own is free of charge.",
        "edits": "The blog lists no edits. They are found by `Item.content_hash`.",
    }

    def start(self) -> None:
        self.server = self.stack.enter_context(Blog())
        self.wire.upstream = self.server.url

    def connect(self) -> Credentials:
        return Credentials(
            "wordpress:blog.example", "user-1", "http://blog.example",
            {"user": USER, "password": PASSWORD}, {"api": f"{self.wire.url}/wp-json/"},
        )  # fmt: skip

    @property
    def secrets(self) -> list[str]:
        return [USER, PASSWORD, b64encode(f"{USER}:{PASSWORD}".encode()).decode()]

    def post_as_other(self, text: str, *, late: timedelta = timedelta()) -> str:
        return f"//blog.example/?p=5#comment-{self.server.comment(text)['id']}"

    def delete(self, key: str) -> None:
        self.server.comments.pop(int(key.rpartition("-")[2]), None)

    def our_posts(self) -> list[str]:
        posts = [row for row in self.server.posts.values() if row["guid"] != {"rendered": GUID}]
        published = [row["content"]["raw"] for row in posts if row["status"] == "publish"]
        comments = [row for row in self.server.comments.values() if row["author"] == 1]
        return published + [row["content"]["raw"] for row in comments]

    def publishes(self, method: str, path: str) -> bool:
        return method == "POST" and path.startswith(("/wp-json/wp/v2/posts", "/wp-json/wp/v2/comm"))
