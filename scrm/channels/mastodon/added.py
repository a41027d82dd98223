"""What scrm adds to the typed text: the name of the recipient, and the content warning."""

from __future__ import annotations

from scrm.channels.base import Credentials, Outgoing
from scrm.channels.mastodon.words import addressed, without_servers
from scrm.channels.network_facts import MASTODON
from scrm.channels.text_rules import TextRules


def counted(text: str, warning: str = "") -> int:
    """Return the length of a post as the server counts it: the warning counts, servers do not."""
    return TextRules(unit=MASTODON.text.unit).count(warning) + MASTODON.text.count(
        without_servers(text)
    )


def added_length(credentials: Credentials, outgoing: Outgoing) -> int:
    """Return by how much a text becomes longer: by the recipient's name and the content warning.

    A reply and a private message begin with the name of the recipient, unless the text contains it.
    A reply keeps the content warning of the answered post, which is stored as its title.
    """
    answers = bool(outgoing.in_reply_to)
    is_addressed = answers or outgoing.visibility == "private"
    domain = str(credentials.config.get("domain") or "")
    acct = outgoing.handle.lstrip("@") if is_addressed else ""
    written = addressed(outgoing.text, acct, domain=domain)
    warning = outgoing.about if answers else ""
    return counted(written, warning) - counted(outgoing.text)
