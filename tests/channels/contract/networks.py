"""All networks of the contract suite. A new channel adds one line here."""

from __future__ import annotations

from tests.channels.contract.adapter import Adapter
from tests.channels.contract.bluesky import Bluesky
from tests.channels.contract.mastodon import Mastodon
from tests.channels.contract.pigeon import Pigeon
from tests.channels.contract.sandbox import Sandbox
from tests.channels.contract.wordpress import WordPress
from tests.channels.contract.x import X

NETWORKS: tuple[type[Adapter], ...] = (Bluesky, Mastodon, Pigeon, Sandbox, WordPress, X)

NOT_HERE = {
    "csv": "It reads files that a user uploads; tests of the import cover it.",
    "email": "It speaks IMAP and SMTP; tests/real and test_mail_*.py test it with real servers.",
    "feed": "It reads XML without an account; test_feed*.py test it.",
    "manual": "It talks to no network.",
    "webhook": "It asks no network: other programs post to it.",
}
"""The channels that the suite does not test, with the reason."""
