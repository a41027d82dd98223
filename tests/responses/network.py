"""A fake network that records what was published, outside the database of scrm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from scrm.channels.base import ChannelError, Credentials, Lookup, Outgoing, Receipt


@dataclass
class Network:
    """A fake network, with the posts that arrived on it.

    `kind` says how the network recognises a text that is sent twice: "key", "lookup" or "none".
    `mood` says how the next call behaves: "well", or one of several faults. `check` is a function
    that is called when a text or a change arrives. Its argument is the outgoing text. For a
    takedown, its argument is the receipt that the network returned when the post was published.
    """

    kind: str
    scope: str
    arrived: dict[str, Outgoing] = field(default_factory=dict)
    arrivals: Counter[str] = field(default_factory=Counter)
    under_way: dict[str, Outgoing] = field(default_factory=dict)
    stands: dict[str, str | None] = field(default_factory=dict)
    mood: str = "well"
    check: Callable[[Outgoing | Receipt], None] = lambda _: None

    # Methods of the interface Speaker, with which scrm publishes

    def idempotence(self, _credentials: Credentials) -> str:
        return self.kind

    def send(self, _credentials: Credentials, outgoing: Outgoing) -> Receipt:
        mood = self._before()
        self.check(outgoing)
        if mood == "slow":
            self.under_way[outgoing.nonce] = outgoing
            raise ChannelError("It took too long.", uncertain=True)
        self.arrive(outgoing)
        self._after(mood)
        return self.receipt(outgoing)

    def find(self, _credentials: Credentials, outgoing: Outgoing) -> Receipt | Lookup:
        mood, self.mood = self.mood, "well"
        if mood != "well":
            raise ChannelError("Down.")
        if self.kind == "none" or outgoing.nonce in self.under_way:
            return Lookup.CANNOT_TELL
        known = self.arrived.get(outgoing.nonce)
        return self.receipt(known) if known else Lookup.ABSENT

    # Methods of the interface Editor, with which scrm changes published posts

    def amend(self, _credentials: Credentials, receipt: Receipt, outgoing: Outgoing) -> Receipt:
        self._change(receipt, outgoing.text, outgoing)
        return receipt

    def withdraw(self, _credentials: Credentials, receipt: Receipt) -> None:
        self._change(receipt, None, receipt)

    def _change(self, receipt: Receipt, text: str | None, asked: Outgoing | Receipt) -> None:
        mood = self._before()
        self.check(asked)
        if mood == "slow":  # a change whose call timed out is never applied by this network
            raise ChannelError("It took too long.", uncertain=True)
        self.stands[receipt.key] = text
        self._after(mood)

    # What happens on the network

    def _before(self) -> str:
        mood, self.mood = self.mood, "well"
        if mood == "down":
            raise ChannelError("Down.", retry_after=3)
        if mood == "refuses":
            raise ChannelError("No.", permanent=True)
        if mood == "broken":
            raise ZeroDivisionError
        return mood

    def _after(self, mood: str) -> None:
        if mood == "answer lost":
            raise ChannelError("No answer.", uncertain=True)

    def arrive(self, outgoing: Outgoing) -> None:
        """Record a post.

        A network of the kind "key" ignores a post whose nonce has arrived before.
        """
        if self.kind != "key" or outgoing.nonce not in self.arrived:
            self.arrivals[outgoing.nonce] += 1
            self.stands[self.receipt(outgoing).key] = outgoing.text
        self.arrived[outgoing.nonce] = outgoing

    def what_was_slow_arrives(self) -> None:
        while self.under_way:
            self.arrive(self.under_way.popitem()[1])

    def receipt(self, outgoing: Outgoing) -> Receipt:
        return Receipt(self.scope, f"post-{outgoing.nonce}")
