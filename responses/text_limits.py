"""Whether a text fits the network of an account, and how it is split into a thread."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.models import Account
from scrm.channels.base import Outgoing
from scrm.channels.text_rules import TextRules


def rules_of(account: Account) -> TextRules:
    """Return the limits of texts from an account.

    The configuration of the account can set a maximum length. This length then replaces the maximum
    length of the channel.
    """
    rules = account.channel.text
    return replace(rules, max_length=account.config.get("max_length", rules.max_length))


@dataclass(frozen=True, slots=True)
class Measure:
    """How long a text is on the network of an account.

    length, limit: in the units that the network counts; limit is None if there is none.
    posts: how many posts the text becomes as a thread; 1 if it fits; 0 if it cannot be split.
    Private texts are never split: the networks have no threads of private messages.
    """

    account: Account
    length: int
    limit: int | None
    posts: int

    @property
    def excess(self) -> int:
        return max(0, self.length - self.limit) if self.limit else 0

    def why_not(self, *, as_thread: bool) -> str:
        """Return why the text cannot be sent, or "" if it can.

        as_thread: whether a text that is too long is sent as several posts.
        """
        if not self.excess or (as_thread and self.posts):
            return ""
        facts = {"n": self.excess, "account": self.account, "limit": self.limit}
        message = ngettext(
            "%(n)d character is too many: the limit of %(account)s is %(limit)d.",
            "%(n)d characters are too many: the limit of %(account)s is %(limit)d.",
            self.excess,
        )
        if not self.posts:
            return message % facts
        offer = _("Shorten the text, or send it as a thread of %(posts)d posts.")
        return f"{message % facts} {offer % {'posts': self.posts}}"


def measure(message: Outgoing, account: Account) -> Measure:
    """Return how long a text is, with everything that the network adds to it and counts."""
    rules, added = _rules_for(message, account)
    if message.visibility != "public":
        rules = replace(rules, threads=False)
    posts = len(rules.split(message.text))
    return Measure(account, rules.count(message.text) + added, rules_of(account).max_length, posts)


def thread_of(message: Outgoing, account: Account) -> tuple[str, ...]:
    """Return the posts into which a public text is split; empty if it needs only one post."""
    parts = _rules_for(message, account)[0].split(message.text)
    return parts if len(parts) > 1 else ()


def _rules_for(message: Outgoing, account: Account) -> tuple[TextRules, int]:
    """Return the limits of the typed text, and how many units are added to each of its posts."""
    rules, added_length = rules_of(account), account.channel.added_length
    added = added_length(account.credentials, message) if added_length else 0
    if rules.max_length:
        rules = replace(rules, max_length=max(rules.max_length - added, 1))
    return rules, added
