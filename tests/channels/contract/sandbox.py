"""The contract suite on the sandbox microblog, which is a table of our own database."""

from __future__ import annotations

from datetime import timedelta

from scrm.channels.base import Credentials
from scrm.channels.sandbox import community
from scrm.channels.sandbox.models import Post
from scrm.channels.sandbox.networks import MICROBLOG
from tests.channels.contract.adapter import Adapter

_NO_HTTP = "The sandbox is reached over a database connection."


class Sandbox(Adapter):
    kind, needs_database = "sandbox", True
    address = own_address = message_address = "mentions"
    page = 500
    lacks = {
        "quotes": "The sandbox has no quotes.",
        "http": _NO_HTTP,
        "login": "The sandbox has no login.",
        "threads": "A long text cannot be split on the sandbox.",
        "limit": "The sandbox itself has no limit; the networks that it simulates have.",
        "prices": "Only the simulated X charges.",
    }

    def start(self) -> None:
        community.reset()
        self.stack.callback(community.reset)

    def connect(self) -> Credentials:
        return Credentials(MICROBLOG, "skywardair", "@SkywardAir")

    def post_as_other(self, text: str, *, late: timedelta = timedelta()) -> str:
        return community.post(MICROBLOG, "ann", f"@SkywardAir {text}")

    def edit(self, key: str, text: str) -> None:
        community.edit(MICROBLOG, key, f"@SkywardAir {text}")

    def delete(self, key: str) -> None:
        community.delete(MICROBLOG, key)

    def message_as_other(self, text: str) -> None:
        community.post(MICROBLOG, "ann", text, to="skywardair")

    def our_posts(self) -> list[str]:
        ours = Post.objects.filter(author_key="skywardair").order_by("seq")
        return list(ours.values_list("text", flat=True))

    def lose_next_answer(self, skip: int = 0) -> None:
        community.fail(MICROBLOG, "answer lost")

    def drop_next_request(self, skip: int = 0) -> None:
        community.fail(MICROBLOG, "down")

    def fail_next_fetch(self, skip: int = 0) -> None:
        community.fail(MICROBLOG, "down", call="listen")

    def heal(self) -> None:
        pass
